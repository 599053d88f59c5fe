// The byte product: packing, and rows and panels around the tiles of gemm_bytes_tile.h.
#include "gemm_bytes_tile.h"

#define OFFSET 128

// --- packing B -----------------------------------------------------------------------------------

INLINE int32_t number(uint8_t byte, int is_signed) { return is_signed ? (int8_t)byte : byte; }

// One word of a column of B from step k: group numbers, zeros beyond the depth.
INLINE int32_t pack_b_word(const uint8_t *b, isize b_row, isize k, isize depth, int is_signed) {
    uint32_t word = 0;
    for (int g = 0; g < BYTES_GROUP && k + g < depth; g++) {
        uint8_t byte = b[(k + g) * b_row];
#if BYTES_GROUP == 4
        word |= (uint32_t)(uint8_t)(is_signed ? byte : byte ^ 0x80) << 8 * g;
#else
        word |= (uint32_t)(uint16_t)number(byte, is_signed) << 16 * g;
#endif
    }
    return (int32_t)word;
}

// What a column's sums start from, given its packed words.
INLINE int32_t column_start(const int32_t *words, isize count, int a_signed) {
    uint32_t sum = 0;
#if BYTES_GROUP == 4
    for (isize w = 0; a_signed && w < count; w++)
        for (int g = 0; g < 4; g++) sum += (uint32_t)(int8_t)(words[w * GEMM_NR] >> 8 * g);
#else
    (void)words, (void)count, (void)a_signed;
#endif
    return (int32_t)(0u - OFFSET * sum);
}

void bytes_pack_b(int32_t *packed, const uint8_t *b, isize b_row, isize b_col, isize k, isize n,
                  isize n0, isize n1, int a_signed, int b_signed) {
    const isize words = bytes_words(k);
    for (isize j0 = n0; j0 < n1; j0 += GEMM_NR) {
        int32_t *panel = packed + j0 * (1 + words), *body = panel + GEMM_NR;
        const isize width = smaller(GEMM_NR, n - j0);
        for (isize w = 0; w < words; w++)
            for (isize j = 0; j < GEMM_NR; j++)
                body[w * GEMM_NR + j] =
                    j < width ? pack_b_word(b + (j0 + j) * b_col, b_row, w * BYTES_GROUP, k, b_signed)
                              : 0;
        for (isize j = 0; j < GEMM_NR; j++) panel[j] = column_start(body + j, words, a_signed);
    }
}

// --- packing A -----------------------------------------------------------------------------------

// Group g of a row of A as a word, and its sum; the numbers beyond the depth are zero.
INLINE uint32_t pack_a_word(const gemm_bytes *g, const uint8_t *a, isize k, uint32_t *sum) {
    uint32_t word = 0;
    for (int i = 0; i < BYTES_GROUP && k + i < g->k; i++) {
        uint8_t byte = a[(k + i) * g->a_col];
#if BYTES_GROUP == 4
        word |= (uint32_t)(uint8_t)(g->a_signed ? byte ^ 0x80 : byte) << 8 * i;
        *sum += (uint32_t)number(byte, g->a_signed);
#else
        (void)sum;
        word |= (uint32_t)(uint16_t)number(byte, g->a_signed) << 16 * i;
#endif
    }
    return word;
}

// Whole runs of dense rows, RUN words each; the rest goes word by word.
#define RUN LANES
#if BYTES_GROUP == 4
INLINE vi load_run(const gemm_bytes *g, const uint8_t *a) {
    return XOR(LDI(a), BITS(g->a_signed ? 0x80808080u : 0));
}
#else
typedef uint8_t bytes __attribute__((vector_size(LANES * 2), aligned(1), may_alias));
typedef int8_t signed_bytes __attribute__((vector_size(LANES * 2)));
INLINE vi load_run(const gemm_bytes *g, const uint8_t *a) {
    const bytes x = *(const bytes *)a;
    return g->a_signed ? (vi)__builtin_convertvector((signed_bytes)x, halves)
                       : (vi)__builtin_convertvector(x, halves);
}
#endif

// Packs one row; gives what its sums start from.
static int32_t pack_a_row(int32_t *out, const uint8_t *a, const gemm_bytes *g) {
    const isize words = bytes_words(g->k);
    uint32_t sum = 0;
    isize w = 0;
    if (g->a_col == 1)
        for (; (w + RUN) * BYTES_GROUP <= g->k; w += RUN) {
            STI(out + w, load_run(g, a + w * BYTES_GROUP));
            if (BYTES_GROUP == 4 && !g->b_signed)
                for (isize k = w * 4; k < (w + RUN) * 4; k++)
                    sum += (uint32_t)number(a[k], g->a_signed);
        }
    for (; w < words; w++) out[w] = (int32_t)pack_a_word(g, a, w * BYTES_GROUP, &sum);
    return g->b_signed ? 0 : (int32_t)(OFFSET * sum);
}

#ifdef __wasm__
// Four dense rows as [words][row].
static void pack_a_quad(int32_t *out, const uint8_t *a, const gemm_bytes *g) {
    const isize words = bytes_words(g->k);
    uint32_t none = 0;
    isize w = 0;
    for (; g->a_col == 1 && (w + RUN) * BYTES_GROUP <= g->k; w += RUN) {
        vi r[4], lo[2], hi[2];
        UNROLL for (int i = 0; i < 4; i++)
            r[i] = load_run(g, a + i * g->a_row + w * BYTES_GROUP);
        UNROLL for (int i = 0; i < 2; i++) {
            lo[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
            hi[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
        }
        STI(out + w * 4, __builtin_shufflevector(lo[0], lo[1], 0, 1, 4, 5));
        STI(out + w * 4 + 4, __builtin_shufflevector(lo[0], lo[1], 2, 3, 6, 7));
        STI(out + w * 4 + 8, __builtin_shufflevector(hi[0], hi[1], 0, 1, 4, 5));
        STI(out + w * 4 + 12, __builtin_shufflevector(hi[0], hi[1], 2, 3, 6, 7));
    }
    for (; w < words; w++)
        for (isize i = 0; i < 4; i++)
            out[w * 4 + i] =
                (int32_t)pack_a_word(g, a + i * g->a_row, w * BYTES_GROUP, &none);
}
#endif

// Packs `rows` rows, tile after tile; starts[i] is for row i.
static void pack_a(int32_t *out, int32_t *starts, const gemm_bytes *g, isize first, isize rows) {
    const isize words = bytes_words(g->k);
    const uint8_t *a = g->a + first * g->a_row;
#ifdef __wasm__
    for (isize i = 0; i < BYTES_BLOCK_ROWS; i++) starts[i] = 0;
    for (; rows >= 4; rows -= 4, out += 4 * words, a += 4 * g->a_row) pack_a_quad(out, a, g);
#endif
    for (; rows > 0; rows--, out += words, a += g->a_row) *starts++ = pack_a_row(out, a, g);
}

// --- rows and panels -----------------------------------------------------------------------------

// A tile of which only `columns` columns exist: computed aside, copied out.
static void run_edge(isize rows, isize columns, bytes_tile t, int32_t *edge) {
    int32_t *c = t.c;
    isize c_row = t.c_row;
    t.c = edge;
    t.c_row = GEMM_NR;
    run_tile(rows, 1, &t);
    for (isize i = 0; i < rows; i++)
        for (isize j = 0; j < columns; j++) c[i * c_row + j] = edge[i * GEMM_NR + j];
}

static void run_rows_of(const gemm_bytes *g, isize m0, isize rows, isize n0, isize n1,
                        int32_t *scratch) {
    const isize words = bytes_words(g->k), panel = GEMM_NR * (1 + words);
    int32_t *edge = scratch, *starts = edge + 8 * GEMM_NR, *a = starts + BYTES_BLOCK_ROWS;
    const isize most = MOST_PANELS(rows);
    pack_a(a, starts, g, m0, rows);
    for (isize j = n0, panels; j < n1; j += panels * GEMM_NR) {
        const int32_t *at = a;
        panels = n1 - j >= most * GEMM_NR ? most : 1;
        for (isize i = 0, height; i < rows; i += height) {
            height = tile_rows(rows - i);
            bytes_tile t = {
                .a = at, .starts = starts + i,
                .b = g->packed + j / GEMM_NR * panel, .b_panel = panel,
                .c = g->c + (m0 + i) * g->c_row + j, .c_row = g->c_row, .words = words,
            };
            if (n1 - j < GEMM_NR) run_edge(height, n1 - j, t, edge);
            else run_tile(height, panels, &t);
            at += height * words;
        }
    }
}

void bytes_run(const gemm_bytes *g, isize m0, isize m1, isize n0, isize n1, char *scratch) {
    for (isize rows; m0 < m1; m0 += rows) {
        rows = smaller(BYTES_BLOCK_ROWS, m1 - m0);
        run_rows_of(g, m0, rows, n0, n1, (int32_t *)scratch);
    }
}

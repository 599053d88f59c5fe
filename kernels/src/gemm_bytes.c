// The byte product: packing, and rows and panels around the tiles of gemm_bytes_tile.h.
#include "gemm_bytes_tile.h"

#define OFFSET 128

// --- packing -------------------------------------------------------------------------------------

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

// Packs a row of A: its words to out[w * step]; gives what its sums start from.
static int32_t pack_a_row(int32_t *out, isize step, const uint8_t *a, isize a_col,
                          const gemm_bytes *g) {
    uint32_t sum = 0;
    for (isize w = 0, k = 0; k < g->k; w++, k += BYTES_GROUP) {
        uint32_t word = 0;
        for (int i = 0; i < BYTES_GROUP && k + i < g->k; i++) {
            uint8_t byte = a[(k + i) * a_col];
#if BYTES_GROUP == 4
            word |= (uint32_t)(uint8_t)(g->a_signed ? byte ^ 0x80 : byte) << 8 * i;
            sum += (uint32_t)number(byte, g->a_signed);
#else
            word |= (uint32_t)(uint16_t)number(byte, g->a_signed) << 16 * i;
#endif
        }
        out[w * step] = (int32_t)word;
    }
    return g->b_signed ? 0 : (int32_t)(OFFSET * sum);
}

// Packs `rows` rows, tile after tile; starts[i] is for row i.
static void pack_a(int32_t *out, int32_t *starts, const gemm_bytes *g, isize first, isize rows) {
    const isize words = bytes_words(g->k);
    for (isize i = 0, height; i < rows; i += height, out += height * words) {
        height = tile_rows(rows - i);
        for (isize r = 0; r < height; r++) {
            const uint8_t *a = g->a + (first + i + r) * g->a_row;
#ifdef __wasm__
            starts[i + r] = pack_a_row(out + r, height, a, g->a_col, g);
#else
            starts[i + r] = pack_a_row(out + r * words, 1, a, g->a_col, g);
#endif
        }
    }
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
        panels = n1 - j >= most * GEMM_NR ? most : 1;
        for (isize i = 0, height; i < rows; i += height) {
            height = tile_rows(rows - i);
            bytes_tile t = {
                .a = a + i * words, .starts = starts + i,
                .b = g->packed + j / GEMM_NR * panel, .b_panel = panel,
                .c = g->c + (m0 + i) * g->c_row + j, .c_row = g->c_row, .words = words,
            };
            if (n1 - j < GEMM_NR) run_edge(height, n1 - j, t, edge);
            else run_tile(height, panels, &t);
        }
    }
}

void bytes_run(const gemm_bytes *g, isize m0, isize m1, isize n0, isize n1, char *scratch) {
    for (isize rows; m0 < m1; m0 += rows) {
        rows = smaller(BYTES_BLOCK_ROWS, m1 - m0);
        run_rows_of(g, m0, rows, n0, n1, (int32_t *)scratch);
    }
}

// The matrix product: blocks, panels and edges around the register tiles of gemm_tile.h.
//
//   blocks of rows (A in the second-level cache) > K blocks > panels of B (first level) > row tiles
//
// A K block continues the chains of the one before it: between them C holds the accumulators.
#include "float_mode.h"
#include "gemm_tile.h"

#define BLOCK_ROWS 128

_Static_assert(A_TILE_FLOATS(TILE_ROWS, TILE_K) * (BLOCK_ROWS / TILE_ROWS + 1) +
                       PANELS * GEMM_NR * TILE_K <= GEMM_SCRATCH,
               "scratch holds a block of A and the panels of B");

// The size of the first of the fewest nearly equal parts, each of at most `most`; 0 for nothing.
INLINE isize even_part(isize total, isize most) {
    isize parts = (total + most - 1) / most;
    return parts ? (total + parts - 1) / parts : 0;
}

// --- panels of B ---------------------------------------------------------------------------------

// out[k][GEMM_NR] = B columns [0, width), zero beyond.
static void pack_panel(float *out, const float *b, isize b_row, isize b_col, isize k, isize width) {
    isize quads = b_row == 1 ? width & -4 : 0, k_quads = k & -4;
    if (b_col == 1 && width == GEMM_NR) {
        for (isize p = 0; p < k; p++)
            for (isize j = 0; j < GEMM_NR; j += LANES)
                ST(out + p * GEMM_NR + j, LD(b + p * b_row + j));
        return;
    }
    for (isize j = 0; j < quads; j += 4)
        for (isize p = 0; p < k_quads; p += 4)
            transpose_4x4(out + p * GEMM_NR + j, GEMM_NR, b + j * b_col + p, b_col);
    for (isize p = 0; p < k; p++)
        for (isize j = p < k_quads ? quads : 0; j < GEMM_NR; j++)
            out[p * GEMM_NR + j] = j < width ? b[p * b_row + j * b_col] : 0;
}

void gemm_pack_b(float *packed, const float *b, isize b_row, isize b_col, isize k, isize n) {
    for (isize j = 0; j < n; j += GEMM_NR)
        pack_panel(packed + j * k, b + j * b_col, b_row, b_col, k, smaller(GEMM_NR, n - j));
}

// Points the tile at `panels` panels of B from column j, steps [k0, k0 + t->k).
static void find_panels(tile_args *t, const gemm *g, isize j, isize panels, isize k0,
                        float *scratch) {
    t->b_row = GEMM_NR;
    if (g->packed) {
        t->b = g->packed + j * g->k + k0 * GEMM_NR;
        t->b_panel = g->k * GEMM_NR;
        return;
    }
    const float *b = g->b + k0 * g->b_row + j * g->b_col;
#ifndef __wasm__
    if (g->b_col == 1 && j + panels * GEMM_NR <= g->n) {
        t->b = b;
        t->b_row = g->b_row;
        t->b_panel = GEMM_NR;
        return;
    }
#endif
    t->b = scratch;
    t->b_panel = t->k * GEMM_NR;
    for (isize p = 0; p < panels; p++)
        pack_panel(scratch + p * t->b_panel, b + p * GEMM_NR * g->b_col, g->b_row, g->b_col, t->k,
                   smaller(GEMM_NR, g->n - j - p * GEMM_NR));
}

// --- tiles of C ----------------------------------------------------------------------------------

// `count` floats, of which the caller may not touch more.
INLINE void copy_floats(float *to, const float *from, isize count) {
    isize i = 0;
    for (; i + LANES <= count; i += LANES) ST(to + i, LD(from + i));
    for (; i < count; i++) to[i] = from[i];
}

// A tile of which only `columns` columns exist: computed aside, copied in and out.
static void run_edge_tile(isize rows, isize vectors, isize columns, tile_args t) {
    float edge[TILE_ROWS * GEMM_NR] = {0};
    float *c = t.c;
    isize c_row = t.c_row;
    for (isize i = 0; i < rows && !t.first; i++)
        copy_floats(edge + i * GEMM_NR, c + i * c_row, columns);
    t.c = edge;
    t.c_row = GEMM_NR;
    run_tile(rows, vectors, &t);
    for (isize i = 0; i < rows; i++) copy_floats(c + i * c_row, edge + i * GEMM_NR, columns);
}

// Rows cut into the fewest tiles of nearly equal height: `taller` of height + 1, then of height.
typedef struct {
    isize count, height, taller;
} tiling;

INLINE tiling cut_rows(isize rows) {
    isize count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    return (tiling){count, rows / count, rows % count};
}

// Rows [first, first + lines * width) of A and C: whole lines, or a part of one.
typedef struct {
    isize lines, width, a_line;
    tiling tiles;  // of each line
} row_block;

// A K block of a block of rows of A, packed tile after tile (where the target packs A at all).
static void pack_a(float *out, const tile_args *t, const row_block *r) {
    for (isize line = 0; line < r->lines && A_TILE_FLOATS(1, 1); line++) {
        const float *a = t->a + line * r->a_line;
        for (isize i = 0, rows; i < r->tiles.count; i++, a += rows * t->a_row) {
            rows = r->tiles.height + (i < r->tiles.taller);
            pack_a_tile(out, a, t, rows);
            out += A_TILE_FLOATS(rows, t->k);
        }
    }
}

// One K block of a block of rows and some panels of columns. t->a, t->c: its first elements.
static void run_panels(const row_block *r, tile_args t, isize vectors, isize columns) {
    const float *a = t.a;
    for (isize line = 0; line < r->lines; line++, a += r->a_line) {
        if (!A_TILE_FLOATS(1, 1)) t.a = a;
        for (isize i = 0, height; i < r->tiles.count; i++) {
            height = r->tiles.height + (i < r->tiles.taller);
            if (columns < vectors * LANES)
                run_edge_tile(height, vectors, columns, t);
            else
                run_tile(height, vectors, &t);
            t.a += A_TILE_FLOATS(1, 1) ? A_TILE_FLOATS(height, t.k) : height * t.a_row;
            t.c += height * t.c_row;
        }
    }
}

// One K block of a block of rows x columns [n0, n1); t holds A, C and the block's place in K.
static void run_block(const gemm *g, tile_args t, const row_block *r, isize n0, isize n1, isize k0,
                      float *scratch) {
    const isize rows = r->lines * r->width;
    const isize most = rows == 1 ? 4 : rows == 2 && r->lines == 1 ? 2 : 1;  // panels done together
    float *a_packed = scratch + PANELS * GEMM_NR * TILE_K, *c = t.c;
    pack_a(a_packed, &t, r);
    if (A_TILE_FLOATS(1, 1)) t.a = a_packed;
    for (isize j = n0, panels; j < n1; j += panels * GEMM_NR) {
        panels = n1 - j >= most * GEMM_NR ? most : 1;
        find_panels(&t, g, j, panels, k0, scratch);
        t.c = c + j;
        isize vectors = HALF_PANELS && n1 - j <= LANES ? 1 : panels * NV;
        run_panels(r, t, vectors, n1 - j);
    }
}

// The block of rows from row i on: as many whole lines as a block holds, or an even part of one.
static row_block block_at(const gemm *g, isize i, isize m1) {
    const isize width = g->width ? g->width : m1, place = i % width, left = m1 - i;
    row_block r = {.lines = 1, .width = smaller(width - place, left), .a_line = g->a_line};
    if (place == 0 && width <= smaller(left, BLOCK_ROWS))
        r.lines = smaller(left, BLOCK_ROWS) / width;
    else
        r.width = even_part(r.width, BLOCK_ROWS);
    r.tiles = cut_rows(r.width);
    return r;
}

void gemm_run(const gemm *g, isize m0, isize m1, isize n0, isize n1, float *scratch) {
    const isize depth = g->k > TILE_K ? (even_part(g->k, TILE_K) + 15) / 16 * 16 : TILE_K;
    row_block r;
    for (isize i = m0; i < m1; i += r.lines * r.width) {
        r = block_at(g, i, m1);
        const isize line = g->width ? i / g->width : 0, place = i - line * g->width;
        const float *a = g->a + line * g->a_line + place * g->a_row;
        for (isize k0 = 0; k0 == 0 || k0 < g->k; k0 += depth) {
            tile_args t = {
                .a = g->offsets ? a : a + k0 * g->a_col, .a_row = g->a_row, .a_col = g->a_col,
                .offsets = g->offsets ? g->offsets + k0 : NULL,
                .c = g->c + i * g->c_row, .c_row = g->c_row,
                .k = smaller(depth, g->k - k0), .first = k0 == 0, .last = k0 + depth >= g->k,
            };
            run_block(g, t, &r, n0, n1, k0, scratch);
        }
    }
}

// --- for hosts -----------------------------------------------------------------------------------

EXPORT(aivm_gemm_pack)
void aivm_gemm_pack(float *packed, const gemm *g) {
    gemm_pack_b(packed, g->b, g->b_row, g->b_col, g->k, g->n);
}

EXPORT(aivm_gemm)
void aivm_gemm(const gemm *g, isize m0, isize m1, isize n0, isize n1, float *scratch) {
    float_mode caller = float_mode_enter();
    gemm_run(g, m0, m1, n0, n1, scratch);
    float_mode_leave(caller);
}

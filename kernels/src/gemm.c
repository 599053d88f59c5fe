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

// A tile of which only `columns` columns exist: computed aside, copied in and out.
static void run_edge_tile(isize rows, isize columns, tile_args t) {
    float edge[TILE_ROWS * GEMM_NR];
    float *c = t.c;
    isize c_row = t.c_row;
    for (isize i = 0; i < rows; i++)
        for (isize j = 0; j < GEMM_NR; j++)
            edge[i * GEMM_NR + j] = t.first || j >= columns ? 0 : c[i * c_row + j];
    t.c = edge;
    t.c_row = GEMM_NR;
    run_tile(rows, 1, &t);
    for (isize i = 0; i < rows; i++)
        for (isize j = 0; j < columns; j++) c[i * c_row + j] = edge[i * GEMM_NR + j];
}

// Rows cut into the fewest tiles of nearly equal height: `taller` of height + 1, then of height.
typedef struct {
    isize count, height, taller;
} tiling;

INLINE tiling cut_rows(isize rows) {
    isize count = (rows + TILE_ROWS - 1) / TILE_ROWS;
    return (tiling){count, rows / count, rows % count};
}

// A K block of `rows` rows of A, packed tile after tile (where the target packs A at all).
static void pack_a(float *out, const tile_args *t, tiling tiles) {
    const float *a = t->a;
    for (isize i = 0, rows; i < tiles.count && A_TILE_FLOATS(1, 1); i++, a += rows * t->a_row) {
        rows = tiles.height + (i < tiles.taller);
        pack_a_tile(out, a, t->a_row, t->a_col, rows, t->k);
        out += A_TILE_FLOATS(rows, t->k);
    }
}

// One K block of C rows [0, rows) x columns [n0, n1); t holds A, C and the block's place in K.
static void run_block(const gemm *g, tile_args t, isize rows, isize n0, isize n1, isize k0,
                      float *scratch) {
    const isize most = rows == 1 ? 4 : rows == 2 ? 2 : 1;  // panels done together
    const tiling tiles = cut_rows(rows);
    const tile_args whole = t;
    float *a_packed = scratch + PANELS * GEMM_NR * TILE_K;
    pack_a(a_packed, &t, tiles);
    for (isize j = n0, panels; j < n1; j += panels * GEMM_NR) {
        panels = n1 - j >= most * GEMM_NR ? most : 1;
        find_panels(&t, g, j, panels, k0, scratch);
        t.a = A_TILE_FLOATS(1, 1) ? a_packed : whole.a;
        t.c = whole.c + j;
        for (isize i = 0, height; i < tiles.count; i++) {
            height = tiles.height + (i < tiles.taller);
            if (n1 - j < GEMM_NR)
                run_edge_tile(height, n1 - j, t);
            else
                run_tile(height, panels, &t);
            t.a += A_TILE_FLOATS(1, 1) ? A_TILE_FLOATS(height, t.k) : height * t.a_row;
            t.c += height * t.c_row;
        }
    }
}

void gemm_run(const gemm *g, isize m0, isize m1, isize n0, isize n1, float *scratch) {
    const isize depth = g->k > TILE_K ? (even_part(g->k, TILE_K) + 15) / 16 * 16 : TILE_K;
    for (isize i = m0, rows; i < m1; i += rows) {
        rows = even_part(m1 - i, BLOCK_ROWS);
        for (isize k0 = 0; k0 == 0 || k0 < g->k; k0 += depth) {
            tile_args t = {
                .a = g->a + i * g->a_row + k0 * g->a_col, .a_row = g->a_row, .a_col = g->a_col,
                .c = g->c + i * g->c_row, .c_row = g->c_row,
                .k = smaller(depth, g->k - k0), .first = k0 == 0, .last = k0 + depth >= g->k,
            };
            run_block(g, t, rows, n0, n1, k0, scratch);
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

// Native tiles: rows x 2 accumulators, chosen so that they, a panel's row and one broadcast fit the
// register file: 6 rows where it has 16 (AVX2), 8 where it has 32 (AVX-512, NEON).
#pragma once

#if defined(__AVX2__) && !defined(__AVX512F__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 8
#endif
#define TILE_K 768                  // steps of a K block: keeps a panel of B in the nearer caches
#define A_TILE_FLOATS(rows, k) 0    // A is not packed
#define HALF_PANELS 1               // there are tiles of one vector

INLINE void pack_a_tile(float *out, const float *a, const tile_args *t, isize rows) {
    (void)out, (void)a, (void)t, (void)rows;
}

// `spread`: the columns of A are where a table says.
INLINE void tile(const int rows, const int nv, const int spread, const tile_args *t) {
    const isize a_row = t->a_row, a_col = t->a_col, b_row = t->b_row, b_panel = t->b_panel;
    const int32_t *offset = t->offsets;
    const float *first = t->a, *a = t->a, *b = t->b;
    vf acc[TILE_ROWS][NV * PANELS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            acc[i][j] = t->first ? (vf){0} : LD(t->c + i * t->c_row + j * LANES);
#pragma clang loop unroll_count(4)
    for (isize k = t->k; k > 0; k--) {
        vf bv[NV * PANELS];
        if (spread) a = first + *offset++;
        UNROLL for (int j = 0; j < nv; j++) bv[j] = LD(b + j / NV * b_panel + j % NV * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            vf x = SPLAT(a[i * a_row]);
            UNROLL for (int j = 0; j < nv; j++) acc[i][j] = FMA(x, bv[j], acc[i][j]);
        }
        if (!spread) a += a_col;
        b += b_row;
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            ST(t->c + i * t->c_row + j * LANES, t->last ? CANON(acc[i][j]) : acc[i][j]);
}

#define TILE(rows, vectors)                                                                \
    static __attribute__((noinline)) void tile_##rows##x##vectors(const tile_args *t) {    \
        tile(rows, vectors, 0, t);                                                         \
    }                                                                                      \
    static __attribute__((noinline)) void spread_##rows##x##vectors(const tile_args *t) {  \
        tile(rows, vectors, 1, t);                                                         \
    }
#define EACH_HEIGHT(DO) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) MORE_HEIGHTS(DO)
#if TILE_ROWS == 8
#define MORE_HEIGHTS(DO) DO(7) DO(8)
#else
#define MORE_HEIGHTS(DO)
#endif
_Static_assert(NV == 2, "the names below say how many vectors");
#define PANEL_TILE(rows) TILE(rows, 1) TILE(rows, 2)
EACH_HEIGHT(PANEL_TILE)
TILE(1, 8) TILE(2, 4)

typedef void tile_kernel(const tile_args *t);

INLINE void run_tile(isize rows, isize vectors, const tile_args *t) {
#define NAMES(rows) {{tile_##rows##x1, tile_##rows##x2}, {spread_##rows##x1, spread_##rows##x2}},
    static tile_kernel *const kernels[TILE_ROWS][2][NV] = {EACH_HEIGHT(NAMES)};
#undef NAMES
    const int spread = t->offsets != NULL;
    if (vectors == 8) return (spread ? spread_1x8 : tile_1x8)(t);
    if (vectors == 4) return (spread ? spread_2x4 : tile_2x4)(t);
    kernels[rows - 1][spread][vectors - 1](t);
}
#undef PANEL_TILE
#undef TILE

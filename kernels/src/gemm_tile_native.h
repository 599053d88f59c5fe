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

INLINE void pack_a_tile(float *out, const float *a, isize a_row, isize a_col, isize rows, isize k) {
    (void)out, (void)a, (void)a_row, (void)a_col, (void)rows, (void)k;
}

INLINE void tile(const int rows, const int panels, const tile_args *t) {
    const int nv = NV * panels;
    const isize a_row = t->a_row, a_col = t->a_col, b_row = t->b_row, b_panel = t->b_panel;
    const float *a = t->a, *b = t->b;
    vf acc[TILE_ROWS][NV * PANELS];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            acc[i][j] = t->first ? (vf){0} : LD(t->c + i * t->c_row + j * LANES);
#pragma clang loop unroll_count(4)
    for (isize k = t->k; k > 0; k--) {
        vf bv[NV * PANELS];
        UNROLL for (int j = 0; j < nv; j++) bv[j] = LD(b + j / NV * b_panel + j % NV * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            vf x = SPLAT(a[i * a_row]);
            UNROLL for (int j = 0; j < nv; j++) acc[i][j] = FMA(x, bv[j], acc[i][j]);
        }
        a += a_col;
        b += b_row;
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            ST(t->c + i * t->c_row + j * LANES, t->last ? CANON(acc[i][j]) : acc[i][j]);
}

#define TILE(rows, panels)                                                             \
    static __attribute__((noinline)) void tile_##rows##x##panels(const tile_args *t) { \
        tile(rows, panels, t);                                                         \
    }
TILE(1, 4) TILE(2, 2)
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1)
#if TILE_ROWS == 8
TILE(7, 1) TILE(8, 1)
#endif
#undef TILE

INLINE void run_tile(isize rows, isize panels, const tile_args *t) {
    if (panels == 4) return tile_1x4(t);
    if (panels == 2) return tile_2x2(t);
    switch (rows) {
    case 1: return tile_1x1(t);
    case 2: return tile_2x1(t);
    case 3: return tile_3x1(t);
    case 4: return tile_4x1(t);
    case 5: return tile_5x1(t);
    case 6: return tile_6x1(t);
#if TILE_ROWS == 8
    case 7: return tile_7x1(t);
    case 8: return tile_8x1(t);
#endif
    }
}

// Wasm tiles, shaped by Cranelift at its optimisation level `none` (wasmtime 50, on Zen 4):
//
// - It neither folds v128.load32_splat nor keeps its scalar out of a general register. So A is
//   packed: of a 5-row tile, row 0 as ready splats (a load each) and rows 1..4 as one vector a
//   step, spread by shuffles; that balances load and shuffle ports. A 4-row tile is the vector.
// - It keeps the order of the code, so LLVM must not change it: PIN makes every accumulation a
//   fixed point, and emits nothing.
// - relaxed_madd overwrites its first factor, so accumulators wander through the registers: a long
//   unrolled body has fewer copies to put them back. 5 x 2 chains cover the latency; 6 x 2 spill.
// - An address needs no zero extension where it is the result of an i32.add in the same body: the
//   pointers therefore advance at its top, not at its end.
#pragma once

#define TILE_ROWS 5
#define TILE_K 384
#define A_TILE_FLOATS(rows, k) (((rows) == 5 ? 8 : (rows)) * (k))
#define HALF_PANELS 0

#define PIN(x) __asm__ volatile("" : "+r"(x))
#define LANE(v, i) __builtin_shufflevector(v, v, i, i, i, i)

// --- packing A -----------------------------------------------------------------------------------

INLINE void pack_quad(float *out, const int rows, const float *a, isize a_row, isize a_col,
                      isize k) {
    const int step = rows == 5 ? 8 : 4;
    const float *quad = a + (rows - 4) * a_row;
    isize p = 0;
    for (; a_col == 1 && p + 4 <= k; p += 4, out += 4 * step) {
        transpose_4x4(out + step - 4, step, quad + p, a_row);
        if (rows == 5) {
            vf x = LD(a + p);
            ST(out, LANE(x, 0));
            ST(out + 8, LANE(x, 1));
            ST(out + 16, LANE(x, 2));
            ST(out + 24, LANE(x, 3));
        }
    }
    for (; p < k; p++, out += step) {
        const float *x = quad + p * a_col;
        if (rows == 5) ST(out, SPLAT(a[p * a_col]));
        ST(out + step - 4, ((vf){x[0], x[a_row], x[2 * a_row], x[3 * a_row]}));
    }
}

INLINE void pack_spread_quad(float *out, const int rows, const float *a, isize a_row,
                             const int32_t *offsets, isize k) {
    const int step = rows == 5 ? 8 : 4;
    for (isize p = 0; p < k; p++, out += step) {
        const float *x = a + offsets[p];
        if (rows == 5) ST(out, SPLAT(x[0]));
        x += (rows - 4) * a_row;
        ST(out + step - 4, ((vf){x[0], x[a_row], x[2 * a_row], x[3 * a_row]}));
    }
}

// 5 rows: [k][row 0 four times, rows 1..4]; 4 rows: [k][row]; fewer: [row][k], the vector along k.
static void pack_a_tile(float *out, const float *a, const tile_args *t, isize rows) {
    const isize a_row = t->a_row, a_col = t->a_col, k = t->k;
    const int32_t *offsets = t->offsets;
    if (rows == 5 && offsets) return pack_spread_quad(out, 5, a, a_row, offsets, k);
    if (rows == 4 && offsets) return pack_spread_quad(out, 4, a, a_row, offsets, k);
    if (rows == 5) return pack_quad(out, 5, a, a_row, a_col, k);
    if (rows == 4) return pack_quad(out, 4, a, a_row, a_col, k);
    for (isize i = 0; i < rows; i++)
        for (isize p = 0; p < k; p++)
            *out++ = a[i * a_row + (offsets ? offsets[p] : p * a_col)];
}

// --- accumulators --------------------------------------------------------------------------------

INLINE void load_tile(const int rows, const int nv, vf *acc, const tile_args *t) {
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            acc[i * nv + j] = t->first ? (vf){0} : LD(t->c + i * t->c_row + j * LANES);
}

INLINE void store_tile(const int rows, const int nv, const vf *acc, const tile_args *t) {
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < nv; j++)
            ST(t->c + i * t->c_row + j * LANES, t->last ? CANON(acc[i * nv + j]) : acc[i * nv + j]);
}

// --- 4 and 5 rows of one packed panel ------------------------------------------------------------

INLINE void accumulate(vf acc[NV], vf x, const vf b[NV]) {
    PIN(x);
    UNROLL for (int j = 0; j < NV; j++) {
        acc[j] = FMA(x, b[j], acc[j]);
        PIN(acc[j]);
    }
}

INLINE void quad_step(const int rows, vf acc[][NV], const float *a, const float *b) {
    vf bv[NV] = {LD(b), LD(b + LANES)};
    PIN(bv[0]);
    PIN(bv[1]);
    if (rows == 5) {
        accumulate(acc[0], LD(a), bv);
        a += 4;
    }
    vf quad = LD(a);
    PIN(quad);
    accumulate(acc[rows - 4], LANE(quad, 0), bv);
    accumulate(acc[rows - 3], LANE(quad, 1), bv);
    accumulate(acc[rows - 2], LANE(quad, 2), bv);
    accumulate(acc[rows - 1], LANE(quad, 3), bv);
}

// t->k is a multiple of `body`. One loop and nothing else: a second one in the same function would
// make the register allocator spill in both.
INLINE void quad_tile(const int rows, const int body, const tile_args *t) {
    const int a_step = rows == 5 ? 8 : 4;
    vf acc[5][NV];
    load_tile(rows, NV, acc[0], t);
    uintptr_t a = (uintptr_t)t->a - body * a_step * sizeof(float);
    uintptr_t b = (uintptr_t)t->b - body * GEMM_NR * sizeof(float);
    for (isize k = t->k; k >= body; k -= body) {
        a += body * a_step * sizeof(float);
        b += body * GEMM_NR * sizeof(float);
        PIN(a);
        PIN(b);
        UNROLL for (int u = 0; u < body; u++)
            quad_step(rows, acc, (const float *)a + u * a_step, (const float *)b + u * GEMM_NR);
    }
    store_tile(rows, NV, acc[0], t);
}

#define QUAD(rows, body)                                                                   \
    static __attribute__((noinline)) void quad_tile_##rows##x##body(const tile_args *t) {  \
        quad_tile(rows, body, t);                                                          \
    }
QUAD(5, 16) QUAD(5, 4) QUAD(5, 1)
QUAD(4, 16) QUAD(4, 4) QUAD(4, 1)
#undef QUAD

// Cuts t->k into runs of bodies of 16, 4 and 1 steps; C holds the accumulators between them.
static __attribute__((noinline)) void run_quads(isize rows, const tile_args *t) {
    tile_args run = *t;
    for (isize left = t->k; left > 0 || run.first; left -= run.k, run.first = 0) {
        const isize body = left >= 16 ? 16 : left >= 4 ? 4 : 1;
        run.k = left - left % body;
        run.last = t->last && run.k == left;
        if (rows == 5)
            (body == 16 ? quad_tile_5x16 : body == 4 ? quad_tile_5x4 : quad_tile_5x1)(&run);
        else
            (body == 16 ? quad_tile_4x16 : body == 4 ? quad_tile_4x4 : quad_tile_4x1)(&run);
        run.a += A_TILE_FLOATS(rows, run.k);
        run.b += GEMM_NR * run.k;
    }
}

// --- 1..3 rows of one or several packed panels ---------------------------------------------------

// The vector of B comes first in the product: it is used least, and the first factor is
// overwritten.
INLINE void thin_step(const int rows, const int nv, vf *acc, const vf *x, const float *b,
                      isize b_panel) {
    UNROLL for (int j = 0; j < nv; j++) {
        vf bv = LD(b + j / NV * b_panel + j % NV * LANES);
        PIN(bv);
        UNROLL for (int i = 0; i < rows; i++) {
            acc[i * nv + j] = FMA(bv, x[i], acc[i * nv + j]);
            PIN(acc[i * nv + j]);
        }
    }
}

INLINE void thin_tile(const int rows, const int panels, const tile_args *t) {
    const int nv = NV * panels;
    const isize k_whole = t->k & -4, b_panel = t->b_panel;
    const float *a = t->a, *b = t->b;
    vf acc[3 * NV * PANELS], x[3], quad[3];
    load_tile(rows, nv, acc, t);
    for (isize k = 0; k < k_whole; k += 4, b += 4 * GEMM_NR) {
        UNROLL for (int i = 0; i < rows; i++) quad[i] = LD(a + i * t->k + k);
#define STEP(lane)                                                    \
    UNROLL for (int i = 0; i < rows; i++) x[i] = LANE(quad[i], lane); \
    thin_step(rows, nv, acc, x, b + lane * GEMM_NR, b_panel);
        STEP(0) STEP(1) STEP(2) STEP(3)
#undef STEP
    }
    for (isize k = k_whole; k < t->k; k++, b += GEMM_NR) {
        UNROLL for (int i = 0; i < rows; i++) x[i] = SPLAT(a[i * t->k + k]);
        thin_step(rows, nv, acc, x, b, b_panel);
    }
    store_tile(rows, nv, acc, t);
}

#define THIN(rows, panels)                                                                   \
    static __attribute__((noinline)) void thin_tile_##rows##x##panels(const tile_args *t) {  \
        thin_tile(rows, panels, t);                                                          \
    }
THIN(1, 4) THIN(2, 2)
THIN(1, 1) THIN(2, 1) THIN(3, 1)
#undef THIN

INLINE void run_tile(isize rows, isize vectors, const tile_args *t) {
    if (rows == 5 && t->k % 16 == 0) return quad_tile_5x16(t);  // the common case, at no cost
    if (vectors == 4 * NV) return thin_tile_1x4(t);
    if (vectors == 2 * NV) return thin_tile_2x2(t);
    switch (rows) {
    case 1: return thin_tile_1x1(t);
    case 2: return thin_tile_2x1(t);
    case 3: return thin_tile_3x1(t);
    default: return run_quads(rows, t);
    }
}

// Wasm tiles, shaped by Cranelift at its optimisation level `none` (wasmtime 50, measured on Zen 4):
//
// - It neither folds v128.load32_splat nor keeps its scalar out of a general register. So A is
//   packed: of a 5-row tile, row 0 as ready splats (a load each) and rows 1..4 as one vector a step,
//   spread by shuffles; that balances load and shuffle ports. A 4-row tile is the vector alone.
// - It keeps the order of the code, so LLVM must not change it: PIN makes every accumulation a fixed
//   point, and emits nothing.
// - relaxed_madd overwrites its first factor, so accumulators wander through the registers: a long
//   unrolled body has fewer copies to put them back. 5 x 2 chains cover the latency; 6 x 2 spill.
// - An address needs no zero extension where it is the result of an i32.add in the same body: the
//   pointers therefore advance at its top, not at its end.
#pragma once

#define TILE_ROWS 5
#define TILE_K 384
#define LONG 12  // steps of the unrolled body; TILE_K is a multiple
#define A_TILE_FLOATS(rows, k) (((rows) == 5 ? 8 : (rows)) * (k))

#define PIN(x) __asm__ volatile("" : "+r"(x))
#define LANE(v, i) __builtin_shufflevector(v, v, i, i, i, i)

// 5 rows: [k][row 0 four times, rows 1..4]; 4 rows: [k][row]; fewer: [row][k], the vector along k.
static void pack_a_tile(float *out, const float *a, isize a_row, isize a_col, isize rows, isize k) {
    if (rows < 4) {
        for (isize i = 0; i < rows; i++)
            for (isize p = 0; p < k; p++) *out++ = a[i * a_row + p * a_col];
        return;
    }
    for (isize p = 0; p < k; p++, a += a_col) {
        const float *quad = a + (rows - 4) * a_row;
        if (rows == 5) {
            ST(out, SPLAT(a[0]));
            out += 4;
        }
        ST(out, ((vf){quad[0], quad[a_row], quad[2 * a_row], quad[3 * a_row]}));
        out += 4;
    }
}

INLINE void accumulate(const int nv, vf *acc, vf x, const vf *b) {
    PIN(x);
    UNROLL for (int j = 0; j < nv; j++) {
        acc[j] = FMA(x, b[j], acc[j]);
        PIN(acc[j]);
    }
}

INLINE void quad_step(const int rows, vf acc[][NV], const float *a, const float *b) {
    vf bv[NV] = {LD(b), LD(b + LANES)};
    PIN(bv[0]);
    PIN(bv[1]);
    if (rows == 5) {
        accumulate(NV, acc[0], LD(a), bv);
        a += 4;
    }
    vf quad = LD(a);
    PIN(quad);
    accumulate(NV, acc[rows - 4], LANE(quad, 0), bv);
    accumulate(NV, acc[rows - 3], LANE(quad, 1), bv);
    accumulate(NV, acc[rows - 2], LANE(quad, 2), bv);
    accumulate(NV, acc[rows - 1], LANE(quad, 3), bv);
}

// As many bodies of `count` steps as are left in *k.
INLINE void quad_steps(const int rows, const int count, vf acc[][NV], uintptr_t *a, uintptr_t *b,
                       isize *k) {
    const int a_step = rows == 5 ? 8 : 4;
    *a -= count * a_step * sizeof(float);
    *b -= count * GEMM_NR * sizeof(float);
    for (; *k >= count; *k -= count) {
        *a += count * a_step * sizeof(float);
        *b += count * GEMM_NR * sizeof(float);
        PIN(*a);
        PIN(*b);
        UNROLL for (int u = 0; u < count; u++)
            quad_step(rows, acc, (const float *)*a + u * a_step, (const float *)*b + u * GEMM_NR);
    }
    *a += count * a_step * sizeof(float);
    *b += count * GEMM_NR * sizeof(float);
}

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

// 4 or 5 rows of one packed panel: constant offsets.
INLINE void quad_tile(const int rows, const tile_args *t) {
    vf acc[5][NV];
    uintptr_t a = (uintptr_t)t->a, b = (uintptr_t)t->b;
    isize k = t->k;
    load_tile(rows, NV, acc[0], t);
    quad_steps(rows, LONG, acc, &a, &b, &k);
    quad_steps(rows, 4, acc, &a, &b, &k);
    quad_steps(rows, 1, acc, &a, &b, &k);
    store_tile(rows, NV, acc[0], t);
}

// 1..3 rows of one or several packed panels.
INLINE void thin_tile(const int rows, const int panels, const tile_args *t) {
    const int nv = NV * panels;
    const float *a = t->a, *b = t->b;
    vf acc[3 * NV * PANELS], quad[3], bv[NV * PANELS];
    load_tile(rows, nv, acc, t);
    isize k = t->k;
#define STEP(x)                                                                                     \
    UNROLL for (int j = 0; j < nv; j++) bv[j] = LD(b + j / NV * t->b_panel + j % NV * LANES);       \
    UNROLL for (int i = 0; i < rows; i++) accumulate(nv, acc + i * nv, x, bv);                            \
    b += GEMM_NR;
    for (; k >= 4; k -= 4, a += 4) {
        UNROLL for (int i = 0; i < rows; i++) quad[i] = LD(a + i * t->k);
        STEP(LANE(quad[i], 0)) STEP(LANE(quad[i], 1)) STEP(LANE(quad[i], 2)) STEP(LANE(quad[i], 3))
    }
    for (; k > 0; k--, a++) {
        STEP(SPLAT(a[i * t->k]))
    }
#undef STEP
    store_tile(rows, nv, acc, t);
}

static __attribute__((noinline)) void quad_tile_5(const tile_args *t) { quad_tile(5, t); }
static __attribute__((noinline)) void quad_tile_4(const tile_args *t) { quad_tile(4, t); }
static __attribute__((noinline)) void thin_tile_3(const tile_args *t) { thin_tile(3, 1, t); }
static __attribute__((noinline)) void thin_tile_2(const tile_args *t) { thin_tile(2, 1, t); }
static __attribute__((noinline)) void thin_tile_1(const tile_args *t) { thin_tile(1, 1, t); }
static __attribute__((noinline)) void thin_tile_2x2(const tile_args *t) { thin_tile(2, 2, t); }
static __attribute__((noinline)) void thin_tile_1x4(const tile_args *t) { thin_tile(1, 4, t); }

INLINE void run_tile(isize rows, isize panels, const tile_args *t) {
    if (panels == 4) return thin_tile_1x4(t);
    if (panels == 2) return thin_tile_2x2(t);
    switch (rows) {
    case 1: return thin_tile_1(t);
    case 2: return thin_tile_2(t);
    case 3: return thin_tile_3(t);
    case 4: return quad_tile_4(t);
    case 5: return quad_tile_5(t);
    }
}

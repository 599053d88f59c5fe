// The register tiles of the byte product: rows x (panels * GEMM_NR) sums, over the whole depth.
#pragma once
#include "gemm_bytes.h"

#define NV (GEMM_NR / LANES)
#define UNROLL _Pragma("clang loop unroll(full)")

typedef short halves __attribute__((vector_size(LANES * 4)));

// acc + the products of the numbers in each word of x and of b.
INLINE vi DOT(vi x, vi b, vi acc) {
#if defined(__AVX512VNNI__)
    return (vi)__builtin_ia32_vpdpbusd512((vi)acc, (vi)x, (vi)b);
#elif defined(__AVX512F__)
    return acc + (vi)__builtin_ia32_pmaddwd512((halves)x, (halves)b);
#elif defined(__AVX2__)
    return acc + (vi)__builtin_ia32_pmaddwd256((halves)x, (halves)b);
#elif defined(__wasm__)
    return acc + (vi)__builtin_wasm_dot_s_i32x4_i16x8((halves)x, (halves)b);
#else
    vi low = (x << 16 >> 16) * (b << 16 >> 16), high = (x >> 16) * (b >> 16);
    return IADD(acc, IADD(low, high));
#endif
}

typedef struct {
    const int32_t *a;        // native: [row][words]; wasm: tiles of 4 rows as [words][row]
    const int32_t *starts;   // a number a row
    const int32_t *b;        // the first panel
    isize b_panel;           // words from a panel to the next
    int32_t *c;
    isize c_row;
    isize words;
} bytes_tile;

#ifdef __wasm__

// Cranelift keeps the order of the code: see gemm_tile_wasm.h. A word of A is spread by a shuffle
// of a vector that holds four rows: it folds no broadcast load, and every load costs two more
// instructions. What bounds the loop on Zen 4 are the sums, which compete with the products.
#define BYTES_TILE_ROWS 4
#define PIN(x) __asm__ volatile("" : "+r"(x))
#define LANE(v, i) __builtin_shufflevector(v, v, i, i, i, i)

INLINE void row_step(vi acc[NV], vi x, const vi b[NV]) {
    UNROLL for (int j = 0; j < NV; j++) {
        acc[j] = DOT(x, b[j], acc[j]);
        PIN(acc[j]);
    }
}

#define WASM_BODY 4  // steps of the unrolled loop

INLINE void quad_step(vi acc[4][NV], const int32_t *a, const int32_t *b) {
    vi bv[NV] = {LDI(b), LDI(b + LANES)}, quad = LDI(a);
    PIN(bv[0]);
    PIN(bv[1]);
    PIN(quad);
    row_step(acc[0], LANE(quad, 0), bv);
    row_step(acc[1], LANE(quad, 1), bv);
    row_step(acc[2], LANE(quad, 2), bv);
    row_step(acc[3], LANE(quad, 3), bv);
}

// `acc` comes and goes through memory: one loop a function, or the register allocator spills.
static __attribute__((noinline)) void quad_loop(vi (*sums)[NV], const int32_t *a_at,
                                                const int32_t *b_at, isize bodies) {
    vi acc[4][NV];
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < NV; j++) acc[i][j] = sums[i][j];
    uintptr_t a = (uintptr_t)a_at - WASM_BODY * 16, b = (uintptr_t)b_at - WASM_BODY * GEMM_NR * 4;
    for (; bodies > 0; bodies--) {
        a += WASM_BODY * 16;
        b += WASM_BODY * GEMM_NR * 4;
        PIN(a);
        PIN(b);
        UNROLL for (int u = 0; u < WASM_BODY; u++)
            quad_step(acc, (const int32_t *)a + u * 4, (const int32_t *)b + u * GEMM_NR);
    }
    UNROLL for (int i = 0; i < 4; i++) UNROLL for (int j = 0; j < NV; j++) sums[i][j] = acc[i][j];
}

static void quad_tile(const bytes_tile *t) {
    vi acc[4][NV];
    const int32_t *b = t->b + GEMM_NR, *a = t->a;
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < NV; j++)
            acc[i][j] = LDI(t->b + j * LANES) + BITS((uint32_t)t->starts[i]);
    isize bodies = t->words / WASM_BODY;
    quad_loop(acc, a, b, bodies);
    for (isize k = bodies * WASM_BODY; k < t->words; k++)
        quad_step(acc, a + k * 4, b + k * GEMM_NR);
    UNROLL for (int i = 0; i < 4; i++)
        UNROLL for (int j = 0; j < NV; j++) STI(t->c + i * t->c_row + j * LANES, acc[i][j]);
}

static void thin_tile(const bytes_tile *t) {
    vi acc[NV];
    const int32_t *b = t->b + GEMM_NR;
    UNROLL for (int j = 0; j < NV; j++)
        acc[j] = LDI(t->b + j * LANES) + BITS((uint32_t)t->starts[0]);
    for (isize k = 0; k < t->words; k++, b += GEMM_NR) {
        vi x = BITS((uint32_t)t->a[k]), bv[NV] = {LDI(b), LDI(b + LANES)};
        row_step(acc, x, bv);
    }
    UNROLL for (int j = 0; j < NV; j++) STI(t->c + j * LANES, acc[j]);
}

// Rows are done by four, the rest one by one.
INLINE isize tile_rows(isize left) { return left >= 4 ? 4 : 1; }
#define MOST_PANELS(rows) 1

INLINE void run_tile(isize rows, isize panels, const bytes_tile *t) {
    (void)panels;
    if (rows == 4) quad_tile(t);
    else thin_tile(t);
}

#else

#if defined(__AVX2__) && !defined(__AVX512F__)
#define BYTES_TILE_ROWS 6
#else
#define BYTES_TILE_ROWS 8
#endif

INLINE void tile(const int rows, const int panels, const bytes_tile *t) {
    const isize words = t->words, panel = t->b_panel;
    const int32_t *a = t->a, *b = t->b + GEMM_NR;
    vi acc[BYTES_TILE_ROWS][NV * 4];
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < NV * panels; j++)
            acc[i][j] = IADD(LDI(t->b + j / NV * panel + j % NV * LANES), BITS((uint32_t)t->starts[i]));
#pragma clang loop unroll_count(2)
    for (isize k = 0; k < words; k++, b += GEMM_NR) {
        vi bv[NV * 4];
        UNROLL for (int j = 0; j < NV * panels; j++)
            bv[j] = LDI(b + j / NV * panel + j % NV * LANES);
        UNROLL for (int i = 0; i < rows; i++) {
            vi x = BITS((uint32_t)a[i * words + k]);
            UNROLL for (int j = 0; j < NV * panels; j++) acc[i][j] = DOT(x, bv[j], acc[i][j]);
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int j = 0; j < NV * panels; j++)
            STI(t->c + i * t->c_row + j * LANES, acc[i][j]);
}

#define TILE(rows, panels)                                                               \
    static __attribute__((noinline)) void tile_##rows##x##panels(const bytes_tile *t) {  \
        tile(rows, panels, t);                                                           \
    }
TILE(1, 4)
TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1)
#if BYTES_TILE_ROWS == 8
TILE(7, 1) TILE(8, 1)
#endif
#undef TILE

INLINE isize tile_rows(isize left) { return smaller(left, BYTES_TILE_ROWS); }
#define MOST_PANELS(rows) ((rows) == 1 ? 4 : 1)

INLINE void run_tile(isize rows, isize panels, const bytes_tile *t) {
    if (panels == 4) return tile_1x4(t);
    switch (rows) {
    case 1: return tile_1x1(t);
    case 2: return tile_2x1(t);
    case 3: return tile_3x1(t);
    case 4: return tile_4x1(t);
    case 5: return tile_5x1(t);
    case 6: return tile_6x1(t);
#if BYTES_TILE_ROWS == 8
    case 7: return tile_7x1(t);
    case 8: return tile_8x1(t);
#endif
    }
}

#endif

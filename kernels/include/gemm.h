// f32 matrix product, bit-exact: C[i][j] = the chain acc = fma(A[i][k], B[k][j], acc), k ascending
// from acc = +0, and NaN made canonical at the end.
//
// One chain an output: no tile, block, packing or thread split can change a bit, so the caller is
// free to cut C into any rectangles. K is never padded (fma(0,0,-0) is +0); rows, columns may be.
//
//   gemm g = {.a = x, .a_row = k, .a_col = 1, .packed = w, .c = y, .c_row = n, .k = k, .n = n};
//   gemm_run(&g, 0, m, 0, n, scratch);          // or row block by row block, while it is cached
//
// Strides count elements, may be any value (0 broadcasts), and describe transposed operands.
// B comes packed (weights: once, by gemm_pack_b), or as it lies in memory (packed NULL: attention,
// each head a strided view; what has to be rearranged is, in scratch, as it is needed).
// C must not overlap A, B or scratch.
//
// A may also be the windows of a convolution, never laid out: rows come in lines of `width` places
// (row i is place i % width of line i / width), and column k is `offsets[k]` elements from the
// first, so that one table says where the taps of any window are.
#pragma once
#include "vector.h"

#if defined(__AVX512F__)
#define GEMM_NR 32  // columns of a packed panel
#elif defined(__AVX2__)
#define GEMM_NR 16
#else
#define GEMM_NR 8
#endif

#define GEMM_SCRATCH (96 * 1024)  // floats of scratch a thread needs; any content, 64-byte aligned

typedef struct {
    const float *a;       // A[i][k] = a[i * a_row + k * a_col]
    isize a_row, a_col;
    const float *packed;  // B as gemm_pack_b wrote it, 64-byte aligned; or NULL, and then
    const float *b;       // B[k][j] = b[k * b_row + j * b_col]
    isize b_row, b_col;
    float *c;             // C[i][j] = c[i * c_row + j]
    isize c_row;
    isize k, n;           // depth, and columns of the whole of B
    isize width, a_line;  // rows in a line, and elements from line to line; 0: all rows in one
    const int32_t *offsets;  // of the columns of A; NULL: a_col apart
} gemm;

// Floats of a packed B of [k][n].
INLINE isize gemm_packed_floats(isize k, isize n) {
    return (n + GEMM_NR - 1) / GEMM_NR * GEMM_NR * k;
}

// Packs B[k][n] = b[k * b_row + j * b_col] into panels of GEMM_NR columns, [panel][k][GEMM_NR];
// absent columns are zero.
void gemm_pack_b(float *packed, const float *b, isize b_row, isize b_col, isize k, isize n);

// Computes C rows [m0, m1) x columns [n0, n1). n0 is a multiple of GEMM_NR; n1 is too, or is g->n.
void gemm_run(const gemm *g, isize m0, isize m1, isize n0, isize n1, float *scratch);

// The register tiles of the matrix product: rows x (panels * GEMM_NR) outputs, one chain each.
//
// A tile keeps its accumulators in registers over one K block. Two forms, for two code generators:
//   native  A is read where it lies: one broadcast load a row and step, folded by LLVM.
//   wasm    Cranelift folds no broadcast load: A is packed, and spread by shuffles.
// Each form has run_tile(rows, vectors, args): NV vectors (a panel) and up to TILE_ROWS rows; or one
// row and 4 panels, or two rows and 2 (few rows alone would not have chains enough to fill the
// pipeline); or, natively, the first vector of a panel alone.
#pragma once
#include "gemm.h"

#define NV (GEMM_NR / LANES)  // vectors in a row of a panel
#define PANELS 4              // at most, together
#define UNROLL _Pragma("clang loop unroll(full)")

typedef struct {
    const float *a;         // native: A[i][k] = a[i * a_row + k * a_col]; wasm: see pack_a_tile
    isize a_row, a_col;
    const int32_t *offsets;  // of the columns of A, of this K block; NULL: a_col apart
    const float *b;         // B[k][panel p, column j] = b[k * b_row + p * b_panel + j]
    isize b_row, b_panel;
    float *c;               // C[i][j] = c[i * c_row + j]
    isize c_row;
    isize k;                // steps of this K block
    int first, last;        // of the K blocks: starts from +0, ends with canonical NaN
} tile_args;

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

// out[p * out_row + i] = in[i * in_row + p], for i and p of 0..3.
INLINE void transpose_4x4(float *out, isize out_row, const float *in, isize in_row) {
    quad r[4], lo[2], hi[2];
    UNROLL for (int i = 0; i < 4; i++) r[i] = *(const quad *)(in + i * in_row);
    UNROLL for (int i = 0; i < 2; i++) {
        lo[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 0, 4, 1, 5);
        hi[i] = __builtin_shufflevector(r[2 * i], r[2 * i + 1], 2, 6, 3, 7);
    }
    *(quad *)out = __builtin_shufflevector(lo[0], lo[1], 0, 1, 4, 5);
    *(quad *)(out + out_row) = __builtin_shufflevector(lo[0], lo[1], 2, 3, 6, 7);
    *(quad *)(out + 2 * out_row) = __builtin_shufflevector(hi[0], hi[1], 0, 1, 4, 5);
    *(quad *)(out + 3 * out_row) = __builtin_shufflevector(hi[0], hi[1], 2, 3, 6, 7);
}

#ifdef __wasm__
#include "gemm_tile_wasm.h"
#else
#include "gemm_tile_native.h"
#endif

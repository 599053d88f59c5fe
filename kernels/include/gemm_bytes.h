// Matrix product of bytes, exact: C[i][j] = the wrapping i32 sum over k of A[i][k] * B[k][j].
//
// Operands are read as 32-bit words that hold a group of k: four bytes where the CPU multiplies
// bytes (VNNI), else two 16-bit numbers. A word of A spread over a vector meets a vector of words of
// B: that is the one operation, DOT, of every tile. Integer sums have no order, so no choice made
// here can change a bit. The group at the end is padded with zeros, which adds nothing.
//
// B is packed by panels of GEMM_NR columns: [panel]{starts[GEMM_NR], words[k / group][GEMM_NR]}.
//
// VNNI multiplies unsigned by signed bytes. A signed A is therefore offset by 128, an unsigned B by
// -128, and what that adds is taken back where the sums start:
//   A B = A' B' - 128 sum_k B'[k][j]  (A signed)  + 128 sum_k A[i][k]  (B unsigned)
#pragma once
#include "gemm.h"

#if defined(__AVX512VNNI__)
#define BYTES_GROUP 4
#else
#define BYTES_GROUP 2
#endif

typedef struct {
    const uint8_t *a;     // A[i][k] = a[i * a_row + k * a_col]
    isize a_row, a_col;
    int a_signed, b_signed;
    const int32_t *packed;
    int32_t *c;           // C[i][j] = c[i * c_row + j]
    isize c_row;
    isize k, n;
} gemm_bytes;

// Words of a row of A, and of a column of B.
INLINE isize bytes_words(isize k) { return (k + BYTES_GROUP - 1) / BYTES_GROUP; }

// Words of a packed B of [k][n].
INLINE isize bytes_packed_words(isize k, isize n) {
    return (n + GEMM_NR - 1) / GEMM_NR * GEMM_NR * (1 + bytes_words(k));
}

// Packs columns [n0, n1) of B[k][n] = b[k * b_row + j * b_col]; n0 is a multiple of GEMM_NR.
void bytes_pack_b(int32_t *packed, const uint8_t *b, isize b_row, isize b_col, isize k, isize n,
                  isize n0, isize n1, int a_signed, int b_signed);

// Computes C rows [m0, m1) x columns [n0, n1). n0 is a multiple of GEMM_NR; n1 is too, or is g->n.
// `scratch` holds an edge tile, starts and packed rows of A:
// (8 * GEMM_NR + BYTES_BLOCK_ROWS * (1 + bytes_words(k))) words, 64-byte aligned.
void bytes_run(const gemm_bytes *g, isize m0, isize m1, isize n0, isize n1, char *scratch);

#define BYTES_BLOCK_ROWS 64  // rows of A packed at a time

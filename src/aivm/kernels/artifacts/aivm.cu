// --- cuda/hardware.cuh
// What only a GPU has: everything beyond plain C++ that the kernels use stands here.
//
// The emulator that tests run (aivm.testing.cuda) defines AIVM_EMULATOR and puts functions of the
// same names and exact meaning in their place; it compiles all other files as they are.
#ifndef AIVM_EMULATOR

// A kernel has one argument, a struct of 64-bit words, so that every launch is made in one way.
// `together` blocks are to fit on a multiprocessor: the compiler spends registers accordingly.
#define KERNEL(name, threads, together, arguments) \
    extern "C" __global__ void __launch_bounds__(threads, together) name(const arguments a)
#define INLINE __device__ __forceinline__

// The bits of x, known to nobody: a compiler may take the payload of a NaN to be free.
INLINE unsigned opaque(unsigned x) {
    asm("" : "+r"(x));
    return x;
}

// D += A B of one warp on integer tensor cores, exact and wrapping. A is 16x32 (4 registers), B is
// 32x8 (2), D is 16x8 (4). With g = lane / 4, t = lane % 4, and four bytes in a register:
//   A register r: row g + 8 * (r % 2), columns 4t + 16 * (r / 2) ..    D: row g + 8 * (r / 2),
//   B register r: column g, rows 4t + 16 * r ..                           column 2t + r % 2
// (PTX ISA, matrix fragments for mma.m16n8k32).
#define MMA(name, type_a, type_b)                                                               \
    INLINE void name(int d[4], const unsigned a[4], const unsigned b[2]) {                      \
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." type_a "." type_b ".s32 "         \
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                    \
                     : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                           \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));       \
    }
#if __CUDA_ARCH__ >= 800
MMA(mma_s8s8, "s8", "s8")
MMA(mma_s8u8, "s8", "u8")
MMA(mma_u8s8, "u8", "s8")
MMA(mma_u8u8, "u8", "u8")
#endif

// acc + the products of four bytes of a with four of b, exact and wrapping.
#define DOT4(name, type_a, type_b)                                                \
    INLINE int name(unsigned a, unsigned b, int acc) {                            \
        asm("dp4a." type_a "." type_b " %0, %1, %2, %0;" : "+r"(acc) : "r"(a), "r"(b)); \
        return acc;                                                               \
    }
DOT4(dot4_s8s8, "s32", "s32")
DOT4(dot4_s8u8, "s32", "u32")
DOT4(dot4_u8s8, "u32", "s32")
DOT4(dot4_u8u8, "u32", "u32")

#endif

// --- cuda/scalar.cuh
// One element at a time: what vector.h is to the kernels of CPUs, with the same names, so that
// functions.gen.h serves both. A mask is all ones or all zeros.
//
// Every operation is an intrinsic with its rounding in its name: no compiler contracts or splits
// those, whatever its flags. Subnormals are kept (-ftz=false), division and square root are
// correctly rounded by their intrinsics.
typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

typedef float vf;
typedef u32 vi;

INLINE vf AS_F(vi x) { return __uint_as_float(x); }
INLINE vi AS_I(vf x) { return __float_as_uint(x); }
INLINE vi BITS(u32 pattern) { return pattern; }
INLINE vf F32(u32 pattern) { return AS_F(pattern); }

INLINE vf ADD(vf a, vf b) { return __fadd_rn(a, b); }
INLINE vf SUB(vf a, vf b) { return __fsub_rn(a, b); }
INLINE vf MUL(vf a, vf b) { return __fmul_rn(a, b); }
INLINE vf DIV(vf a, vf b) { return __fdiv_rn(a, b); }
INLINE vf SQRT(vf a) { return __fsqrt_rn(a); }
INLINE vf FMA(vf a, vf b, vf c) { return __fmaf_rn(a, b, c); }

INLINE vi EQ(vf a, vf b) { return a == b ? ~0u : 0u; }
INLINE vi LT(vf a, vf b) { return a < b ? ~0u : 0u; }
INLINE vi LE(vf a, vf b) { return a <= b ? ~0u : 0u; }
INLINE vi SELI(vi mask, vi a, vi b) { return (mask & a) | (~mask & b); }
INLINE vf SEL(vi mask, vf a, vf b) { return AS_F(SELI(mask, AS_I(a), AS_I(b))); }

// The canonical NaN in place of any other; decided on bits that no compiler knows anything about.
INLINE vi CANON_BITS(vf x) {
    u32 bits = opaque(AS_I(x));
    return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : bits;
}
INLINE vf CANON(vf x) { return AS_F(CANON_BITS(x)); }

// IEEE 754-2019 minimum and maximum: NaN propagates, -0 < +0. Equal numbers have equal bits, except
// the zeros: there the sign bit decides. No min or max instruction has these rules.
INLINE bool IS_NAN(vf x) { return (AS_I(x) & 0x7fffffffu) > 0x7f800000u; }
INLINE vf MIN(vf a, vf b) {
    u32 x = AS_I(a), y = AS_I(b);
    u32 least = a < b ? x : a == b ? (x | y) : y;
    return AS_F(IS_NAN(a) ? 0x7fc00000u : least);  // of a NaN b, `least` is b
}
INLINE vf MAX(vf a, vf b) {
    u32 x = AS_I(a), y = AS_I(b);
    u32 greatest = b < a ? x : a == b ? (x & y) : y;
    return AS_F(IS_NAN(a) ? 0x7fc00000u : greatest);
}

INLINE vi AND(vi a, vi b) { return a & b; }
INLINE vi OR(vi a, vi b) { return a | b; }
INLINE vi XOR(vi a, vi b) { return a ^ b; }
INLINE vi SHL(vi x, int count) { return x << count; }
INLINE vi SHR(vi x, int count) { return x >> count; }
INLINE vi SAR(vi x, int count) { return (u32)((i32)x >> count); }
INLINE vi IADD(vi a, vi b) { return a + b; }
INLINE vi ISUB(vi a, vi b) { return a - b; }
INLINE vi IMUL(vi a, vi b) { return a * b; }

// --- include/functions.gen.h
// Generated by kernels/generate_functions.py from src/aivm/numerics/functions. Do not edit.
//
// The scalar functions of numerics 1, each the very sequence of operations of the specification.
// A predicate (is_nan, is_inf) returns a mask. No result is canonical yet: CANON it when storing.
// Names used from vector.h:
//   types      vf vi
//   f32        ADD SUB MUL DIV SQRT FMA MIN MAX CANON
//   masks      EQ LT LE SEL SELI
//   words      AND OR XOR SHL SHR SAR IADD ISUB IMUL
//   constants  F32(pattern) BITS(pattern)
//   casts      AS_I AS_F

INLINE vf fn_neg(vf x) {
    vi v2 = XOR(AS_I(x), BITS(0x80000000u));
    return AS_F(v2);
}

INLINE vf fn_abs(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    return AS_F(v2);
}

INLINE vf fn_sign(vf x) {
    vi v2 = LT(x, F32(0x00000000u));  // 0
    vf v4 = SEL(v2, F32(0xbf800000u), x);  // -1
    vi v5 = LT(F32(0x00000000u), x);  // 0
    vf v7 = SEL(v5, F32(0x3f800000u), v4);  // 1
    return v7;
}

INLINE vf fn_floor(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v4 = ADD(AS_F(v2), F32(0x4b000000u));  // 8388608
    vf v5 = SUB(v4, F32(0x4b000000u));  // 8388608
    vi v7 = AND(AS_I(x), BITS(0x80000000u));
    vi v8 = OR(AS_I(v5), v7);
    vi v9 = LT(AS_F(v2), F32(0x4b000000u));  // 8388608
    vf v10 = SEL(v9, AS_F(v8), x);
    vi v11 = LT(x, v10);
    vf v13 = SUB(v10, F32(0x3f800000u));  // 1
    vf v14 = SEL(v11, v13, v10);
    return v14;
}

INLINE vf fn_ceil(vf x) {
    vi v2 = XOR(AS_I(x), BITS(0x80000000u));
    vi v4 = AND(v2, BITS(0x7fffffffu));
    vf v6 = ADD(AS_F(v4), F32(0x4b000000u));  // 8388608
    vf v7 = SUB(v6, F32(0x4b000000u));  // 8388608
    vi v8 = AND(v2, BITS(0x80000000u));
    vi v9 = OR(AS_I(v7), v8);
    vi v10 = LT(AS_F(v4), F32(0x4b000000u));  // 8388608
    vi v11 = SELI(v10, v9, v2);
    vi v12 = LT(AS_F(v2), AS_F(v11));
    vf v14 = SUB(AS_F(v11), F32(0x3f800000u));  // 1
    vf v15 = SEL(v12, v14, AS_F(v11));
    vi v16 = XOR(AS_I(v15), BITS(0x80000000u));
    return AS_F(v16);
}

INLINE vf fn_round(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v4 = ADD(AS_F(v2), F32(0x4b000000u));  // 8388608
    vf v5 = SUB(v4, F32(0x4b000000u));  // 8388608
    vi v7 = AND(AS_I(x), BITS(0x80000000u));
    vi v8 = OR(AS_I(v5), v7);
    vi v9 = LT(AS_F(v2), F32(0x4b000000u));  // 8388608
    vf v10 = SEL(v9, AS_F(v8), x);
    return v10;
}

INLINE vf fn_trunc(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v3 = AND(v2, BITS(0x7fffffffu));
    vf v5 = ADD(AS_F(v3), F32(0x4b000000u));  // 8388608
    vf v6 = SUB(v5, F32(0x4b000000u));  // 8388608
    vi v8 = AND(v2, BITS(0x80000000u));
    vi v9 = OR(AS_I(v6), v8);
    vi v10 = LT(AS_F(v3), F32(0x4b000000u));  // 8388608
    vi v11 = SELI(v10, v9, v2);
    vi v12 = LT(AS_F(v2), AS_F(v11));
    vf v14 = SUB(AS_F(v11), F32(0x3f800000u));  // 1
    vf v15 = SEL(v12, v14, AS_F(v11));
    vi v16 = AND(AS_I(x), BITS(0x80000000u));
    vi v17 = OR(AS_I(v15), v16);
    return AS_F(v17);
}

INLINE vf fn_sqrt(vf x) {
    vf v1 = SQRT(x);
    return v1;
}

INLINE vf fn_reciprocal(vf x) {
    vf v2 = DIV(F32(0x3f800000u), x);  // 1
    return v2;
}

INLINE vi fn_is_nan(vf x) {
    vi v1 = EQ(x, x);
    vi v3 = EQ(F32(0x00000000u), F32(0x00000000u));  // 0, 0
    vi v4 = XOR(v1, v3);
    return v4;
}

INLINE vi fn_is_inf(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v4 = EQ(AS_F(v2), F32(0x7f800000u));  // inf
    return v4;
}

INLINE vf fn_exp(vf x) {
    vi v2 = LT(x, F32(0xc2d20000u));  // -105
    vf v3 = SEL(v2, F32(0xc2d20000u), x);  // -105
    vi v5 = LT(F32(0x42b20000u), v3);  // 89
    vf v6 = SEL(v5, F32(0x42b20000u), v3);  // 89
    vf v9 = FMA(v6, F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v10 = SUB(v9, F32(0x4b400000u));  // 12582912
    vi v11 = ISUB(AS_I(v9), BITS(0x4b400000u));
    vf v14 = FMA(v10, F32(0xbf317200u), v6);  // -0.693145752
    vf v15 = FMA(v10, F32(0xb5bfbe8eu), v14);  // -1.42860677e-06
    vf v18 = FMA(F32(0x3ab6db23u), v15, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v20 = FMA(v18, v15, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v22 = FMA(v20, v15, F32(0x3e2aaa46u));  // 0.166665167
    vf v24 = FMA(v22, v15, F32(0x3f000000u));  // 0.5
    vf v25 = MUL(v15, v15);
    vf v26 = FMA(v24, v25, v15);
    vi v27 = SAR(v11, 1);
    vi v29 = IADD(v27, BITS(0x0000007fu));
    vi v30 = SHL(v29, 23);
    vi v31 = ISUB(v11, v27);
    vi v32 = IADD(v31, BITS(0x0000007fu));
    vi v33 = SHL(v32, 23);
    vf v34 = FMA(v26, AS_F(v30), AS_F(v30));
    vf v35 = MUL(v34, AS_F(v33));
    return v35;
}

INLINE vf fn_log(vf x) {
    vi v2 = LT(x, F32(0x00800000u));  // 1.17549435e-38
    vf v4 = MUL(x, F32(0x4b000000u));  // 8388608
    vf v5 = SEL(v2, v4, x);
    vi v8 = SELI(v2, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v10 = ISUB(AS_I(v5), BITS(0x3f2aaaabu));
    vi v11 = SAR(v10, 23);
    vi v12 = SHL(v11, 23);
    vi v13 = ISUB(AS_I(v5), v12);
    vi v15 = IADD(v11, BITS(0x4b400000u));
    vf v16 = SUB(AS_F(v15), F32(0x4b400000u));  // 12582912
    vf v17 = ADD(v16, AS_F(v8));
    vf v19 = SUB(AS_F(v13), F32(0x3f800000u));  // 1
    vf v22 = FMA(F32(0xbe03e246u), v19, F32(0x3e0f3665u));  // -0.128792852, 0.139855936
    vf v24 = FMA(v22, v19, F32(0xbdf9995cu));  // -0.121874541
    vf v26 = FMA(v24, v19, F32(0x3e0f6ab1u));  // 0.140055433
    vf v28 = FMA(v26, v19, F32(0xbe2ace33u));  // -0.166802213
    vf v30 = FMA(v28, v19, F32(0x3e4ce828u));  // 0.200104356
    vf v32 = FMA(v30, v19, F32(0xbe7fff7du));  // -0.249998048
    vf v34 = FMA(v32, v19, F32(0x3eaaaa83u));  // 0.333332151
    vf v36 = FMA(v34, v19, F32(0xbf000000u));  // -0.5
    vf v37 = MUL(v19, v19);
    vf v38 = MUL(v36, v37);
    vf v40 = FMA(v17, F32(0xb102e308u), v38);  // -1.90465421e-09
    vf v41 = ADD(v19, v40);
    vf v43 = FMA(v17, F32(0x3f317218u), v41);  // 0.693147182
    vi v45 = LT(x, F32(0x7f800000u));  // inf
    vf v46 = SEL(v45, v43, x);
    vi v47 = LT(x, F32(0x00000000u));  // 0
    vf v49 = SEL(v47, F32(0x7fc00000u), v46);  // nan
    vi v50 = EQ(x, F32(0x00000000u));  // 0
    vf v52 = SEL(v50, F32(0xff800000u), v49);  // -inf
    return v52;
}

INLINE vf fn_tanh(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v3 = MUL(AS_F(v2), AS_F(v2));
    vf v6 = FMA(F32(0x3b0dd52au), v3, F32(0xbc06598bu));  // 0.00216419483, -0.00820005964
    vf v8 = FMA(v6, v3, F32(0x3cb1d873u));  // 0.0217096563
    vf v10 = FMA(v8, v3, F32(0xbd5cf8f5u));  // -0.0539483614
    vf v12 = FMA(v10, v3, F32(0x3e08883bu));  // 0.133332178
    vf v14 = FMA(v12, v3, F32(0xbeaaaaaau));  // -0.333333313
    vf v15 = MUL(v14, v3);
    vf v16 = FMA(v15, AS_F(v2), AS_F(v2));
    vf v19 = ADD(AS_F(v2), AS_F(v2));
    vi v21 = LT(v19, F32(0xc2d20000u));  // -105
    vf v22 = SEL(v21, F32(0xc2d20000u), v19);  // -105
    vi v24 = LT(F32(0x42b20000u), v22);  // 89
    vf v25 = SEL(v24, F32(0x42b20000u), v22);  // 89
    vf v28 = FMA(v25, F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v29 = SUB(v28, F32(0x4b400000u));  // 12582912
    vi v30 = ISUB(AS_I(v28), BITS(0x4b400000u));
    vf v33 = FMA(v29, F32(0xbf317200u), v25);  // -0.693145752
    vf v34 = FMA(v29, F32(0xb5bfbe8eu), v33);  // -1.42860677e-06
    vf v37 = FMA(F32(0x3ab6db23u), v34, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v39 = FMA(v37, v34, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v41 = FMA(v39, v34, F32(0x3e2aaa46u));  // 0.166665167
    vf v43 = FMA(v41, v34, F32(0x3f000000u));  // 0.5
    vf v44 = MUL(v34, v34);
    vf v45 = FMA(v43, v44, v34);
    vi v46 = SAR(v30, 1);
    vi v48 = IADD(v46, BITS(0x0000007fu));
    vi v49 = SHL(v48, 23);
    vi v50 = ISUB(v30, v46);
    vi v51 = IADD(v50, BITS(0x0000007fu));
    vi v52 = SHL(v51, 23);
    vf v53 = FMA(v45, AS_F(v49), AS_F(v49));
    vf v54 = MUL(v53, AS_F(v52));
    vf v55 = ADD(v54, F32(0x3f800000u));  // 1
    vf v56 = DIV(F32(0x40000000u), v55);  // 2
    vf v57 = SUB(F32(0x3f800000u), v56);  // 1
    vi v59 = LT(F32(0x3f1c28f6u), AS_F(v2));  // 0.610000014
    vf v60 = SEL(v59, v57, v16);
    vi v62 = AND(AS_I(x), BITS(0x80000000u));
    vi v63 = OR(AS_I(v60), v62);
    return AS_F(v63);
}

INLINE vf fn_erf(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v3 = MUL(AS_F(v2), AS_F(v2));
    vf v6 = FMA(F32(0xba1c7000u), v3, F32(0x3ba38d2cu));  // -0.000596761703, 0.00499119423
    vf v8 = FMA(v6, v3, F32(0xbcdb48d9u));  // -0.0267681349
    vf v10 = FMA(v8, v3, F32(0x3de70e22u));  // 0.112819925
    vf v12 = FMA(v10, v3, F32(0xbec09380u));  // -0.376125336
    vf v14 = FMA(v12, v3, F32(0x3e0375d4u));  // 0.128379166
    vf v15 = FMA(v14, AS_F(v2), AS_F(v2));
    vf v18 = FMA(F32(0xb7910000u), AS_F(v2), F32(0x39c8e7d9u));  // -1.7285347e-05, 0.000383197126
    vf v21 = FMA(F32(0xbb7e8a1cu), AS_F(v2), F32(0x3cc6b1a1u));  // -0.00388396438, 0.0242546219
    vf v22 = FMA(v18, v3, v21);
    vf v24 = FMA(v22, AS_F(v2), F32(0xbddaae5cu));  // -0.106777877
    vf v26 = FMA(v24, AS_F(v2), F32(0xbf228550u));  // -0.634846687
    vf v28 = FMA(v26, AS_F(v2), F32(0xbe03ce86u));  // -0.128717512
    vf v30 = SUB(F32(0x00000000u), AS_F(v2));  // 0
    vf v31 = FMA(v28, AS_F(v2), v30);
    vi v33 = LT(F32(0x40800000u), AS_F(v2));  // 4
    vf v35 = SEL(v33, F32(0xc1a00000u), v31);  // -20
    vi v38 = LT(v35, F32(0xc2d20000u));  // -105
    vf v39 = SEL(v38, F32(0xc2d20000u), v35);  // -105
    vi v41 = LT(F32(0x42b20000u), v39);  // 89
    vf v42 = SEL(v41, F32(0x42b20000u), v39);  // 89
    vf v45 = FMA(v42, F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v46 = SUB(v45, F32(0x4b400000u));  // 12582912
    vi v47 = ISUB(AS_I(v45), BITS(0x4b400000u));
    vf v50 = FMA(v46, F32(0xbf317200u), v42);  // -0.693145752
    vf v51 = FMA(v46, F32(0xb5bfbe8eu), v50);  // -1.42860677e-06
    vf v54 = FMA(F32(0x3ab6db23u), v51, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v56 = FMA(v54, v51, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v58 = FMA(v56, v51, F32(0x3e2aaa46u));  // 0.166665167
    vf v60 = FMA(v58, v51, F32(0x3f000000u));  // 0.5
    vf v61 = MUL(v51, v51);
    vf v62 = FMA(v60, v61, v51);
    vi v63 = SAR(v47, 1);
    vi v65 = IADD(v63, BITS(0x0000007fu));
    vi v66 = SHL(v65, 23);
    vi v67 = ISUB(v47, v63);
    vi v68 = IADD(v67, BITS(0x0000007fu));
    vi v69 = SHL(v68, 23);
    vf v70 = FMA(v62, AS_F(v66), AS_F(v66));
    vf v71 = MUL(v70, AS_F(v69));
    vf v72 = SUB(F32(0x3f800000u), v71);  // 1
    vi v74 = LT(F32(0x3f6c0000u), AS_F(v2));  // 0.921875
    vf v75 = SEL(v74, v72, v15);
    vi v77 = AND(AS_I(x), BITS(0x80000000u));
    vi v78 = OR(AS_I(v75), v77);
    return AS_F(v78);
}

INLINE vf fn_sigmoid(vf x) {
    vi v2 = OR(AS_I(x), BITS(0x80000000u));
    vi v4 = LT(AS_F(v2), F32(0xc2d20000u));  // -105
    vi v5 = SELI(v4, BITS(0xc2d20000u), v2);  // -105
    vi v7 = LT(F32(0x42b20000u), AS_F(v5));  // 89
    vi v8 = SELI(v7, BITS(0x42b20000u), v5);  // 89
    vf v11 = FMA(AS_F(v8), F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v12 = SUB(v11, F32(0x4b400000u));  // 12582912
    vi v13 = ISUB(AS_I(v11), BITS(0x4b400000u));
    vf v16 = FMA(v12, F32(0xbf317200u), AS_F(v8));  // -0.693145752
    vf v17 = FMA(v12, F32(0xb5bfbe8eu), v16);  // -1.42860677e-06
    vf v20 = FMA(F32(0x3ab6db23u), v17, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v22 = FMA(v20, v17, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v24 = FMA(v22, v17, F32(0x3e2aaa46u));  // 0.166665167
    vf v26 = FMA(v24, v17, F32(0x3f000000u));  // 0.5
    vf v27 = MUL(v17, v17);
    vf v28 = FMA(v26, v27, v17);
    vi v29 = SAR(v13, 1);
    vi v31 = IADD(v29, BITS(0x0000007fu));
    vi v32 = SHL(v31, 23);
    vi v33 = ISUB(v13, v29);
    vi v34 = IADD(v33, BITS(0x0000007fu));
    vi v35 = SHL(v34, 23);
    vf v36 = FMA(v28, AS_F(v32), AS_F(v32));
    vf v37 = MUL(v36, AS_F(v35));
    vi v40 = LT(x, F32(0x00000000u));  // 0
    vf v41 = SEL(v40, v37, F32(0x3f800000u));  // 1
    vf v42 = ADD(F32(0x3f800000u), v37);  // 1
    vf v43 = DIV(v41, v42);
    return v43;
}

INLINE vf fn_sin(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v5 = FMA(AS_F(v2), F32(0x3f22f983u), F32(0x4b400000u));  // 0.636619747, 12582912
    vf v6 = SUB(v5, F32(0x4b400000u));  // 12582912
    vi v7 = ISUB(AS_I(v5), BITS(0x4b400000u));
    vf v9 = FMA(v6, F32(0xbfc90fdbu), AS_F(v2));  // -1.57079637
    vf v11 = MUL(v6, F32(0x333bbd2eu));  // 4.37113883e-08
    vi v13 = XOR(AS_I(v11), BITS(0x80000000u));
    vf v14 = FMA(v6, F32(0x333bbd2eu), AS_F(v13));  // 4.37113883e-08
    vf v15 = ADD(v9, v11);
    vf v16 = SUB(v15, v9);
    vf v17 = SUB(v15, v16);
    vf v18 = SUB(v9, v17);
    vf v19 = SUB(v11, v16);
    vf v20 = ADD(v18, v19);
    vf v22 = ADD(v20, v14);
    vf v23 = FMA(v6, F32(0x26f72cedu), v22);  // 1.71512451e-15
    vf v24 = ADD(v15, v23);
    vf v25 = SUB(v15, v24);
    vf v26 = ADD(v25, v23);
    vi v34 = LE(F32(0x55800000u), AS_F(v2));  // 1.7592186e+13
    vi v36 = SELI(v34, BITS(0x35000000u), BITS(0x40000000u));  // 4.76837158e-07, 2
    vi v38 = SELI(v34, BITS(0x3edb93a0u), BITS(0x3ea2f980u));  // 0.428860664, 0.318309784
    vi v40 = SELI(v34, BITS(0xb4efab58u), BITS(0x33db9390u));  // -4.46418881e-07, 1.02248237e-07
    vi v42 = SELI(v34, BITS(0xa6f62a00u), BITS(0x2802a540u));  // -1.70810631e-15, 7.25228254e-15
    vi v44 = SELI(v34, BITS(0x9cb82b2cu), BITS(0x9bf62a08u));  // -1.21872583e-21, -4.07244482e-22
    vi v46 = SELI(v34, BITS(0x9088fc92u), BITS(0x90e0acb2u));  // -5.40316877e-29, -8.86185006e-29
    vi v48 = LE(F32(0x60800000u), AS_F(v2));  // 7.37869763e+19
    vi v50 = SELI(v48, BITS(0x2a000000u), v36);  // 1.13686838e-13
    vi v52 = SELI(v48, BITS(0xbfefab58u), v38);  // -1.8724165
    vi v54 = SELI(v48, BITS(0xb1f62a00u), v40);  // -7.16431714e-09
    vi v56 = SELI(v48, BITS(0xa7b82b30u), v42);  // -5.11170831e-15
    vi v58 = SELI(v48, BITS(0x1cddc0dcu), v44);  // 1.46744062e-21
    vi v60 = SELI(v48, BITS(0x909d6a66u), v46);  // -6.20895138e-29
    vi v62 = LE(F32(0x6b800000u), AS_F(v2));  // 3.0948501e+26
    vi v64 = SELI(v62, BITS(0x1f000000u), v50);  // 2.71050543e-20
    vi v66 = SELI(v62, BITS(0xbcf62a00u), v52);  // -0.030049324
    vi v68 = SELI(v62, BITS(0xb2b82b20u), v54);  // -2.14400302e-08
    vi v70 = SELI(v62, BITS(0xa8c88fcau), v56);  // -2.22668191e-14
    vi v72 = SELI(v62, BITS(0x1cd8a566u), v58);  // 1.43364355e-21
    vi v74 = SELI(v62, BITS(0x101e21c8u), v60);  // 3.11860299e-29
    vi v76 = LE(F32(0x76800000u), AS_F(v2));  // 1.29807421e+33
    vi v78 = SELI(v76, BITS(0x14000000u), v64);  // 6.46234854e-27
    vi v80 = SELI(v76, BITS(0xbdb82b00u), v66);  // -0.089925766
    vi v82 = SELI(v76, BITS(0xb4b223f2u), v68);  // -3.31812373e-07
    vi v84 = SELI(v76, BITS(0xa813ad4cu), v70);  // -8.197717e-15
    vi v86 = SELI(v76, BITS(0x9c58778cu), v72);  // -7.16229156e-22
    vi v88 = SELI(v76, BITS(0x90fbe01au), v74);  // -9.93473267e-29
    vf v89 = MUL(AS_F(v2), AS_F(v78));
    vf v90 = MUL(v89, AS_F(v80));
    vi v91 = XOR(AS_I(v90), BITS(0x80000000u));
    vf v92 = FMA(v89, AS_F(v80), AS_F(v91));
    vf v93 = MUL(v89, AS_F(v82));
    vi v94 = XOR(AS_I(v93), BITS(0x80000000u));
    vf v95 = FMA(v89, AS_F(v82), AS_F(v94));
    vf v96 = MUL(v89, AS_F(v84));
    vi v97 = XOR(AS_I(v96), BITS(0x80000000u));
    vf v98 = FMA(v89, AS_F(v84), AS_F(v97));
    vf v99 = MUL(v89, AS_F(v86));
    vi v100 = XOR(AS_I(v99), BITS(0x80000000u));
    vf v101 = FMA(v89, AS_F(v86), AS_F(v100));
    vf v102 = FMA(v89, AS_F(v88), v101);
    vi v103 = AND(AS_I(v90), BITS(0x7fffffffu));
    vi v105 = LT(AS_F(v103), F32(0x4c800000u));  // 67108864
    vf v107 = ADD(v90, F32(0x4d400000u));  // 201326592
    vf v108 = SUB(v107, F32(0x4d400000u));  // 201326592
    vf v109 = SUB(v90, v108);
    vf v111 = SEL(v105, v109, F32(0x00000000u));  // 0
    vf v112 = ADD(v92, F32(0x4d400000u));  // 201326592
    vf v113 = SUB(v112, F32(0x4d400000u));  // 201326592
    vf v114 = SUB(v92, v113);
    vf v115 = ADD(v111, v114);
    vf v116 = ADD(v93, F32(0x4d400000u));  // 201326592
    vf v117 = SUB(v116, F32(0x4d400000u));  // 201326592
    vf v118 = SUB(v93, v117);
    vf v119 = ADD(v115, v118);
    vf v120 = SUB(v119, v115);
    vf v121 = SUB(v119, v120);
    vf v122 = SUB(v115, v121);
    vf v123 = SUB(v118, v120);
    vf v124 = ADD(v122, v123);
    vf v125 = ADD(v95, v96);
    vf v126 = SUB(v125, v95);
    vf v127 = SUB(v125, v126);
    vf v128 = SUB(v95, v127);
    vf v129 = SUB(v96, v126);
    vf v130 = ADD(v128, v129);
    vf v131 = ADD(v119, v125);
    vf v132 = SUB(v131, v119);
    vf v133 = SUB(v131, v132);
    vf v134 = SUB(v119, v133);
    vf v135 = SUB(v125, v132);
    vf v136 = ADD(v134, v135);
    vf v137 = ADD(v131, F32(0x4b400000u));  // 12582912
    vf v138 = SUB(v137, F32(0x4b400000u));  // 12582912
    vi v139 = ISUB(AS_I(v137), BITS(0x4b400000u));
    vf v140 = SUB(v131, v138);
    vf v141 = ADD(v98, v99);
    vf v142 = SUB(v141, v98);
    vf v143 = SUB(v141, v142);
    vf v144 = SUB(v98, v143);
    vf v145 = SUB(v99, v142);
    vf v146 = ADD(v144, v145);
    vf v147 = ADD(v124, v136);
    vf v148 = SUB(v147, v124);
    vf v149 = SUB(v147, v148);
    vf v150 = SUB(v124, v149);
    vf v151 = SUB(v136, v148);
    vf v152 = ADD(v150, v151);
    vf v153 = ADD(v130, v141);
    vf v154 = SUB(v153, v130);
    vf v155 = SUB(v153, v154);
    vf v156 = SUB(v130, v155);
    vf v157 = SUB(v141, v154);
    vf v158 = ADD(v156, v157);
    vf v159 = ADD(v140, v147);
    vf v160 = SUB(v159, v140);
    vf v161 = SUB(v159, v160);
    vf v162 = SUB(v140, v161);
    vf v163 = SUB(v147, v160);
    vf v164 = ADD(v162, v163);
    vf v165 = ADD(v159, v153);
    vf v166 = SUB(v165, v159);
    vf v167 = SUB(v165, v166);
    vf v168 = SUB(v159, v167);
    vf v169 = SUB(v153, v166);
    vf v170 = ADD(v168, v169);
    vf v171 = ADD(v152, v158);
    vf v172 = ADD(v146, v102);
    vf v173 = ADD(v171, v172);
    vf v174 = ADD(v164, v170);
    vf v175 = ADD(v174, v173);
    vf v176 = ADD(v165, v175);
    vf v177 = SUB(v165, v176);
    vf v178 = ADD(v177, v175);
    vf v180 = MUL(v176, F32(0x3fc90fdbu));  // 1.57079637
    vi v181 = XOR(AS_I(v180), BITS(0x80000000u));
    vf v182 = FMA(v176, F32(0x3fc90fdbu), AS_F(v181));  // 1.57079637
    vf v184 = FMA(v176, F32(0xb33bbd2eu), v182);  // -4.37113883e-08
    vf v185 = FMA(v178, F32(0x3fc90fdbu), v184);  // 1.57079637
    vf v186 = ADD(v180, v185);
    vf v187 = SUB(v180, v186);
    vf v188 = ADD(v187, v185);
    vi v190 = LE(AS_F(v2), F32(0x4a800000u));  // 4194304
    vf v191 = SEL(v190, v24, v186);
    vf v192 = SEL(v190, v26, v188);
    vf v193 = MUL(v191, v191);
    vf v195 = MUL(F32(0x3f000000u), v193);  // 0.5
    vi v197 = XOR(AS_I(v195), BITS(0x80000000u));
    vf v198 = ADD(F32(0x3f800000u), AS_F(v197));  // 1
    vf v199 = SUB(F32(0x3f800000u), v198);  // 1
    vf v200 = ADD(v199, AS_F(v197));
    vf v201 = MUL(v191, v193);
    vf v204 = FMA(F32(0x36381748u), v193, F32(0xb95015d9u));  // 2.74316881e-06, -0.000198445647
    vf v206 = FMA(v204, v193, F32(0x3c0888a6u));  // 0.00833336078
    vf v208 = FMA(v206, v193, F32(0xbe2aaaabu));  // -0.166666672
    vf v209 = MUL(v201, v208);
    vf v210 = FMA(v198, v192, v209);
    vf v211 = ADD(v191, v210);
    vf v212 = MUL(v193, v193);
    vf v215 = FMA(F32(0x37cb986du), v193, F32(0xbab60071u));  // 2.42704646e-05, -0.00138856296
    vf v217 = FMA(v215, v193, F32(0x3d2aaa9au));  // 0.0416666046
    vf v218 = MUL(v212, v217);
    vi v219 = XOR(AS_I(v191), BITS(0x80000000u));
    vf v220 = FMA(AS_F(v219), v192, v200);
    vf v221 = ADD(v218, v220);
    vf v222 = ADD(v198, v221);
    vi v223 = SELI(v190, v7, v139);
    vi v224 = SHL(v223, 30);
    vi v225 = AND(v224, BITS(0x40000000u));
    vi v226 = EQ(AS_F(v225), F32(0x00000000u));  // 0
    vf v227 = SEL(v226, v211, v222);
    vi v228 = AND(v224, BITS(0x80000000u));
    vi v229 = XOR(AS_I(v227), v228);
    vi v230 = AND(AS_I(x), BITS(0x80000000u));
    vi v231 = XOR(v229, v230);
    return AS_F(v231);
}

INLINE vf fn_cos(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v5 = FMA(AS_F(v2), F32(0x3f22f983u), F32(0x4b400000u));  // 0.636619747, 12582912
    vf v6 = SUB(v5, F32(0x4b400000u));  // 12582912
    vi v7 = ISUB(AS_I(v5), BITS(0x4b400000u));
    vf v9 = FMA(v6, F32(0xbfc90fdbu), AS_F(v2));  // -1.57079637
    vf v11 = MUL(v6, F32(0x333bbd2eu));  // 4.37113883e-08
    vi v13 = XOR(AS_I(v11), BITS(0x80000000u));
    vf v14 = FMA(v6, F32(0x333bbd2eu), AS_F(v13));  // 4.37113883e-08
    vf v15 = ADD(v9, v11);
    vf v16 = SUB(v15, v9);
    vf v17 = SUB(v15, v16);
    vf v18 = SUB(v9, v17);
    vf v19 = SUB(v11, v16);
    vf v20 = ADD(v18, v19);
    vf v22 = ADD(v20, v14);
    vf v23 = FMA(v6, F32(0x26f72cedu), v22);  // 1.71512451e-15
    vf v24 = ADD(v15, v23);
    vf v25 = SUB(v15, v24);
    vf v26 = ADD(v25, v23);
    vi v34 = LE(F32(0x55800000u), AS_F(v2));  // 1.7592186e+13
    vi v36 = SELI(v34, BITS(0x35000000u), BITS(0x40000000u));  // 4.76837158e-07, 2
    vi v38 = SELI(v34, BITS(0x3edb93a0u), BITS(0x3ea2f980u));  // 0.428860664, 0.318309784
    vi v40 = SELI(v34, BITS(0xb4efab58u), BITS(0x33db9390u));  // -4.46418881e-07, 1.02248237e-07
    vi v42 = SELI(v34, BITS(0xa6f62a00u), BITS(0x2802a540u));  // -1.70810631e-15, 7.25228254e-15
    vi v44 = SELI(v34, BITS(0x9cb82b2cu), BITS(0x9bf62a08u));  // -1.21872583e-21, -4.07244482e-22
    vi v46 = SELI(v34, BITS(0x9088fc92u), BITS(0x90e0acb2u));  // -5.40316877e-29, -8.86185006e-29
    vi v48 = LE(F32(0x60800000u), AS_F(v2));  // 7.37869763e+19
    vi v50 = SELI(v48, BITS(0x2a000000u), v36);  // 1.13686838e-13
    vi v52 = SELI(v48, BITS(0xbfefab58u), v38);  // -1.8724165
    vi v54 = SELI(v48, BITS(0xb1f62a00u), v40);  // -7.16431714e-09
    vi v56 = SELI(v48, BITS(0xa7b82b30u), v42);  // -5.11170831e-15
    vi v58 = SELI(v48, BITS(0x1cddc0dcu), v44);  // 1.46744062e-21
    vi v60 = SELI(v48, BITS(0x909d6a66u), v46);  // -6.20895138e-29
    vi v62 = LE(F32(0x6b800000u), AS_F(v2));  // 3.0948501e+26
    vi v64 = SELI(v62, BITS(0x1f000000u), v50);  // 2.71050543e-20
    vi v66 = SELI(v62, BITS(0xbcf62a00u), v52);  // -0.030049324
    vi v68 = SELI(v62, BITS(0xb2b82b20u), v54);  // -2.14400302e-08
    vi v70 = SELI(v62, BITS(0xa8c88fcau), v56);  // -2.22668191e-14
    vi v72 = SELI(v62, BITS(0x1cd8a566u), v58);  // 1.43364355e-21
    vi v74 = SELI(v62, BITS(0x101e21c8u), v60);  // 3.11860299e-29
    vi v76 = LE(F32(0x76800000u), AS_F(v2));  // 1.29807421e+33
    vi v78 = SELI(v76, BITS(0x14000000u), v64);  // 6.46234854e-27
    vi v80 = SELI(v76, BITS(0xbdb82b00u), v66);  // -0.089925766
    vi v82 = SELI(v76, BITS(0xb4b223f2u), v68);  // -3.31812373e-07
    vi v84 = SELI(v76, BITS(0xa813ad4cu), v70);  // -8.197717e-15
    vi v86 = SELI(v76, BITS(0x9c58778cu), v72);  // -7.16229156e-22
    vi v88 = SELI(v76, BITS(0x90fbe01au), v74);  // -9.93473267e-29
    vf v89 = MUL(AS_F(v2), AS_F(v78));
    vf v90 = MUL(v89, AS_F(v80));
    vi v91 = XOR(AS_I(v90), BITS(0x80000000u));
    vf v92 = FMA(v89, AS_F(v80), AS_F(v91));
    vf v93 = MUL(v89, AS_F(v82));
    vi v94 = XOR(AS_I(v93), BITS(0x80000000u));
    vf v95 = FMA(v89, AS_F(v82), AS_F(v94));
    vf v96 = MUL(v89, AS_F(v84));
    vi v97 = XOR(AS_I(v96), BITS(0x80000000u));
    vf v98 = FMA(v89, AS_F(v84), AS_F(v97));
    vf v99 = MUL(v89, AS_F(v86));
    vi v100 = XOR(AS_I(v99), BITS(0x80000000u));
    vf v101 = FMA(v89, AS_F(v86), AS_F(v100));
    vf v102 = FMA(v89, AS_F(v88), v101);
    vi v103 = AND(AS_I(v90), BITS(0x7fffffffu));
    vi v105 = LT(AS_F(v103), F32(0x4c800000u));  // 67108864
    vf v107 = ADD(v90, F32(0x4d400000u));  // 201326592
    vf v108 = SUB(v107, F32(0x4d400000u));  // 201326592
    vf v109 = SUB(v90, v108);
    vf v111 = SEL(v105, v109, F32(0x00000000u));  // 0
    vf v112 = ADD(v92, F32(0x4d400000u));  // 201326592
    vf v113 = SUB(v112, F32(0x4d400000u));  // 201326592
    vf v114 = SUB(v92, v113);
    vf v115 = ADD(v111, v114);
    vf v116 = ADD(v93, F32(0x4d400000u));  // 201326592
    vf v117 = SUB(v116, F32(0x4d400000u));  // 201326592
    vf v118 = SUB(v93, v117);
    vf v119 = ADD(v115, v118);
    vf v120 = SUB(v119, v115);
    vf v121 = SUB(v119, v120);
    vf v122 = SUB(v115, v121);
    vf v123 = SUB(v118, v120);
    vf v124 = ADD(v122, v123);
    vf v125 = ADD(v95, v96);
    vf v126 = SUB(v125, v95);
    vf v127 = SUB(v125, v126);
    vf v128 = SUB(v95, v127);
    vf v129 = SUB(v96, v126);
    vf v130 = ADD(v128, v129);
    vf v131 = ADD(v119, v125);
    vf v132 = SUB(v131, v119);
    vf v133 = SUB(v131, v132);
    vf v134 = SUB(v119, v133);
    vf v135 = SUB(v125, v132);
    vf v136 = ADD(v134, v135);
    vf v137 = ADD(v131, F32(0x4b400000u));  // 12582912
    vf v138 = SUB(v137, F32(0x4b400000u));  // 12582912
    vi v139 = ISUB(AS_I(v137), BITS(0x4b400000u));
    vf v140 = SUB(v131, v138);
    vf v141 = ADD(v98, v99);
    vf v142 = SUB(v141, v98);
    vf v143 = SUB(v141, v142);
    vf v144 = SUB(v98, v143);
    vf v145 = SUB(v99, v142);
    vf v146 = ADD(v144, v145);
    vf v147 = ADD(v124, v136);
    vf v148 = SUB(v147, v124);
    vf v149 = SUB(v147, v148);
    vf v150 = SUB(v124, v149);
    vf v151 = SUB(v136, v148);
    vf v152 = ADD(v150, v151);
    vf v153 = ADD(v130, v141);
    vf v154 = SUB(v153, v130);
    vf v155 = SUB(v153, v154);
    vf v156 = SUB(v130, v155);
    vf v157 = SUB(v141, v154);
    vf v158 = ADD(v156, v157);
    vf v159 = ADD(v140, v147);
    vf v160 = SUB(v159, v140);
    vf v161 = SUB(v159, v160);
    vf v162 = SUB(v140, v161);
    vf v163 = SUB(v147, v160);
    vf v164 = ADD(v162, v163);
    vf v165 = ADD(v159, v153);
    vf v166 = SUB(v165, v159);
    vf v167 = SUB(v165, v166);
    vf v168 = SUB(v159, v167);
    vf v169 = SUB(v153, v166);
    vf v170 = ADD(v168, v169);
    vf v171 = ADD(v152, v158);
    vf v172 = ADD(v146, v102);
    vf v173 = ADD(v171, v172);
    vf v174 = ADD(v164, v170);
    vf v175 = ADD(v174, v173);
    vf v176 = ADD(v165, v175);
    vf v177 = SUB(v165, v176);
    vf v178 = ADD(v177, v175);
    vf v180 = MUL(v176, F32(0x3fc90fdbu));  // 1.57079637
    vi v181 = XOR(AS_I(v180), BITS(0x80000000u));
    vf v182 = FMA(v176, F32(0x3fc90fdbu), AS_F(v181));  // 1.57079637
    vf v184 = FMA(v176, F32(0xb33bbd2eu), v182);  // -4.37113883e-08
    vf v185 = FMA(v178, F32(0x3fc90fdbu), v184);  // 1.57079637
    vf v186 = ADD(v180, v185);
    vf v187 = SUB(v180, v186);
    vf v188 = ADD(v187, v185);
    vi v190 = LE(AS_F(v2), F32(0x4a800000u));  // 4194304
    vf v191 = SEL(v190, v24, v186);
    vf v192 = SEL(v190, v26, v188);
    vf v193 = MUL(v191, v191);
    vf v195 = MUL(F32(0x3f000000u), v193);  // 0.5
    vi v197 = XOR(AS_I(v195), BITS(0x80000000u));
    vf v198 = ADD(F32(0x3f800000u), AS_F(v197));  // 1
    vf v199 = SUB(F32(0x3f800000u), v198);  // 1
    vf v200 = ADD(v199, AS_F(v197));
    vf v201 = MUL(v191, v193);
    vf v204 = FMA(F32(0x36381748u), v193, F32(0xb95015d9u));  // 2.74316881e-06, -0.000198445647
    vf v206 = FMA(v204, v193, F32(0x3c0888a6u));  // 0.00833336078
    vf v208 = FMA(v206, v193, F32(0xbe2aaaabu));  // -0.166666672
    vf v209 = MUL(v201, v208);
    vf v210 = FMA(v198, v192, v209);
    vf v211 = ADD(v191, v210);
    vf v212 = MUL(v193, v193);
    vf v215 = FMA(F32(0x37cb986du), v193, F32(0xbab60071u));  // 2.42704646e-05, -0.00138856296
    vf v217 = FMA(v215, v193, F32(0x3d2aaa9au));  // 0.0416666046
    vf v218 = MUL(v212, v217);
    vi v219 = XOR(AS_I(v191), BITS(0x80000000u));
    vf v220 = FMA(AS_F(v219), v192, v200);
    vf v221 = ADD(v218, v220);
    vf v222 = ADD(v198, v221);
    vi v223 = SELI(v190, v7, v139);
    vi v225 = IADD(v223, BITS(0x00000001u));
    vi v226 = SHL(v225, 30);
    vi v227 = AND(v226, BITS(0x40000000u));
    vi v228 = EQ(AS_F(v227), F32(0x00000000u));  // 0
    vf v229 = SEL(v228, v211, v222);
    vi v230 = AND(v226, BITS(0x80000000u));
    vi v231 = XOR(AS_I(v229), v230);
    return AS_F(v231);
}

INLINE vf fn_softplus(vf x) {
    vi v2 = OR(AS_I(x), BITS(0x80000000u));
    vi v4 = LT(AS_F(v2), F32(0xc2d20000u));  // -105
    vi v5 = SELI(v4, BITS(0xc2d20000u), v2);  // -105
    vi v7 = LT(F32(0x42b20000u), AS_F(v5));  // 89
    vi v8 = SELI(v7, BITS(0x42b20000u), v5);  // 89
    vf v11 = FMA(AS_F(v8), F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v12 = SUB(v11, F32(0x4b400000u));  // 12582912
    vi v13 = ISUB(AS_I(v11), BITS(0x4b400000u));
    vf v16 = FMA(v12, F32(0xbf317200u), AS_F(v8));  // -0.693145752
    vf v17 = FMA(v12, F32(0xb5bfbe8eu), v16);  // -1.42860677e-06
    vf v20 = FMA(F32(0x3ab6db23u), v17, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v22 = FMA(v20, v17, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v24 = FMA(v22, v17, F32(0x3e2aaa46u));  // 0.166665167
    vf v26 = FMA(v24, v17, F32(0x3f000000u));  // 0.5
    vf v27 = MUL(v17, v17);
    vf v28 = FMA(v26, v27, v17);
    vi v29 = SAR(v13, 1);
    vi v31 = IADD(v29, BITS(0x0000007fu));
    vi v32 = SHL(v31, 23);
    vi v33 = ISUB(v13, v29);
    vi v34 = IADD(v33, BITS(0x0000007fu));
    vi v35 = SHL(v34, 23);
    vf v36 = FMA(v28, AS_F(v32), AS_F(v32));
    vf v37 = MUL(v36, AS_F(v35));
    vf v38 = ADD(v37, v37);
    vf v40 = ADD(F32(0x40000000u), v37);  // 2
    vf v41 = DIV(v38, v40);
    vf v42 = MUL(v41, v41);
    vf v45 = FMA(F32(0x3a0f7f36u), v42, F32(0x3b0f5a52u));  // 0.0005473973, 0.00218739035
    vf v47 = FMA(v45, v42, F32(0x3c4ce94bu));  // 0.0125067933
    vf v49 = FMA(v47, v42, F32(0x3daaaa80u));  // 0.0833330154
    vf v50 = MUL(v49, v42);
    vf v51 = FMA(v50, v41, v41);
    vi v53 = LT(x, F32(0x00000000u));  // 0
    vf v54 = SEL(v53, F32(0x00000000u), x);  // 0
    vf v55 = ADD(v54, v51);
    return v55;
}

INLINE vf fn_atan(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v5 = LT(F32(0x3f800000u), AS_F(v2));  // 1
    vi v7 = SELI(v5, BITS(0xbf800000u), v2);  // -1
    vi v8 = SELI(v5, v2, BITS(0x3f800000u));  // 1
    vf v9 = DIV(AS_F(v7), AS_F(v8));
    vf v10 = MUL(v9, v9);
    vi v12 = SELI(v5, BITS(0xb33bbd2eu), BITS(0x00000000u));  // -4.37113883e-08, 0
    vf v13 = MUL(v9, v10);
    vf v16 = FMA(F32(0xbae9aba1u), v10, F32(0x3c3211efu));  // -0.00178276387, 0.0108685335
    vf v18 = FMA(v16, v10, F32(0xbcfebeceu));  // -0.0310968421
    vf v20 = FMA(v18, v10, F32(0x3d6d14fau));  // 0.0578813329
    vf v22 = FMA(v20, v10, F32(0xbdac048du));  // -0.0839930549
    vf v24 = FMA(v22, v10, F32(0x3de04627u));  // 0.109508805
    vf v26 = FMA(v24, v10, F32(0xbe121043u));  // -0.142640159
    vf v28 = FMA(v26, v10, F32(0x3e4cc8f2u));  // 0.199985296
    vf v30 = FMA(v28, v10, F32(0xbeaaaa9fu));  // -0.333332986
    vf v31 = FMA(v13, v30, AS_F(v12));
    vi v33 = SELI(v5, BITS(0x3fc90fdbu), BITS(0x00000000u));  // 1.57079637, 0
    vf v34 = ADD(v9, v31);
    vf v35 = ADD(AS_F(v33), v34);
    vi v37 = AND(AS_I(x), BITS(0x80000000u));
    vi v38 = OR(AS_I(v35), v37);
    return AS_F(v38);
}

INLINE vf fn_asin(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v5 = LE(AS_F(v2), F32(0x3f000000u));  // 0.5
    vf v6 = MUL(AS_F(v2), AS_F(v2));
    vf v8 = SUB(F32(0x3f800000u), AS_F(v2));  // 1
    vf v9 = MUL(v8, F32(0x3f000000u));  // 0.5
    vf v10 = SEL(v5, v6, v9);
    vf v11 = SQRT(v10);
    vi v13 = XOR(AS_I(v11), BITS(0x80000000u));
    vf v14 = FMA(AS_F(v13), v11, v10);
    vi v15 = EQ(v11, F32(0x00000000u));  // 0
    vf v16 = ADD(v11, v11);
    vf v17 = SEL(v15, F32(0x3f800000u), v16);  // 1
    vf v18 = DIV(v14, v17);
    vf v19 = SEL(v5, F32(0x00000000u), v18);  // 0
    vf v20 = SEL(v5, AS_F(v2), v11);
    vf v21 = MUL(v20, v10);
    vf v24 = FMA(F32(0x3d2cae30u), v10, F32(0x3cc61f28u));  // 0.0421583056, 0.0241847783
    vf v26 = FMA(v24, v10, F32(0x3d3a3ddcu));  // 0.0454691499
    vf v28 = FMA(v26, v10, F32(0x3d998102u));  // 0.0749530941
    vf v30 = FMA(v28, v10, F32(0x3e2aaae4u));  // 0.166667521
    vf v31 = FMA(v21, v30, v19);
    vf v34 = MUL(F32(0xc0000000u), v20);  // -2
    vf v35 = ADD(F32(0x3fc90fdbu), v34);  // 1.57079637
    vf v36 = SUB(F32(0x3fc90fdbu), v35);  // 1.57079637
    vf v37 = ADD(v36, v34);
    vf v39 = FMA(F32(0xc0000000u), v31, F32(0xb33bbd2eu));  // -2, -4.37113883e-08
    vf v40 = ADD(v37, v39);
    vf v41 = ADD(v35, v40);
    vf v42 = ADD(v20, v31);
    vf v43 = SEL(v5, v42, v41);
    vi v44 = AND(AS_I(x), BITS(0x80000000u));
    vi v45 = OR(AS_I(v43), v44);
    return AS_F(v45);
}

INLINE vf fn_acos(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v5 = LE(AS_F(v2), F32(0x3f000000u));  // 0.5
    vf v6 = MUL(AS_F(v2), AS_F(v2));
    vf v8 = SUB(F32(0x3f800000u), AS_F(v2));  // 1
    vf v9 = MUL(v8, F32(0x3f000000u));  // 0.5
    vf v10 = SEL(v5, v6, v9);
    vf v11 = SQRT(v10);
    vi v13 = XOR(AS_I(v11), BITS(0x80000000u));
    vf v14 = FMA(AS_F(v13), v11, v10);
    vi v15 = EQ(v11, F32(0x00000000u));  // 0
    vf v16 = ADD(v11, v11);
    vf v17 = SEL(v15, F32(0x3f800000u), v16);  // 1
    vf v18 = DIV(v14, v17);
    vf v19 = SEL(v5, F32(0x00000000u), v18);  // 0
    vf v20 = SEL(v5, AS_F(v2), v11);
    vf v21 = MUL(v20, v10);
    vf v24 = FMA(F32(0x3d2cae30u), v10, F32(0x3cc61f28u));  // 0.0421583056, 0.0241847783
    vf v26 = FMA(v24, v10, F32(0x3d3a3ddcu));  // 0.0454691499
    vf v28 = FMA(v26, v10, F32(0x3d998102u));  // 0.0749530941
    vf v30 = FMA(v28, v10, F32(0x3e2aaae4u));  // 0.166667521
    vf v31 = FMA(v21, v30, v19);
    vf v32 = ADD(v20, v31);
    vf v33 = ADD(v32, v32);
    vf v36 = SUB(F32(0xb3bbbd2eu), v33);  // -8.74227766e-08
    vf v37 = ADD(F32(0x40490fdbu), v36);  // 3.14159274
    vi v38 = LT(x, F32(0x00000000u));  // 0
    vf v39 = SEL(v38, v37, v33);
    vi v42 = AND(AS_I(x), BITS(0x80000000u));
    vi v43 = OR(AS_I(v32), v42);
    vf v44 = SUB(F32(0xb33bbd2eu), AS_F(v43));  // -4.37113883e-08
    vf v45 = ADD(F32(0x3fc90fdbu), v44);  // 1.57079637
    vf v46 = SEL(v5, v45, v39);
    return v46;
}

INLINE vf fn_log1p(vf x) {
    vf v2 = ADD(F32(0x3f800000u), x);  // 1
    vf v3 = SUB(v2, F32(0x3f800000u));  // 1
    vf v4 = SUB(x, v3);
    vi v6 = LT(v2, F32(0x00800000u));  // 1.17549435e-38
    vf v8 = MUL(v2, F32(0x4b000000u));  // 8388608
    vf v9 = SEL(v6, v8, v2);
    vi v12 = SELI(v6, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v14 = ISUB(AS_I(v9), BITS(0x3f2aaaabu));
    vi v15 = SAR(v14, 23);
    vi v16 = SHL(v15, 23);
    vi v17 = ISUB(AS_I(v9), v16);
    vi v19 = IADD(v15, BITS(0x4b400000u));
    vf v20 = SUB(AS_F(v19), F32(0x4b400000u));  // 12582912
    vf v21 = ADD(v20, AS_F(v12));
    vi v23 = XOR(AS_I(v21), BITS(0x80000000u));
    vf v25 = ADD(AS_F(v23), F32(0x4b40007fu));  // 12583039
    vi v26 = SHL(AS_I(v25), 23);
    vf v27 = MUL(v4, AS_F(v26));
    vi v29 = LT(v2, F32(0x4c000000u));  // 33554432
    vf v30 = SEL(v29, v27, F32(0x00000000u));  // 0
    vf v31 = SUB(AS_F(v17), F32(0x3f800000u));  // 1
    vf v32 = ADD(v31, v30);
    vf v33 = SUB(v31, v32);
    vf v34 = ADD(v33, v30);
    vf v37 = FMA(F32(0xbe03e246u), v32, F32(0x3e0f3665u));  // -0.128792852, 0.139855936
    vf v39 = FMA(v37, v32, F32(0xbdf9995cu));  // -0.121874541
    vf v41 = FMA(v39, v32, F32(0x3e0f6ab1u));  // 0.140055433
    vf v43 = FMA(v41, v32, F32(0xbe2ace33u));  // -0.166802213
    vf v45 = FMA(v43, v32, F32(0x3e4ce828u));  // 0.200104356
    vf v47 = FMA(v45, v32, F32(0xbe7fff7du));  // -0.249998048
    vf v49 = FMA(v47, v32, F32(0x3eaaaa83u));  // 0.333332151
    vf v51 = FMA(v49, v32, F32(0xbf000000u));  // -0.5
    vf v52 = MUL(v32, v32);
    vf v53 = MUL(v51, v52);
    vf v54 = ADD(v53, v34);
    vf v56 = FMA(v21, F32(0xb102e308u), v54);  // -1.90465421e-09
    vf v57 = ADD(v32, v56);
    vf v59 = FMA(v21, F32(0x3f317218u), v57);  // 0.693147182
    vi v62 = LT(x, F32(0x7f800000u));  // inf
    vf v63 = SEL(v62, v59, x);
    vi v64 = LT(x, F32(0xbf800000u));  // -1
    vf v66 = SEL(v64, F32(0x7fc00000u), v63);  // nan
    vi v67 = EQ(x, F32(0xbf800000u));  // -1
    vf v69 = SEL(v67, F32(0xff800000u), v66);  // -inf
    vi v70 = EQ(x, F32(0x00000000u));  // 0
    vf v71 = SEL(v70, x, v69);
    return v71;
}

INLINE vf fn_expm1(vf x) {
    vi v2 = LT(x, F32(0xc1900000u));  // -18
    vf v3 = SEL(v2, F32(0xc1900000u), x);  // -18
    vi v5 = LT(F32(0x42b20000u), v3);  // 89
    vf v6 = SEL(v5, F32(0x42b20000u), v3);  // 89
    vf v9 = FMA(v6, F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v10 = SUB(v9, F32(0x4b400000u));  // 12582912
    vi v11 = ISUB(AS_I(v9), BITS(0x4b400000u));
    vf v13 = FMA(v10, F32(0xbf317200u), v6);  // -0.693145752
    vf v15 = FMA(v10, F32(0xb5bfbe8eu), v13);  // -1.42860677e-06
    vf v16 = SUB(v13, v15);
    vf v17 = FMA(v10, F32(0xb5bfbe8eu), v16);  // -1.42860677e-06
    vf v20 = FMA(F32(0x3ab6db23u), v15, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v22 = FMA(v20, v15, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v24 = FMA(v22, v15, F32(0x3e2aaa46u));  // 0.166665167
    vf v26 = FMA(v24, v15, F32(0x3f000000u));  // 0.5
    vf v27 = MUL(v15, v15);
    vf v28 = FMA(v26, v27, v17);
    vi v30 = ISUB(v11, BITS(0x00000001u));
    vi v32 = IADD(v30, BITS(0x0000007fu));
    vi v33 = SHL(v32, 23);
    vf v34 = SUB(AS_F(v33), F32(0x3f000000u));  // 0.5
    vf v35 = MUL(AS_F(v33), v15);
    vf v36 = ADD(v34, v35);
    vf v37 = SUB(v34, v36);
    vf v38 = ADD(v37, v35);
    vf v39 = FMA(AS_F(v33), v28, v38);
    vf v40 = ADD(v36, v39);
    vi v42 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v44 = LT(AS_F(v42), F32(0x33000000u));  // 2.98023224e-08
    vf v45 = ADD(v40, v40);
    vf v46 = SEL(v44, x, v45);
    return v46;
}

INLINE vf fn_tan(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v5 = FMA(AS_F(v2), F32(0x3f22f983u), F32(0x4b400000u));  // 0.636619747, 12582912
    vf v6 = SUB(v5, F32(0x4b400000u));  // 12582912
    vi v7 = ISUB(AS_I(v5), BITS(0x4b400000u));
    vf v9 = FMA(v6, F32(0xbfc90fdbu), AS_F(v2));  // -1.57079637
    vf v11 = MUL(v6, F32(0x333bbd2eu));  // 4.37113883e-08
    vi v13 = XOR(AS_I(v11), BITS(0x80000000u));
    vf v14 = FMA(v6, F32(0x333bbd2eu), AS_F(v13));  // 4.37113883e-08
    vf v15 = ADD(v9, v11);
    vf v16 = SUB(v15, v9);
    vf v17 = SUB(v15, v16);
    vf v18 = SUB(v9, v17);
    vf v19 = SUB(v11, v16);
    vf v20 = ADD(v18, v19);
    vf v22 = ADD(v20, v14);
    vf v23 = FMA(v6, F32(0x26f72cedu), v22);  // 1.71512451e-15
    vf v24 = ADD(v15, v23);
    vf v25 = SUB(v15, v24);
    vf v26 = ADD(v25, v23);
    vi v34 = LE(F32(0x55800000u), AS_F(v2));  // 1.7592186e+13
    vi v36 = SELI(v34, BITS(0x35000000u), BITS(0x40000000u));  // 4.76837158e-07, 2
    vi v38 = SELI(v34, BITS(0x3edb93a0u), BITS(0x3ea2f980u));  // 0.428860664, 0.318309784
    vi v40 = SELI(v34, BITS(0xb4efab58u), BITS(0x33db9390u));  // -4.46418881e-07, 1.02248237e-07
    vi v42 = SELI(v34, BITS(0xa6f62a00u), BITS(0x2802a540u));  // -1.70810631e-15, 7.25228254e-15
    vi v44 = SELI(v34, BITS(0x9cb82b2cu), BITS(0x9bf62a08u));  // -1.21872583e-21, -4.07244482e-22
    vi v46 = SELI(v34, BITS(0x9088fc92u), BITS(0x90e0acb2u));  // -5.40316877e-29, -8.86185006e-29
    vi v48 = LE(F32(0x60800000u), AS_F(v2));  // 7.37869763e+19
    vi v50 = SELI(v48, BITS(0x2a000000u), v36);  // 1.13686838e-13
    vi v52 = SELI(v48, BITS(0xbfefab58u), v38);  // -1.8724165
    vi v54 = SELI(v48, BITS(0xb1f62a00u), v40);  // -7.16431714e-09
    vi v56 = SELI(v48, BITS(0xa7b82b30u), v42);  // -5.11170831e-15
    vi v58 = SELI(v48, BITS(0x1cddc0dcu), v44);  // 1.46744062e-21
    vi v60 = SELI(v48, BITS(0x909d6a66u), v46);  // -6.20895138e-29
    vi v62 = LE(F32(0x6b800000u), AS_F(v2));  // 3.0948501e+26
    vi v64 = SELI(v62, BITS(0x1f000000u), v50);  // 2.71050543e-20
    vi v66 = SELI(v62, BITS(0xbcf62a00u), v52);  // -0.030049324
    vi v68 = SELI(v62, BITS(0xb2b82b20u), v54);  // -2.14400302e-08
    vi v70 = SELI(v62, BITS(0xa8c88fcau), v56);  // -2.22668191e-14
    vi v72 = SELI(v62, BITS(0x1cd8a566u), v58);  // 1.43364355e-21
    vi v74 = SELI(v62, BITS(0x101e21c8u), v60);  // 3.11860299e-29
    vi v76 = LE(F32(0x76800000u), AS_F(v2));  // 1.29807421e+33
    vi v78 = SELI(v76, BITS(0x14000000u), v64);  // 6.46234854e-27
    vi v80 = SELI(v76, BITS(0xbdb82b00u), v66);  // -0.089925766
    vi v82 = SELI(v76, BITS(0xb4b223f2u), v68);  // -3.31812373e-07
    vi v84 = SELI(v76, BITS(0xa813ad4cu), v70);  // -8.197717e-15
    vi v86 = SELI(v76, BITS(0x9c58778cu), v72);  // -7.16229156e-22
    vi v88 = SELI(v76, BITS(0x90fbe01au), v74);  // -9.93473267e-29
    vf v89 = MUL(AS_F(v2), AS_F(v78));
    vf v90 = MUL(v89, AS_F(v80));
    vi v91 = XOR(AS_I(v90), BITS(0x80000000u));
    vf v92 = FMA(v89, AS_F(v80), AS_F(v91));
    vf v93 = MUL(v89, AS_F(v82));
    vi v94 = XOR(AS_I(v93), BITS(0x80000000u));
    vf v95 = FMA(v89, AS_F(v82), AS_F(v94));
    vf v96 = MUL(v89, AS_F(v84));
    vi v97 = XOR(AS_I(v96), BITS(0x80000000u));
    vf v98 = FMA(v89, AS_F(v84), AS_F(v97));
    vf v99 = MUL(v89, AS_F(v86));
    vi v100 = XOR(AS_I(v99), BITS(0x80000000u));
    vf v101 = FMA(v89, AS_F(v86), AS_F(v100));
    vf v102 = FMA(v89, AS_F(v88), v101);
    vi v103 = AND(AS_I(v90), BITS(0x7fffffffu));
    vi v105 = LT(AS_F(v103), F32(0x4c800000u));  // 67108864
    vf v107 = ADD(v90, F32(0x4d400000u));  // 201326592
    vf v108 = SUB(v107, F32(0x4d400000u));  // 201326592
    vf v109 = SUB(v90, v108);
    vf v111 = SEL(v105, v109, F32(0x00000000u));  // 0
    vf v112 = ADD(v92, F32(0x4d400000u));  // 201326592
    vf v113 = SUB(v112, F32(0x4d400000u));  // 201326592
    vf v114 = SUB(v92, v113);
    vf v115 = ADD(v111, v114);
    vf v116 = ADD(v93, F32(0x4d400000u));  // 201326592
    vf v117 = SUB(v116, F32(0x4d400000u));  // 201326592
    vf v118 = SUB(v93, v117);
    vf v119 = ADD(v115, v118);
    vf v120 = SUB(v119, v115);
    vf v121 = SUB(v119, v120);
    vf v122 = SUB(v115, v121);
    vf v123 = SUB(v118, v120);
    vf v124 = ADD(v122, v123);
    vf v125 = ADD(v95, v96);
    vf v126 = SUB(v125, v95);
    vf v127 = SUB(v125, v126);
    vf v128 = SUB(v95, v127);
    vf v129 = SUB(v96, v126);
    vf v130 = ADD(v128, v129);
    vf v131 = ADD(v119, v125);
    vf v132 = SUB(v131, v119);
    vf v133 = SUB(v131, v132);
    vf v134 = SUB(v119, v133);
    vf v135 = SUB(v125, v132);
    vf v136 = ADD(v134, v135);
    vf v137 = ADD(v131, F32(0x4b400000u));  // 12582912
    vf v138 = SUB(v137, F32(0x4b400000u));  // 12582912
    vi v139 = ISUB(AS_I(v137), BITS(0x4b400000u));
    vf v140 = SUB(v131, v138);
    vf v141 = ADD(v98, v99);
    vf v142 = SUB(v141, v98);
    vf v143 = SUB(v141, v142);
    vf v144 = SUB(v98, v143);
    vf v145 = SUB(v99, v142);
    vf v146 = ADD(v144, v145);
    vf v147 = ADD(v124, v136);
    vf v148 = SUB(v147, v124);
    vf v149 = SUB(v147, v148);
    vf v150 = SUB(v124, v149);
    vf v151 = SUB(v136, v148);
    vf v152 = ADD(v150, v151);
    vf v153 = ADD(v130, v141);
    vf v154 = SUB(v153, v130);
    vf v155 = SUB(v153, v154);
    vf v156 = SUB(v130, v155);
    vf v157 = SUB(v141, v154);
    vf v158 = ADD(v156, v157);
    vf v159 = ADD(v140, v147);
    vf v160 = SUB(v159, v140);
    vf v161 = SUB(v159, v160);
    vf v162 = SUB(v140, v161);
    vf v163 = SUB(v147, v160);
    vf v164 = ADD(v162, v163);
    vf v165 = ADD(v159, v153);
    vf v166 = SUB(v165, v159);
    vf v167 = SUB(v165, v166);
    vf v168 = SUB(v159, v167);
    vf v169 = SUB(v153, v166);
    vf v170 = ADD(v168, v169);
    vf v171 = ADD(v152, v158);
    vf v172 = ADD(v146, v102);
    vf v173 = ADD(v171, v172);
    vf v174 = ADD(v164, v170);
    vf v175 = ADD(v174, v173);
    vf v176 = ADD(v165, v175);
    vf v177 = SUB(v165, v176);
    vf v178 = ADD(v177, v175);
    vf v180 = MUL(v176, F32(0x3fc90fdbu));  // 1.57079637
    vi v181 = XOR(AS_I(v180), BITS(0x80000000u));
    vf v182 = FMA(v176, F32(0x3fc90fdbu), AS_F(v181));  // 1.57079637
    vf v184 = FMA(v176, F32(0xb33bbd2eu), v182);  // -4.37113883e-08
    vf v185 = FMA(v178, F32(0x3fc90fdbu), v184);  // 1.57079637
    vf v186 = ADD(v180, v185);
    vf v187 = SUB(v180, v186);
    vf v188 = ADD(v187, v185);
    vi v190 = LE(AS_F(v2), F32(0x4a800000u));  // 4194304
    vf v191 = SEL(v190, v24, v186);
    vf v192 = SEL(v190, v26, v188);
    vf v193 = MUL(v191, v191);
    vf v195 = MUL(F32(0x3f000000u), v193);  // 0.5
    vi v197 = XOR(AS_I(v195), BITS(0x80000000u));
    vf v198 = ADD(F32(0x3f800000u), AS_F(v197));  // 1
    vf v199 = SUB(F32(0x3f800000u), v198);  // 1
    vf v200 = ADD(v199, AS_F(v197));
    vf v201 = MUL(v191, v193);
    vf v204 = FMA(F32(0x36381748u), v193, F32(0xb95015d9u));  // 2.74316881e-06, -0.000198445647
    vf v206 = FMA(v204, v193, F32(0x3c0888a6u));  // 0.00833336078
    vf v208 = FMA(v206, v193, F32(0xbe2aaaabu));  // -0.166666672
    vf v209 = MUL(v201, v208);
    vf v210 = FMA(v198, v192, v209);
    vf v211 = ADD(v191, v210);
    vf v212 = MUL(v193, v193);
    vf v215 = FMA(F32(0x37cb986du), v193, F32(0xbab60071u));  // 2.42704646e-05, -0.00138856296
    vf v217 = FMA(v215, v193, F32(0x3d2aaa9au));  // 0.0416666046
    vf v218 = MUL(v212, v217);
    vi v219 = XOR(AS_I(v191), BITS(0x80000000u));
    vf v220 = FMA(AS_F(v219), v192, v200);
    vf v221 = ADD(v218, v220);
    vf v222 = ADD(v198, v221);
    vi v223 = SELI(v190, v7, v139);
    vi v224 = SHL(v223, 30);
    vi v225 = AND(v224, BITS(0x40000000u));
    vi v226 = EQ(AS_F(v225), F32(0x00000000u));  // 0
    vf v227 = SEL(v226, v211, v222);
    vf v228 = SEL(v226, v222, v211);
    vf v229 = DIV(v227, v228);
    vi v230 = SHL(v223, 31);
    vi v231 = XOR(AS_I(v229), v230);
    vi v232 = AND(AS_I(x), BITS(0x80000000u));
    vi v233 = XOR(v231, v232);
    return AS_F(v233);
}

INLINE vf fn_sinh(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v3 = MUL(AS_F(v2), AS_F(v2));
    vf v6 = FMA(F32(0x363ab60fu), v3, F32(0x3950115eu));  // 2.78221319e-06, 0.000198428956
    vf v8 = FMA(v6, v3, F32(0x3c088870u));  // 0.00833331048
    vf v10 = FMA(v8, v3, F32(0x3e2aaaabu));  // 0.166666672
    vf v11 = MUL(v10, v3);
    vf v12 = FMA(v11, AS_F(v2), AS_F(v2));
    vi v14 = LT(F32(0x42b30000u), AS_F(v2));  // 89.5
    vi v15 = SELI(v14, BITS(0x42b30000u), v2);  // 89.5
    vf v18 = FMA(AS_F(v15), F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v19 = SUB(v18, F32(0x4b400000u));  // 12582912
    vi v20 = ISUB(AS_I(v18), BITS(0x4b400000u));
    vf v22 = FMA(v19, F32(0xbf317200u), AS_F(v15));  // -0.693145752
    vf v24 = FMA(v19, F32(0xb5bfbe8eu), v22);  // -1.42860677e-06
    vf v25 = SUB(v22, v24);
    vf v26 = FMA(v19, F32(0xb5bfbe8eu), v25);  // -1.42860677e-06
    vf v29 = FMA(F32(0x3ab6db23u), v24, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v31 = FMA(v29, v24, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v33 = FMA(v31, v24, F32(0x3e2aaa46u));  // 0.166665167
    vf v35 = FMA(v33, v24, F32(0x3f000000u));  // 0.5
    vf v36 = MUL(v24, v24);
    vf v37 = FMA(v35, v36, v26);
    vi v39 = ISUB(v20, BITS(0x00000002u));
    vi v41 = IADD(v39, BITS(0x0000007fu));
    vi v42 = SHL(v41, 23);
    vf v43 = MUL(AS_F(v42), v24);
    vf v44 = ADD(AS_F(v42), v43);
    vf v45 = SUB(AS_F(v42), v44);
    vf v46 = ADD(v45, v43);
    vf v47 = FMA(AS_F(v42), v37, v46);
    vf v49 = ADD(v44, v47);
    vf v50 = DIV(F32(0x3d800000u), v49);  // 0.0625
    vf v51 = SUB(v47, v50);
    vf v52 = ADD(v44, v51);
    vi v54 = LT(F32(0x3f800000u), AS_F(v2));  // 1
    vf v55 = ADD(v52, v52);
    vf v56 = SEL(v54, v55, v12);
    vi v58 = AND(AS_I(x), BITS(0x80000000u));
    vi v59 = OR(AS_I(v56), v58);
    return AS_F(v59);
}

INLINE vf fn_cosh(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v4 = LT(F32(0x42b30000u), AS_F(v2));  // 89.5
    vi v5 = SELI(v4, BITS(0x42b30000u), v2);  // 89.5
    vf v8 = FMA(AS_F(v5), F32(0x3fb8aa3bu), F32(0x4b400000u));  // 1.44269502, 12582912
    vf v9 = SUB(v8, F32(0x4b400000u));  // 12582912
    vi v10 = ISUB(AS_I(v8), BITS(0x4b400000u));
    vf v12 = FMA(v9, F32(0xbf317200u), AS_F(v5));  // -0.693145752
    vf v14 = FMA(v9, F32(0xb5bfbe8eu), v12);  // -1.42860677e-06
    vf v15 = SUB(v12, v14);
    vf v16 = FMA(v9, F32(0xb5bfbe8eu), v15);  // -1.42860677e-06
    vf v19 = FMA(F32(0x3ab6db23u), v14, F32(0x3c091e70u));  // 0.00139508059, 0.00836907327
    vf v21 = FMA(v19, v14, F32(0x3d2aaa2eu));  // 0.0416662022
    vf v23 = FMA(v21, v14, F32(0x3e2aaa46u));  // 0.166665167
    vf v25 = FMA(v23, v14, F32(0x3f000000u));  // 0.5
    vf v26 = MUL(v14, v14);
    vf v27 = FMA(v25, v26, v16);
    vi v29 = ISUB(v10, BITS(0x00000002u));
    vi v31 = IADD(v29, BITS(0x0000007fu));
    vi v32 = SHL(v31, 23);
    vf v33 = MUL(AS_F(v32), v14);
    vf v34 = ADD(AS_F(v32), v33);
    vf v35 = SUB(AS_F(v32), v34);
    vf v36 = ADD(v35, v33);
    vf v37 = FMA(AS_F(v32), v27, v36);
    vf v39 = ADD(v34, v37);
    vf v40 = DIV(F32(0x3d800000u), v39);  // 0.0625
    vf v41 = ADD(v37, v40);
    vf v42 = ADD(v34, v41);
    vf v43 = ADD(v42, v42);
    return v43;
}

INLINE vf fn_asinh(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v4 = FMA(AS_F(v2), AS_F(v2), F32(0x3f800000u));  // 1
    vf v5 = SQRT(v4);
    vf v6 = MUL(AS_F(v2), AS_F(v2));
    vf v7 = ADD(F32(0x3f800000u), v5);  // 1
    vf v8 = DIV(v6, v7);
    vf v9 = ADD(AS_F(v2), v8);
    vi v11 = LT(F32(0x4e800000u), AS_F(v2));  // 1.07374182e+09
    vf v12 = SEL(v11, AS_F(v2), v9);
    vf v13 = ADD(F32(0x3f800000u), v12);  // 1
    vf v14 = SUB(v13, F32(0x3f800000u));  // 1
    vf v15 = SUB(v12, v14);
    vi v17 = LT(v13, F32(0x00800000u));  // 1.17549435e-38
    vf v19 = MUL(v13, F32(0x4b000000u));  // 8388608
    vf v20 = SEL(v17, v19, v13);
    vi v23 = SELI(v17, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v25 = ISUB(AS_I(v20), BITS(0x3f2aaaabu));
    vi v26 = SAR(v25, 23);
    vi v27 = SHL(v26, 23);
    vi v28 = ISUB(AS_I(v20), v27);
    vi v30 = IADD(v26, BITS(0x4b400000u));
    vf v31 = SUB(AS_F(v30), F32(0x4b400000u));  // 12582912
    vf v32 = ADD(v31, AS_F(v23));
    vi v34 = XOR(AS_I(v32), BITS(0x80000000u));
    vf v36 = ADD(AS_F(v34), F32(0x4b40007fu));  // 12583039
    vi v37 = SHL(AS_I(v36), 23);
    vf v38 = MUL(v15, AS_F(v37));
    vi v40 = LT(v13, F32(0x4c000000u));  // 33554432
    vf v41 = SEL(v40, v38, F32(0x00000000u));  // 0
    vf v42 = SUB(AS_F(v28), F32(0x3f800000u));  // 1
    vf v43 = ADD(v42, v41);
    vf v44 = SUB(v42, v43);
    vf v45 = ADD(v44, v41);
    vi v46 = SELI(v11, BITS(0x3f800000u), BITS(0x00000000u));  // 1, 0
    vf v47 = ADD(v32, AS_F(v46));
    vi v49 = LT(AS_F(v2), F32(0x7f800000u));  // inf
    vf v52 = FMA(F32(0xbe03e246u), v43, F32(0x3e0f3665u));  // -0.128792852, 0.139855936
    vf v54 = FMA(v52, v43, F32(0xbdf9995cu));  // -0.121874541
    vf v56 = FMA(v54, v43, F32(0x3e0f6ab1u));  // 0.140055433
    vf v58 = FMA(v56, v43, F32(0xbe2ace33u));  // -0.166802213
    vf v60 = FMA(v58, v43, F32(0x3e4ce828u));  // 0.200104356
    vf v62 = FMA(v60, v43, F32(0xbe7fff7du));  // -0.249998048
    vf v64 = FMA(v62, v43, F32(0x3eaaaa83u));  // 0.333332151
    vf v66 = FMA(v64, v43, F32(0xbf000000u));  // -0.5
    vf v67 = MUL(v43, v43);
    vf v68 = MUL(v66, v67);
    vf v69 = ADD(v68, v45);
    vf v71 = FMA(v47, F32(0xb102e308u), v69);  // -1.90465421e-09
    vf v72 = ADD(v43, v71);
    vf v74 = FMA(v47, F32(0x3f317218u), v72);  // 0.693147182
    vf v75 = SEL(v49, v74, AS_F(v2));
    vi v76 = AND(AS_I(x), BITS(0x80000000u));
    vi v77 = OR(AS_I(v75), v76);
    return AS_F(v77);
}

INLINE vf fn_acosh(vf x) {
    vf v2 = SUB(x, F32(0x3f800000u));  // 1
    vf v3 = ADD(v2, v2);
    vf v4 = FMA(v2, v2, v3);
    vf v5 = SQRT(v4);
    vf v6 = ADD(v2, v5);
    vi v7 = LT(x, F32(0x3f800000u));  // 1
    vi v10 = LT(F32(0x4e800000u), x);  // 1.07374182e+09
    vf v11 = SEL(v10, x, v6);
    vf v12 = ADD(F32(0x3f800000u), v11);  // 1
    vf v13 = SUB(v12, F32(0x3f800000u));  // 1
    vf v14 = SUB(v11, v13);
    vi v16 = LT(v12, F32(0x00800000u));  // 1.17549435e-38
    vf v18 = MUL(v12, F32(0x4b000000u));  // 8388608
    vf v19 = SEL(v16, v18, v12);
    vi v22 = SELI(v16, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v24 = ISUB(AS_I(v19), BITS(0x3f2aaaabu));
    vi v25 = SAR(v24, 23);
    vi v26 = SHL(v25, 23);
    vi v27 = ISUB(AS_I(v19), v26);
    vi v29 = IADD(v25, BITS(0x4b400000u));
    vf v30 = SUB(AS_F(v29), F32(0x4b400000u));  // 12582912
    vf v31 = ADD(v30, AS_F(v22));
    vi v33 = XOR(AS_I(v31), BITS(0x80000000u));
    vf v35 = ADD(AS_F(v33), F32(0x4b40007fu));  // 12583039
    vi v36 = SHL(AS_I(v35), 23);
    vf v37 = MUL(v14, AS_F(v36));
    vi v39 = LT(v12, F32(0x4c000000u));  // 33554432
    vf v40 = SEL(v39, v37, F32(0x00000000u));  // 0
    vf v41 = SUB(AS_F(v27), F32(0x3f800000u));  // 1
    vf v42 = ADD(v41, v40);
    vf v43 = SUB(v41, v42);
    vf v44 = ADD(v43, v40);
    vi v45 = SELI(v10, BITS(0x3f800000u), BITS(0x00000000u));  // 1, 0
    vf v46 = ADD(v31, AS_F(v45));
    vi v48 = LT(x, F32(0x7f800000u));  // inf
    vf v51 = FMA(F32(0xbe03e246u), v42, F32(0x3e0f3665u));  // -0.128792852, 0.139855936
    vf v53 = FMA(v51, v42, F32(0xbdf9995cu));  // -0.121874541
    vf v55 = FMA(v53, v42, F32(0x3e0f6ab1u));  // 0.140055433
    vf v57 = FMA(v55, v42, F32(0xbe2ace33u));  // -0.166802213
    vf v59 = FMA(v57, v42, F32(0x3e4ce828u));  // 0.200104356
    vf v61 = FMA(v59, v42, F32(0xbe7fff7du));  // -0.249998048
    vf v63 = FMA(v61, v42, F32(0x3eaaaa83u));  // 0.333332151
    vf v65 = FMA(v63, v42, F32(0xbf000000u));  // -0.5
    vf v66 = MUL(v42, v42);
    vf v67 = MUL(v65, v66);
    vf v68 = ADD(v67, v44);
    vf v70 = FMA(v46, F32(0xb102e308u), v68);  // -1.90465421e-09
    vf v71 = ADD(v42, v70);
    vf v73 = FMA(v46, F32(0x3f317218u), v71);  // 0.693147182
    vf v74 = SEL(v48, v73, x);
    vf v75 = SEL(v7, F32(0x7fc00000u), v74);  // nan
    return v75;
}

INLINE vf fn_atanh(vf x) {
    vi v2 = AND(AS_I(x), BITS(0x7fffffffu));
    vf v4 = ADD(AS_F(v2), AS_F(v2));
    vf v5 = SUB(F32(0x3f800000u), AS_F(v2));  // 1
    vf v6 = DIV(AS_F(v2), v5);
    vf v7 = FMA(v4, v6, v4);
    vf v9 = ADD(F32(0x3f800000u), v7);  // 1
    vf v10 = SUB(v9, F32(0x3f800000u));  // 1
    vf v11 = SUB(v7, v10);
    vi v13 = LT(v9, F32(0x00800000u));  // 1.17549435e-38
    vf v15 = MUL(v9, F32(0x4b000000u));  // 8388608
    vf v16 = SEL(v13, v15, v9);
    vi v19 = SELI(v13, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v21 = ISUB(AS_I(v16), BITS(0x3f2aaaabu));
    vi v22 = SAR(v21, 23);
    vi v23 = SHL(v22, 23);
    vi v24 = ISUB(AS_I(v16), v23);
    vi v26 = IADD(v22, BITS(0x4b400000u));
    vf v27 = SUB(AS_F(v26), F32(0x4b400000u));  // 12582912
    vf v28 = ADD(v27, AS_F(v19));
    vi v30 = XOR(AS_I(v28), BITS(0x80000000u));
    vf v32 = ADD(AS_F(v30), F32(0x4b40007fu));  // 12583039
    vi v33 = SHL(AS_I(v32), 23);
    vf v34 = MUL(v11, AS_F(v33));
    vi v36 = LT(v9, F32(0x4c000000u));  // 33554432
    vf v37 = SEL(v36, v34, F32(0x00000000u));  // 0
    vf v38 = SUB(AS_F(v24), F32(0x3f800000u));  // 1
    vf v39 = ADD(v38, v37);
    vf v40 = SUB(v38, v39);
    vf v41 = ADD(v40, v37);
    vf v44 = FMA(F32(0xbe03e246u), v39, F32(0x3e0f3665u));  // -0.128792852, 0.139855936
    vf v46 = FMA(v44, v39, F32(0xbdf9995cu));  // -0.121874541
    vf v48 = FMA(v46, v39, F32(0x3e0f6ab1u));  // 0.140055433
    vf v50 = FMA(v48, v39, F32(0xbe2ace33u));  // -0.166802213
    vf v52 = FMA(v50, v39, F32(0x3e4ce828u));  // 0.200104356
    vf v54 = FMA(v52, v39, F32(0xbe7fff7du));  // -0.249998048
    vf v56 = FMA(v54, v39, F32(0x3eaaaa83u));  // 0.333332151
    vf v58 = FMA(v56, v39, F32(0xbf000000u));  // -0.5
    vf v59 = MUL(v39, v39);
    vf v60 = MUL(v58, v59);
    vf v61 = ADD(v60, v41);
    vf v63 = FMA(v28, F32(0xb102e308u), v61);  // -1.90465421e-09
    vf v64 = ADD(v39, v63);
    vf v66 = FMA(v28, F32(0x3f317218u), v64);  // 0.693147182
    vf v67 = MUL(F32(0x3f000000u), v66);  // 0.5
    vi v68 = EQ(AS_F(v2), F32(0x3f800000u));  // 1
    vi v71 = SELI(v68, BITS(0x7f800000u), BITS(0x7fc00000u));  // inf, nan
    vi v72 = LT(AS_F(v2), F32(0x3f800000u));  // 1
    vf v73 = SEL(v72, v67, AS_F(v71));
    vi v74 = AND(AS_I(x), BITS(0x80000000u));
    vi v75 = OR(AS_I(v73), v74);
    return AS_F(v75);
}

INLINE vf fn_pow(vf x, vf y) {
    vi v3 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v5 = LT(AS_F(v3), F32(0x00800000u));  // 1.17549435e-38
    vf v7 = MUL(AS_F(v3), F32(0x4b000000u));  // 8388608
    vf v8 = SEL(v5, v7, AS_F(v3));
    vi v11 = SELI(v5, BITS(0xc1b80000u), BITS(0x00000000u));  // -23, 0
    vi v13 = ISUB(AS_I(v8), BITS(0x3f2aaaabu));
    vi v14 = SAR(v13, 23);
    vi v15 = SHL(v14, 23);
    vi v16 = ISUB(AS_I(v8), v15);
    vi v18 = IADD(v14, BITS(0x4b400000u));
    vf v19 = SUB(AS_F(v18), F32(0x4b400000u));  // 12582912
    vf v20 = ADD(v19, AS_F(v11));
    vf v22 = SUB(AS_F(v16), F32(0x3f800000u));  // 1
    vf v23 = ADD(AS_F(v16), F32(0x3f800000u));  // 1
    vf v24 = SUB(v23, F32(0x3f800000u));  // 1
    vf v25 = SUB(AS_F(v16), v24);
    vf v26 = DIV(v22, v23);
    vi v28 = XOR(AS_I(v26), BITS(0x80000000u));
    vf v29 = FMA(AS_F(v28), v23, v22);
    vf v30 = FMA(AS_F(v28), v25, v29);
    vf v31 = DIV(v30, v23);
    vf v32 = MUL(v26, v26);
    vi v33 = XOR(AS_I(v32), BITS(0x80000000u));
    vf v34 = FMA(v26, v26, AS_F(v33));
    vf v35 = ADD(v26, v26);
    vf v36 = FMA(v35, v31, v34);
    vf v39 = FMA(F32(0x3eb053b4u), v32, F32(0x3ed2b538u));  // 0.344388604, 0.411538839
    vf v41 = FMA(v39, v32, F32(0x3f13bbc1u));  // 0.577083647
    vf v42 = MUL(v32, v41);
    vf v44 = ADD(F32(0x3f76384fu), v42);  // 0.961796701
    vf v45 = SUB(F32(0x3f76384fu), v44);  // 0.961796701
    vf v46 = ADD(v45, v42);
    vf v48 = ADD(v46, F32(0xb1f17f01u));  // -7.02846181e-09
    vf v49 = MUL(v32, v44);
    vi v50 = XOR(AS_I(v49), BITS(0x80000000u));
    vf v51 = FMA(v32, v44, AS_F(v50));
    vf v52 = FMA(v36, v44, v51);
    vf v53 = FMA(v32, v48, v52);
    vf v55 = ADD(F32(0x4038aa3bu), v49);  // 2.88539004
    vf v56 = SUB(F32(0x4038aa3bu), v55);  // 2.88539004
    vf v57 = ADD(v56, v49);
    vf v59 = ADD(v53, F32(0x33257060u));  // 3.85192607e-08
    vf v60 = ADD(v57, v59);
    vf v61 = MUL(v26, v55);
    vi v62 = XOR(AS_I(v61), BITS(0x80000000u));
    vf v63 = FMA(v26, v55, AS_F(v62));
    vf v64 = FMA(v31, v55, v63);
    vf v65 = FMA(v26, v60, v64);
    vf v66 = ADD(v20, v61);
    vf v67 = SUB(v20, v66);
    vf v68 = ADD(v67, v61);
    vf v69 = ADD(v68, v65);
    vf v70 = ADD(v66, v69);
    vf v71 = SUB(v66, v70);
    vf v72 = ADD(v71, v69);
    vf v73 = MUL(y, v70);
    vi v74 = XOR(AS_I(v73), BITS(0x80000000u));
    vf v75 = FMA(y, v70, AS_F(v74));
    vf v76 = FMA(y, v72, v75);
    vi v78 = AND(AS_I(v73), BITS(0x7fffffffu));
    vi v79 = LE(AS_F(v78), F32(0x43480000u));  // 200
    vi v80 = AND(AS_I(v73), BITS(0x80000000u));
    vi v81 = OR(BITS(0x43480000u), v80);
    vf v82 = SEL(v79, v73, AS_F(v81));
    vf v83 = SEL(v79, v76, F32(0x00000000u));  // 0
    vf v84 = ADD(v82, F32(0x4b400000u));  // 12582912
    vf v85 = SUB(v84, F32(0x4b400000u));  // 12582912
    vi v86 = ISUB(AS_I(v84), BITS(0x4b400000u));
    vf v87 = SUB(v82, v85);
    vf v88 = ADD(v87, v83);
    vf v91 = FMA(F32(0x392223dcu), v88, F32(0x3aaf84b0u));  // 0.000154628826, 0.00133909844
    vf v93 = FMA(v91, v88, F32(0x3c1d9514u));  // 0.00961806253
    vf v95 = FMA(v93, v88, F32(0x3d6357bdu));  // 0.0555035956
    vf v97 = FMA(v95, v88, F32(0x3e75fdf0u));  // 0.240226507
    vf v99 = FMA(v97, v88, F32(0x3f317218u));  // 0.693147182
    vf v100 = MUL(v88, v99);
    vi v101 = SAR(v86, 1);
    vi v103 = IADD(v101, BITS(0x0000007fu));
    vi v104 = SHL(v103, 23);
    vi v105 = ISUB(v86, v101);
    vi v106 = IADD(v105, BITS(0x0000007fu));
    vi v107 = SHL(v106, 23);
    vf v108 = FMA(v100, AS_F(v104), AS_F(v104));
    vf v109 = MUL(v108, AS_F(v107));
    vi v111 = LT(AS_F(v3), F32(0x3f800000u));  // 1
    vi v112 = LT(F32(0x00000000u), y);  // 0
    vi v113 = XOR(v111, v112);
    vi v114 = SELI(v113, BITS(0x7f800000u), BITS(0x00000000u));  // inf, 0
    vi v115 = EQ(AS_F(v3), F32(0x00000000u));  // 0
    vi v116 = EQ(AS_F(v3), F32(0x7f800000u));  // inf
    vi v117 = OR(v115, v116);
    vi v118 = AND(AS_I(y), BITS(0x7fffffffu));
    vi v119 = EQ(AS_F(v118), F32(0x7f800000u));  // inf
    vi v120 = OR(v117, v119);
    vf v121 = SEL(v120, AS_F(v114), v109);
    vi v122 = EQ(AS_F(v3), F32(0x3f800000u));  // 1
    vf v123 = SEL(v122, F32(0x3f800000u), v121);  // 1
    vi v124 = LT(x, F32(0x00000000u));  // 0
    vi v125 = LT(AS_F(v3), F32(0x7f800000u));  // inf
    vi v126 = AND(v124, v125);
    vi v127 = AND(v118, BITS(0x7fffffffu));
    vf v128 = ADD(AS_F(v127), F32(0x4b000000u));  // 8388608
    vf v129 = SUB(v128, F32(0x4b000000u));  // 8388608
    vi v130 = AND(v118, BITS(0x80000000u));
    vi v131 = OR(AS_I(v129), v130);
    vi v132 = LT(AS_F(v127), F32(0x4b000000u));  // 8388608
    vi v133 = SELI(v132, v131, v118);
    vi v134 = LT(AS_F(v118), AS_F(v133));
    vf v135 = SUB(AS_F(v133), F32(0x3f800000u));  // 1
    vf v136 = SEL(v134, v135, AS_F(v133));
    vi v137 = AND(AS_I(y), BITS(0x80000000u));
    vi v138 = OR(AS_I(v136), v137);
    vi v139 = EQ(AS_F(v138), y);
    vi v140 = EQ(F32(0x00000000u), F32(0x00000000u));  // 0, 0
    vi v141 = XOR(v139, v140);
    vi v142 = AND(v126, v141);
    vf v144 = SEL(v142, F32(0x7fc00000u), v123);  // nan
    vi v145 = AND(AS_I(x), BITS(0x80000000u));
    vf v147 = MUL(y, F32(0x3f000000u));  // 0.5
    vf v148 = ADD(AS_F(v118), F32(0x4b000000u));  // 8388608
    vf v149 = SUB(v148, F32(0x4b000000u));  // 8388608
    vi v150 = OR(AS_I(v149), v137);
    vi v151 = LT(AS_F(v118), F32(0x4b000000u));  // 8388608
    vf v152 = SEL(v151, AS_F(v150), y);
    vi v153 = LT(y, v152);
    vf v154 = SUB(v152, F32(0x3f800000u));  // 1
    vf v155 = SEL(v153, v154, v152);
    vi v156 = EQ(v155, y);
    vi v157 = AND(AS_I(v147), BITS(0x7fffffffu));
    vf v158 = ADD(AS_F(v157), F32(0x4b000000u));  // 8388608
    vf v159 = SUB(v158, F32(0x4b000000u));  // 8388608
    vi v160 = AND(AS_I(v147), BITS(0x80000000u));
    vi v161 = OR(AS_I(v159), v160);
    vi v162 = LT(AS_F(v157), F32(0x4b000000u));  // 8388608
    vf v163 = SEL(v162, AS_F(v161), v147);
    vi v164 = LT(v147, v163);
    vf v165 = SUB(v163, F32(0x3f800000u));  // 1
    vf v166 = SEL(v164, v165, v163);
    vi v167 = LT(v166, v147);
    vi v168 = AND(v156, v167);
    vi v169 = SELI(v168, v145, BITS(0x00000000u));  // 0
    vi v170 = OR(AS_I(v144), v169);
    vi v171 = EQ(x, x);
    vi v172 = EQ(y, y);
    vi v173 = AND(v171, v172);
    vi v174 = SELI(v173, v170, BITS(0x7fc00000u));  // nan
    vi v175 = EQ(x, F32(0x3f800000u));  // 1
    vi v176 = EQ(y, F32(0x00000000u));  // 0
    vi v177 = OR(v175, v176);
    vi v178 = SELI(v177, BITS(0x3f800000u), v174);  // 1
    return AS_F(v178);
}

INLINE vf fn_fmod(vf x, vf y) {
    vi v3 = AND(AS_I(x), BITS(0x7fffffffu));
    vi v4 = AND(AS_I(y), BITS(0x7fffffffu));
    vi v6 = LT(AS_F(v3), F32(0x00800000u));  // 1.17549435e-38
    vf v8 = MUL(AS_F(v3), F32(0x4b800000u));  // 16777216
    vf v9 = SEL(v6, v8, AS_F(v3));
    vi v12 = SELI(v6, BITS(0x00000097u), BITS(0x0000007fu));  // 2.11596068e-43, 1.77964905e-43
    vi v14 = AND(AS_I(v9), BITS(0x007fffffu));
    vi v16 = OR(v14, BITS(0x3f800000u));
    vi v17 = SHR(AS_I(v9), 23);
    vi v18 = ISUB(v17, v12);
    vi v19 = LT(AS_F(v4), F32(0x00800000u));  // 1.17549435e-38
    vf v20 = MUL(AS_F(v4), F32(0x4b800000u));  // 16777216
    vf v21 = SEL(v19, v20, AS_F(v4));
    vi v22 = SELI(v19, BITS(0x00000097u), BITS(0x0000007fu));  // 2.11596068e-43, 1.77964905e-43
    vi v23 = AND(AS_I(v21), BITS(0x007fffffu));
    vi v24 = OR(v23, BITS(0x3f800000u));
    vi v25 = SHR(AS_I(v21), 23);
    vi v26 = ISUB(v25, v22);
    vi v27 = LT(AS_F(v16), AS_F(v24));
    vf v28 = SUB(AS_F(v16), AS_F(v24));
    vf v29 = SEL(v27, AS_F(v16), v28);
    vi v30 = ISUB(v18, v26);
    vi v32 = IADD(v30, BITS(0x4b400000u));
    vf v33 = SUB(AS_F(v32), F32(0x4b400000u));  // 12582912
    vi v35 = XOR(v24, BITS(0x80000000u));
    vf v37 = MIN(v33, F32(0x41b80000u));  // 23
    vf v39 = ADD(v37, F32(0x4b40007fu));  // 12583039
    vi v40 = SHL(AS_I(v39), 23);
    vf v41 = MUL(v29, AS_F(v40));
    vf v43 = DIV(v41, AS_F(v24));
    vf v44 = ADD(v43, F32(0x4b000000u));  // 8388608
    vf v45 = SUB(v44, F32(0x4b000000u));  // 8388608
    vf v46 = FMA(v45, AS_F(v35), v41);
    vi v48 = LT(v46, F32(0x00000000u));  // 0
    vf v49 = ADD(v46, AS_F(v24));
    vf v50 = SEL(v48, v49, v46);
    vf v51 = SUB(v33, v37);
    vf v52 = MIN(v51, F32(0x41b80000u));  // 23
    vf v53 = ADD(v52, F32(0x4b40007fu));  // 12583039
    vi v54 = SHL(AS_I(v53), 23);
    vf v55 = MUL(v50, AS_F(v54));
    vf v56 = DIV(v55, AS_F(v24));
    vf v57 = ADD(v56, F32(0x4b000000u));  // 8388608
    vf v58 = SUB(v57, F32(0x4b000000u));  // 8388608
    vf v59 = FMA(v58, AS_F(v35), v55);
    vi v60 = LT(v59, F32(0x00000000u));  // 0
    vf v61 = ADD(v59, AS_F(v24));
    vf v62 = SEL(v60, v61, v59);
    vf v63 = SUB(v51, v52);
    vf v64 = MIN(v63, F32(0x41b80000u));  // 23
    vf v65 = ADD(v64, F32(0x4b40007fu));  // 12583039
    vi v66 = SHL(AS_I(v65), 23);
    vf v67 = MUL(v62, AS_F(v66));
    vf v68 = DIV(v67, AS_F(v24));
    vf v69 = ADD(v68, F32(0x4b000000u));  // 8388608
    vf v70 = SUB(v69, F32(0x4b000000u));  // 8388608
    vf v71 = FMA(v70, AS_F(v35), v67);
    vi v72 = LT(v71, F32(0x00000000u));  // 0
    vf v73 = ADD(v71, AS_F(v24));
    vf v74 = SEL(v72, v73, v71);
    vf v75 = SUB(v63, v64);
    vf v76 = MIN(v75, F32(0x41b80000u));  // 23
    vf v77 = ADD(v76, F32(0x4b40007fu));  // 12583039
    vi v78 = SHL(AS_I(v77), 23);
    vf v79 = MUL(v74, AS_F(v78));
    vf v80 = DIV(v79, AS_F(v24));
    vf v81 = ADD(v80, F32(0x4b000000u));  // 8388608
    vf v82 = SUB(v81, F32(0x4b000000u));  // 8388608
    vf v83 = FMA(v82, AS_F(v35), v79);
    vi v84 = LT(v83, F32(0x00000000u));  // 0
    vf v85 = ADD(v83, AS_F(v24));
    vf v86 = SEL(v84, v85, v83);
    vf v87 = SUB(v75, v76);
    vf v88 = MIN(v87, F32(0x41b80000u));  // 23
    vf v89 = ADD(v88, F32(0x4b40007fu));  // 12583039
    vi v90 = SHL(AS_I(v89), 23);
    vf v91 = MUL(v86, AS_F(v90));
    vf v92 = DIV(v91, AS_F(v24));
    vf v93 = ADD(v92, F32(0x4b000000u));  // 8388608
    vf v94 = SUB(v93, F32(0x4b000000u));  // 8388608
    vf v95 = FMA(v94, AS_F(v35), v91);
    vi v96 = LT(v95, F32(0x00000000u));  // 0
    vf v97 = ADD(v95, AS_F(v24));
    vf v98 = SEL(v96, v97, v95);
    vf v99 = SUB(v87, v88);
    vf v100 = MIN(v99, F32(0x41b80000u));  // 23
    vf v101 = ADD(v100, F32(0x4b40007fu));  // 12583039
    vi v102 = SHL(AS_I(v101), 23);
    vf v103 = MUL(v98, AS_F(v102));
    vf v104 = DIV(v103, AS_F(v24));
    vf v105 = ADD(v104, F32(0x4b000000u));  // 8388608
    vf v106 = SUB(v105, F32(0x4b000000u));  // 8388608
    vf v107 = FMA(v106, AS_F(v35), v103);
    vi v108 = LT(v107, F32(0x00000000u));  // 0
    vf v109 = ADD(v107, AS_F(v24));
    vf v110 = SEL(v108, v109, v107);
    vf v111 = SUB(v99, v100);
    vf v112 = MIN(v111, F32(0x41b80000u));  // 23
    vf v113 = ADD(v112, F32(0x4b40007fu));  // 12583039
    vi v114 = SHL(AS_I(v113), 23);
    vf v115 = MUL(v110, AS_F(v114));
    vf v116 = DIV(v115, AS_F(v24));
    vf v117 = ADD(v116, F32(0x4b000000u));  // 8388608
    vf v118 = SUB(v117, F32(0x4b000000u));  // 8388608
    vf v119 = FMA(v118, AS_F(v35), v115);
    vi v120 = LT(v119, F32(0x00000000u));  // 0
    vf v121 = ADD(v119, AS_F(v24));
    vf v122 = SEL(v120, v121, v119);
    vf v123 = SUB(v111, v112);
    vf v124 = MIN(v123, F32(0x41b80000u));  // 23
    vf v125 = ADD(v124, F32(0x4b40007fu));  // 12583039
    vi v126 = SHL(AS_I(v125), 23);
    vf v127 = MUL(v122, AS_F(v126));
    vf v128 = DIV(v127, AS_F(v24));
    vf v129 = ADD(v128, F32(0x4b000000u));  // 8388608
    vf v130 = SUB(v129, F32(0x4b000000u));  // 8388608
    vf v131 = FMA(v130, AS_F(v35), v127);
    vi v132 = LT(v131, F32(0x00000000u));  // 0
    vf v133 = ADD(v131, AS_F(v24));
    vf v134 = SEL(v132, v133, v131);
    vf v135 = SUB(v123, v124);
    vf v136 = MIN(v135, F32(0x41b80000u));  // 23
    vf v137 = ADD(v136, F32(0x4b40007fu));  // 12583039
    vi v138 = SHL(AS_I(v137), 23);
    vf v139 = MUL(v134, AS_F(v138));
    vf v140 = DIV(v139, AS_F(v24));
    vf v141 = ADD(v140, F32(0x4b000000u));  // 8388608
    vf v142 = SUB(v141, F32(0x4b000000u));  // 8388608
    vf v143 = FMA(v142, AS_F(v35), v139);
    vi v144 = LT(v143, F32(0x00000000u));  // 0
    vf v145 = ADD(v143, AS_F(v24));
    vf v146 = SEL(v144, v145, v143);
    vf v147 = SUB(v135, v136);
    vf v148 = MIN(v147, F32(0x41b80000u));  // 23
    vf v149 = ADD(v148, F32(0x4b40007fu));  // 12583039
    vi v150 = SHL(AS_I(v149), 23);
    vf v151 = MUL(v146, AS_F(v150));
    vf v152 = DIV(v151, AS_F(v24));
    vf v153 = ADD(v152, F32(0x4b000000u));  // 8388608
    vf v154 = SUB(v153, F32(0x4b000000u));  // 8388608
    vf v155 = FMA(v154, AS_F(v35), v151);
    vi v156 = LT(v155, F32(0x00000000u));  // 0
    vf v157 = ADD(v155, AS_F(v24));
    vf v158 = SEL(v156, v157, v155);
    vf v159 = SUB(v147, v148);
    vf v160 = MIN(v159, F32(0x41b80000u));  // 23
    vf v161 = ADD(v160, F32(0x4b40007fu));  // 12583039
    vi v162 = SHL(AS_I(v161), 23);
    vf v163 = MUL(v158, AS_F(v162));
    vf v164 = DIV(v163, AS_F(v24));
    vf v165 = ADD(v164, F32(0x4b000000u));  // 8388608
    vf v166 = SUB(v165, F32(0x4b000000u));  // 8388608
    vf v167 = FMA(v166, AS_F(v35), v163);
    vi v168 = LT(v167, F32(0x00000000u));  // 0
    vf v169 = ADD(v167, AS_F(v24));
    vf v170 = SEL(v168, v169, v167);
    vf v171 = SUB(v159, v160);
    vf v172 = MIN(v171, F32(0x41b80000u));  // 23
    vf v173 = ADD(v172, F32(0x4b40007fu));  // 12583039
    vi v174 = SHL(AS_I(v173), 23);
    vf v175 = MUL(v170, AS_F(v174));
    vf v176 = DIV(v175, AS_F(v24));
    vf v177 = ADD(v176, F32(0x4b000000u));  // 8388608
    vf v178 = SUB(v177, F32(0x4b000000u));  // 8388608
    vf v179 = FMA(v178, AS_F(v35), v175);
    vi v180 = LT(v179, F32(0x00000000u));  // 0
    vf v181 = ADD(v179, AS_F(v24));
    vf v182 = SEL(v180, v181, v179);
    vi v183 = LT(AS_F(v3), AS_F(v4));
    vi v184 = SAR(v26, 1);
    vi v185 = IADD(v184, BITS(0x0000007fu));
    vi v186 = SHL(v185, 23);
    vf v187 = MUL(v182, AS_F(v186));
    vi v188 = ISUB(v26, v184);
    vi v189 = IADD(v188, BITS(0x0000007fu));
    vi v190 = SHL(v189, 23);
    vf v191 = MUL(v187, AS_F(v190));
    vf v192 = SEL(v183, AS_F(v3), v191);
    vi v194 = LT(AS_F(v3), F32(0x7f800000u));  // inf
    vi v195 = LT(F32(0x00000000u), AS_F(v4));  // 0
    vi v196 = AND(v194, v195);
    vf v198 = SEL(v196, v192, F32(0x7fc00000u));  // nan
    vi v199 = AND(AS_I(x), BITS(0x80000000u));
    vi v200 = OR(AS_I(v198), v199);
    return AS_F(v200);
}

// --- cuda/integers.cuh
// Integer functions of every width, and of BOOL held as 0 and 1: results wrap, division is total.
//
// Arithmetic goes through 64-bit unsigned words, where wrapping is defined; compilers narrow it.
template <class T>
struct is_signed {
    static const bool value = (T)-1 < (T)0;
};

template <class T> INLINE T int_add(T a, T b) { return (T)((u64)a + (u64)b); }
template <class T> INLINE T int_sub(T a, T b) { return (T)((u64)a - (u64)b); }
template <class T> INLINE T int_mul(T a, T b) { return (T)((u64)a * (u64)b); }
template <class T> INLINE T int_neg(T a) { return (T)(0 - (u64)a); }
template <class T> INLINE T int_abs(T a) { return a < (T)0 ? int_neg(a) : a; }
template <class T> INLINE T int_sign(T a) { return (T)((a > (T)0) - (a < (T)0)); }
template <class T> INLINE T int_not(T a) { return (T)~(u64)a; }
template <class T> INLINE T int_and(T a, T b) { return (T)(a & b); }
template <class T> INLINE T int_or(T a, T b) { return (T)(a | b); }
template <class T> INLINE T int_xor(T a, T b) { return (T)(a ^ b); }
template <class T> INLINE T int_min(T a, T b) { return b < a ? b : a; }
template <class T> INLINE T int_max(T a, T b) { return a < b ? b : a; }
template <class T> INLINE u8 int_equal(T a, T b) { return a == b; }
template <class T> INLINE u8 int_less(T a, T b) { return a < b; }
template <class T> INLINE u8 int_less_equal(T a, T b) { return a <= b; }

// By a negative count, or by the width or more, everything is shifted out; the sign stays.
template <class T> INLINE T int_shift_left(T a, T count) {
    return (u64)count < 64 ? (T)((u64)a << (u64)count) : (T)0;
}
template <class T> INLINE T int_shift_right(T a, T count) {
    u64 by = (u64)count < 64 ? (u64)count : 63;
    return is_signed<T>::value ? (T)((i64)a >> by) : (u64)count < 64 ? (T)((u64)a >> by) : (T)0;
}
INLINE u8 bool_not(u8 a) { return a ^ 1; }

// Truncated toward zero; 0 where b = 0; the most negative number over -1 wraps to itself.
template <class T> INLINE T int_div(T a, T b) {
    if (b == (T)0) return (T)0;
    if (is_signed<T>::value && b == (T)-1) return int_neg(a);
    return (T)(a / b);
}
// The remainder with the sign of the dividend; 0 where b = 0.
template <class T> INLINE T int_fmod(T a, T b) {
    if (b == (T)0 || (is_signed<T>::value && b == (T)-1)) return (T)0;
    return (T)(a % b);
}
// The remainder with the sign of the divisor; 0 where b = 0.
template <class T> INLINE T int_mod(T a, T b) {
    T rest = int_fmod(a, b);
    return rest != (T)0 && (rest < (T)0) != (b < (T)0) ? (T)(rest + b) : rest;
}

// --- cuda/casts.cuh
// Conversions by the rules of numerics 1, each written out: the GPU's own differ for NaN.

struct half_bits { u16 bits; };      // F16 and BF16 are storage types: 16 bits without arithmetic
struct bfloat_bits { u16 bits; };

INLINE float widen(half_bits h) {
    u32 sign = (u32)(h.bits & 0x8000u) << 16, exponent = h.bits >> 10 & 31u;
    u32 fraction = h.bits & 1023u;
    if (exponent == 31) return AS_F(fraction ? 0x7fc00000u : sign | 0x7f800000u);
    if (exponent == 0)  // fraction * 2^-24, exact
        return AS_F(sign | AS_I(MUL(__uint2float_rn(fraction), F32(0x33800000u))));
    return AS_F(sign | (exponent + 112) << 23 | fraction << 13);
}
INLINE float widen(bfloat_bits h) { return AS_F((u32)h.bits << 16); }

// value / 2^count to nearest, ties to even; 1 <= count <= 31.
INLINE u32 shift_to_even(u32 value, u32 count) {
    u32 kept = value >> count, rest = value & ((1u << count) - 1), half = 1u << (count - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}
INLINE half_bits narrow_f16(float x) {
    u32 pattern = AS_I(x), magnitude = pattern & 0x7fffffffu, sign = pattern >> 16 & 0x8000u;
    half_bits h;
    if (magnitude > 0x7f800000u) {
        h.bits = 0x7e00;
    } else if (magnitude >= 0x477ff000u) {  // 65520 and more round to infinity
        h.bits = (u16)(sign | 0x7c00u);
    } else if (magnitude >= 0x38800000u) {  // normal: rebias, then round 13 bits away
        h.bits = (u16)(sign | shift_to_even(magnitude - (112u << 23), 13));
    } else if (magnitude < 0x33000000u) {   // below half of the smallest subnormal
        h.bits = (u16)sign;
    } else {
        u32 significand = (magnitude & 0x7fffffu) | 0x800000u;
        h.bits = (u16)(sign | shift_to_even(significand, 126 - (magnitude >> 23)));
    }
    return h;
}
INLINE bfloat_bits narrow_bf16(float x) {
    u32 pattern = AS_I(x), rounded = pattern + 0x7fffu + (pattern >> 16 & 1);
    bfloat_bits h;
    h.bits = (u16)(IS_NAN(x) ? 0x7fc0u : rounded >> 16);  // a carry makes infinity
    return h;
}

// Truncated, clamped to the range of T, NaN to 0. A float that is inside converts exactly; the
// bounds are floats: 2^bits is, and the smallest number is 0 or a power of two.
template <class T> INLINE T float_to_int(float x) {
    const int bits = 8 * sizeof(T) - is_signed<T>::value;
    const float above = F32((u32)(127 + bits) << 23);  // 2^bits
    const T largest = (T)(~0ull >> (64 - bits));
    if (IS_NAN(x)) return (T)0;
    if (x >= above) return largest;
    if (is_signed<T>::value) return x <= -above ? (T)~(u64)largest : (T)(i64)x;
    return x <= 0.0f ? (T)0 : (T)(u64)x;
}
INLINE u8 float_to_bool(float x) { return (AS_I(x) & 0x7fffffffu) != 0; }

// One rounding, to nearest even.
INLINE float int_to_float(i64 x) { return __ll2float_rn(x); }
INLINE float int_to_float(u64 x) { return __ull2float_rn(x); }
INLINE float int_to_float(i32 x) { return __int2float_rn(x); }
INLINE float int_to_float(u32 x) { return __uint2float_rn(x); }
INLINE float int_to_float(i16 x) { return __int2float_rn(x); }
INLINE float int_to_float(u16 x) { return __int2float_rn(x); }
INLINE float int_to_float(i8 x) { return __int2float_rn(x); }
INLINE float int_to_float(u8 x) { return __int2float_rn(x); }

// --- cuda/launch.cuh
// How a kernel finds its operands and its share of the work.

// The arguments of a generated kernel: where its operands and results begin.
template <int N> struct addresses {
    char *at[N];
};

// All launches are one-dimensional (the other dimensions of a grid end at 65535 blocks), and every
// loop over results goes on until all are done, however few blocks there are.
INLINE i64 first_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
INLINE i64 index_step() { return (i64)gridDim.x * blockDim.x; }

// What memory may hold of a result: no NaN but the canonical one.
INLINE float stored(float x) { return CANON(x); }
template <class T> INLINE T stored(T x) { return x; }

// --- cuda/reduce.cuh
// Reductions, as accumulators. F32 SUM is 16 interleaved lanes and a halving tree; sixteen threads
// take one lane each. What is associative (everything but F32 SUM and PROD) may share them too.
#define LANES 16
#define ALL_LANES 0xffffffffu

// Sixteen threads exchange: each gets the value of the thread whose number differs in one bit.
template <class T> INLINE T other_lane(T x, int distance) {
    if (sizeof(T) == 8) {
        u64 word = (u64)x;
        u32 low = __shfl_xor_sync(ALL_LANES, (u32)word, distance, LANES);
        u32 high = __shfl_xor_sync(ALL_LANES, (u32)(word >> 32), distance, LANES);
        return (T)((u64)high << 32 | low);
    }
    return (T)__shfl_xor_sync(ALL_LANES, (u32)x, distance, LANES);
}
INLINE float other_lane(float x, int distance) {
    return AS_F(__shfl_xor_sync(ALL_LANES, AS_I(x), distance, LANES));
}

// An accumulator takes elements in ascending order, then joins the lanes: in lane i, `join` first
// takes in lane i + 8, then i + 4, i + 2, i + 1. Addition commutes, so every lane ends alike.
#define JOIN \
    for (int distance = LANES / 2; distance > 0; distance /= 2)

template <class T> struct Sum {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = (T)0; }
    INLINE void take(T x, i64) { value = int_add(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <> struct Sum<float> {
    typedef float result;
    static const bool ordered = false;  // its order is that of the lanes
    float value;
    INLINE void start() { value = 0.0f; }
    INLINE void take(float x, i64) { value = ADD(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <class T> struct Prod {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = (T)1; }
    INLINE void take(T x, i64) { value = int_mul(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <> struct Prod<float> {
    typedef float result;
    static const bool ordered = true;  // one chain: each thread walks all of it
    float value;
    INLINE void start() { value = 1.0f; }
    INLINE void take(float x, i64) { value = MUL(value, x); }
    INLINE void join() {}
};

template <class T> INLINE T smallest_of() {
    return is_signed<T>::value ? (T)(1ull << (8 * sizeof(T) - 1)) : (T)0;
}
template <class T> INLINE T largest_of() { return (T)~(u64)smallest_of<T>(); }
template <> INLINE float smallest_of<float>() { return AS_F(0xff800000u); }
template <> INLINE float largest_of<float>() { return AS_F(0x7f800000u); }
template <class T> INLINE T greater_of(T a, T b) { return int_max(a, b); }
template <class T> INLINE T lesser_of(T a, T b) { return int_min(a, b); }
INLINE float greater_of(float a, float b) { return MAX(a, b); }
INLINE float lesser_of(float a, float b) { return MIN(a, b); }

template <class T> struct Max {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = smallest_of<T>(); }
    INLINE void take(T x, i64) { value = greater_of(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <class T> struct Min {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = largest_of<T>(); }
    INLINE void take(T x, i64) { value = lesser_of(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};

// Strictly before in the order of ARG_MAX: NaN first, then greater, among equals the lower index.
// That order is total, so any way of joining finds the same element.
INLINE bool is_nan_of(float x) { return IS_NAN(x); }
template <class T> INLINE bool is_nan_of(T) { return false; }
template <class T, bool GREATEST> struct Arg {
    typedef i64 result;
    static const bool ordered = false;
    T best;
    i64 value;  // -1: nothing yet
    INLINE void start() { best = (T)0, value = -1; }
    INLINE void take(T x, i64 index) {
        if (index < 0) return;
        bool nan = is_nan_of(x), best_nan = is_nan_of(best);
        bool equal = nan || best_nan ? nan == best_nan : x == best;
        bool better = nan || best_nan ? nan : GREATEST ? best < x : x < best;
        if (value < 0 || (equal ? index < value : better)) best = x, value = index;
    }
    INLINE void join() {
        JOIN {
            T x = other_lane(best, distance);
            take(x, other_lane(value, distance));
        }
    }
};
template <class T> struct ArgMax : Arg<T, true> {};
template <class T> struct ArgMin : Arg<T, false> {};

// A reduction over the middle axis where neighbouring results lie side by side: one thread a
// result, neighbours read neighbours. F32 SUM keeps its sixteen lanes in registers.
struct columns_arguments {
    void *out;
    const void *source;
    i64 outer, length, inner, outer_step, length_step, inner_step;  // steps in elements
};

template <class Accumulator, class T>
INLINE typename Accumulator::result reduce_column(const T *source, i64 length, i64 step) {
    Accumulator acc;
    acc.start();
    for (i64 k = 0; k < length; k++) acc.take(source[k * step], k);
    return acc.value;
}
INLINE float sum_column(const float *source, i64 length, i64 step) {
    float lane[LANES];
#pragma unroll
    for (int i = 0; i < LANES; i++) lane[i] = 0.0f;
    for (i64 k = 0; k < length; k += LANES) {
#pragma unroll
        for (int i = 0; i < LANES; i++)
            if (k + i < length) lane[i] = ADD(lane[i], source[(k + i) * step]);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) lane[i] = ADD(lane[i], lane[i + 8]);
#pragma unroll
    for (int i = 0; i < 4; i++) lane[i] = ADD(lane[i], lane[i + 4]);
    lane[0] = ADD(lane[0], lane[2]);
    lane[1] = ADD(lane[1], lane[3]);
    return ADD(lane[0], lane[1]);
}
template <class Accumulator> struct Column {
    template <class T>
    INLINE static typename Accumulator::result of(const T *source, i64 length, i64 step) {
        return reduce_column<Accumulator>(source, length, step);
    }
};
template <> struct Column<Sum<float> > {
    INLINE static float of(const float *source, i64 length, i64 step) {
        return sum_column(source, length, step);
    }
};

template <class Accumulator, class T> INLINE void columns(const columns_arguments &a) {
    for (i64 i = first_index(); i < a.outer * a.inner; i += index_step()) {
        const T *source = (const T *)a.source;
        source += i / a.inner * a.outer_step + i % a.inner * a.inner_step;
        typename Accumulator::result value =
            Column<Accumulator>::of(source, a.length, a.length_step);
        ((typename Accumulator::result *)a.out)[i] = stored(value);
    }
}

// --- cuda/data.cuh
// Kernels that choose, order and make elements: one thread a result, so that nothing is raced for.
// Words are unsigned integers of the elements' width; arithmetic views them as their own type.

// What a run reports to the host: the earliest instruction, plus one, that met a bad index.
INLINE void report_fault(u64 *fault, i64 instruction) {
    atomicMin(fault, (u64)instruction + 1);
}

// Where an index points on an axis; negative ones count from the end. False: outside.
INLINE bool place_on_axis(i64 index, i64 size, i64 *position) {
    *position = index < 0 ? index + size : index;
    return index >= -size && index < size;
}

struct gather_arguments {
    void *out;
    const void *data, *index;
    u64 *fault;
    i64 instruction, outer, size, count, inner;
};
template <class Word, class Index> INLINE void gather(const gather_arguments &a) {
    i64 total = a.outer * a.count * a.inner;
    for (i64 f = first_index(); f < total; f += index_step()) {
        i64 column = f % a.inner, pair = f / a.inner, position;
        bool inside =
            place_on_axis(((const Index *)a.index)[pair % a.count], a.size, &position);
        i64 row = pair / a.count * a.size + position;
        ((Word *)a.out)[f] = inside ? ((const Word *)a.data)[row * a.inner + column] : (Word)0;
        if (!inside) report_fault(a.fault, a.instruction);
    }
}

struct Replace {
    template <class T> INLINE static T of(T, T update) { return update; }
};
struct Add {
    template <class T> INLINE static T of(T x, T update) { return int_add(x, update); }
    INLINE static float of(float x, float update) { return ADD(x, update); }
};
struct Mul {
    template <class T> INLINE static T of(T x, T update) { return int_mul(x, update); }
    INLINE static float of(float x, float update) { return MUL(x, update); }
};
struct Greatest {
    template <class T> INLINE static T of(T x, T update) { return greater_of(x, update); }
};
struct Least {
    template <class T> INLINE static T of(T x, T update) { return lesser_of(x, update); }
};

struct scatter_arguments {
    void *out;
    const void *data, *index, *updates;
    u64 *fault;
    i64 instruction, outer, size, count, inner;
};
// One thread walks all updates of one line, in their order.
template <class Way, class T, class Index> INLINE void scatter_lines(const scatter_arguments &a) {
    for (i64 f = first_index(); f < a.outer * a.inner; f += index_step()) {
        i64 outer = f / a.inner, column = f % a.inner, position;
        T *line = (T *)a.out + outer * a.size * a.inner + column;
        const T *data = (const T *)a.data + outer * a.size * a.inner + column;
        const T *updates = (const T *)a.updates + outer * a.count * a.inner + column;
        for (i64 k = 0; k < a.size; k++) line[k * a.inner] = data[k * a.inner];
        for (i64 j = 0; j < a.count; j++) {
            if (place_on_axis(((const Index *)a.index)[j], a.size, &position)) {
                T *place = line + position * a.inner;
                *place = Way::of(*place, updates[j * a.inner]);
            } else {
                report_fault(a.fault, a.instruction);
            }
        }
        for (i64 k = 0; k < a.size; k++) line[k * a.inner] = stored(line[k * a.inner]);
    }
}
// One thread looks through all updates for those of one element, in their order: more work, but
// enough threads where lines are few.
template <class Way, class T, class Index> INLINE void scatter_elements(const scatter_arguments &a) {
    for (i64 f = first_index(); f < a.outer * a.size * a.inner; f += index_step()) {
        i64 column = f % a.inner, outer = f / (a.size * a.inner), here = f / a.inner % a.size;
        const T *updates = (const T *)a.updates + outer * a.count * a.inner + column;
        T value = ((const T *)a.data)[f];
        for (i64 j = 0; j < a.count; j++) {
            i64 position;
            bool inside = place_on_axis(((const Index *)a.index)[j], a.size, &position);
            if (!inside) report_fault(a.fault, a.instruction);
            if (inside && position == here) value = Way::of(value, updates[j * a.inner]);
        }
        ((T *)a.out)[f] = stored(value);
    }
}

struct rank_arguments {
    i64 *out;
    const void *source;
    i64 outer, length, inner;
};
// Whether x comes before y in ascending order: NaNs are alike, and greater than every number.
template <class T> INLINE bool is_less(T x, T y) { return x < y; }
INLINE bool is_less(float x, float y) { return IS_NAN(y) ? !IS_NAN(x) : x < y; }

template <bool DESCENDING, class T> INLINE void rank(const rank_arguments &a) {
    i64 total = a.outer * a.length * a.inner;
    for (i64 f = first_index(); f < total; f += index_step()) {
        i64 here = f / a.inner % a.length, before = 0;
        const T *line = (const T *)a.source + (f - here * a.inner);
        T value = line[here * a.inner];
        for (i64 k = 0; k < a.length; k++) {
            T other = line[k * a.inner];
            bool ahead = DESCENDING ? is_less(value, other) : is_less(other, value);
            bool behind = DESCENDING ? is_less(other, value) : is_less(value, other);
            before += ahead || (!behind && k < here);
        }
        a.out[f] = before;
    }
}

struct iota_arguments {
    void *out;
    i64 total, length, inner, start, step;
};
template <class T> INLINE void iota(const iota_arguments &a) {
    for (i64 f = first_index(); f < a.total; f += index_step()) {
        u64 position = (u64)(f / a.inner % a.length);
        ((T *)a.out)[f] = (T)((u64)a.start + (u64)a.step * position);
    }
}

struct random_arguments {
    u32 *out;
    const u64 *seed;  // key, stream
    i64 total;
};
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): element j is word j mod 4 of block j div 4.
INLINE void random_words(const random_arguments &a) {
    for (i64 block = first_index(); block < (a.total + 3) / 4; block += index_step()) {
        u32 key0 = (u32)a.seed[0], key1 = (u32)(a.seed[0] >> 32);
        u32 word[4] = {(u32)block, (u32)((u64)block >> 32), (u32)a.seed[1],
                       (u32)(a.seed[1] >> 32)};
#pragma unroll
        for (int round = 0; round < 10; round++) {
            u64 first = (u64)word[0] * 0xD2511F53u, second = (u64)word[2] * 0xCD9E8D57u;
            word[0] = (u32)(second >> 32) ^ word[1] ^ key0;
            word[2] = (u32)(first >> 32) ^ word[3] ^ key1;
            word[1] = (u32)second;
            word[3] = (u32)first;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (block * 4 + i < a.total) a.out[block * 4 + i] = word[i];
    }
}

// --- cuda/gemm_f32.cuh
// C = A B in f32: one chain of fused multiply-adds per element of C, k ascending from +0.
//
// A block computes a tile of C. Slices of A and B, DEPTH deep, go through shared memory, two of
// each: while one is multiplied, the next is on its way through registers. Threads hold their
// part of the tile in registers from the first k to the last, so no sum is ever split; and the
// last slice stops at k exactly, because fma(0, 0, -0) is not -0.
//
// A warp covers 16*QM rows and 32*QN columns with lanes 4 x 8; a thread has QM x QN squares of 4x4.
struct matmul_arguments {
    const void *a, *b;
    void *c;
    i64 m, n, k;
    i64 a_row, a_col, b_row, b_col, c_row;  // steps in elements; those of C's columns are 1
    i64 batches;
    i64 sizes[6], a_step[6], b_step[6], c_step[6];
};

struct __align__(16) quad {
    float x[4];
};

INLINE int at_most(i64 x, int limit) { return x < limit ? (int)x : limit; }

// Where the matrices of one tile begin, and the tile's first row and column. Tiles of one block of
// eight rows of tiles follow one another, so that what they read is still in the L2 cache.
struct tile_place {
    i64 a, b, c, row, column;
};
INLINE tile_place find_tile(const matmul_arguments &g, i64 tile, int rows, int columns) {
    const i64 band = 8;
    i64 down = (g.m + rows - 1) / rows, across = (g.n + columns - 1) / columns;
    i64 batch = tile / (down * across), inside = tile % (down * across);
    i64 first = inside / (band * across) * band;
    i64 height = down - first < band ? down - first : band;
    i64 rest = inside - first * across;
    tile_place p = {0, 0, 0, (first + rest % height) * rows, rest / height * columns};
#pragma unroll
    for (int axis = 5; axis >= 0; axis--) {
        i64 at = batch % g.sizes[axis];
        batch /= g.sizes[axis];
        p.a += at * g.a_step[axis];
        p.b += at * g.b_step[axis];
        p.c += at * g.c_step[axis];
    }
    return p;
}

// One slice of an operand on its way to shared memory: `LINES` rows of A (columns of B), `DEPTH`
// steps of k. ALONG_K: neighbours in memory differ in k, else in the line. WIDE: 16 bytes at once.
template <int LINES, int DEPTH, int THREADS, bool ALONG_K, bool WIDE> struct f32_slice {
    static const int QUADS = LINES * DEPTH / 4 / THREADS, STRIDE = LINES + 4;
    quad held[QUADS];

    INLINE static void where(int number, int *line, int *depth) {
        if (ALONG_K) *line = number / (DEPTH / 4), *depth = number % (DEPTH / 4) * 4;
        else *line = number % (LINES / 4) * 4, *depth = number / (LINES / 4);
    }
    // `corner` is the slice's first element; of what lies past `lines` and `depths`, the ends of the
    // matrix, 0 is taken, and nobody stores what is made of it.
    INLINE void fetch(const float *corner, int lines, i64 line_step, int depths, i64 k_step) {
#pragma unroll
        for (int i = 0; i < QUADS; i++) {
            int line, depth;
            where(i * THREADS + (int)threadIdx.x, &line, &depth);
            const float *first = corner + line * line_step + depth * k_step;
            bool whole = ALONG_K ? line < lines && depth + 3 < depths
                                 : line + 3 < lines && depth < depths;
            if (WIDE && whole) {
                held[i] = *(const quad *)first;
                continue;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int lj = ALONG_K ? line : line + j, dj = ALONG_K ? depth + j : depth;
                bool inside = lj < lines && dj < depths;
                held[i].x[j] = inside ? first[j * (ALONG_K ? k_step : line_step)] : 0.0f;
            }
        }
    }
    INLINE void keep(float (*shared)[STRIDE]) const {
#pragma unroll
        for (int i = 0; i < QUADS; i++) {
            int line, depth;
            where(i * THREADS + (int)threadIdx.x, &line, &depth);
            if (ALONG_K) {
#pragma unroll
                for (int j = 0; j < 4; j++) shared[depth + j][line] = held[i].x[j];
            } else {
                *(quad *)&shared[depth][line] = held[i];
            }
        }
    }
};

template <int QM, int QN, int ROWS, int COLUMNS>
INLINE void multiply_step(float (&acc)[4 * QM][4 * QN], const float (&a)[ROWS],
                          const float (&b)[COLUMNS], int row, int column) {
    quad x[QM], y[QN];
#pragma unroll
    for (int i = 0; i < QM; i++) x[i] = *(const quad *)&a[row + 16 * i];
#pragma unroll
    for (int j = 0; j < QN; j++) y[j] = *(const quad *)&b[column + 32 * j];
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
#pragma unroll
        for (int j = 0; j < 4 * QN; j++)
            acc[i][j] = FMA(x[i / 4].x[i % 4], y[j / 4].x[j % 4], acc[i][j]);
    }
}

template <int WARPS_M, int WARPS_N, int QM, int QN, int DEPTH, bool A_ALONG_K, bool A_WIDE,
          bool B_ALONG_K, bool B_WIDE>
INLINE void matmul_f32(const matmul_arguments &g) {
    const int ROWS = WARPS_M * 16 * QM, COLUMNS = WARPS_N * 32 * QN;
    const int THREADS = WARPS_M * WARPS_N * 32;
    __shared__ __align__(16) float a_shared[2][DEPTH][ROWS + 4];
    __shared__ __align__(16) float b_shared[2][DEPTH][COLUMNS + 4];
    const tile_place p = find_tile(g, blockIdx.x, ROWS, COLUMNS);
    const float *a = (const float *)g.a + p.a + p.row * g.a_row;
    const float *b = (const float *)g.b + p.b + p.column * g.b_col;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / WARPS_N * 16 * QM + lane / 8 * 4;
    const int column = warp % WARPS_N * 32 * QN + lane % 8 * 4;

    float acc[4 * QM][4 * QN];
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
#pragma unroll
        for (int j = 0; j < 4 * QN; j++) acc[i][j] = 0.0f;
    }
    const int rows = at_most(g.m - p.row, ROWS), columns = at_most(g.n - p.column, COLUMNS);
    f32_slice<ROWS, DEPTH, THREADS, A_ALONG_K, A_WIDE> next_a;
    f32_slice<COLUMNS, DEPTH, THREADS, B_ALONG_K, B_WIDE> next_b;
    i64 left = g.k;  // from the slice that is multiplied on
    next_a.fetch(a, rows, g.a_row, at_most(left, DEPTH), g.a_col);
    next_b.fetch(b, columns, g.b_col, at_most(left, DEPTH), g.b_row);
    next_a.keep(a_shared[0]);
    next_b.keep(b_shared[0]);
    __syncthreads();
    int now = 0;
    for (; left > DEPTH; left -= DEPTH, now ^= 1) {
        a += DEPTH * g.a_col;
        b += DEPTH * g.b_row;
        next_a.fetch(a, rows, g.a_row, at_most(left - DEPTH, DEPTH), g.a_col);
        next_b.fetch(b, columns, g.b_col, at_most(left - DEPTH, DEPTH), g.b_row);
#pragma unroll
        for (int d = 0; d < DEPTH; d++)
            multiply_step<QM, QN>(acc, a_shared[now][d], b_shared[now][d], row, column);
        // The other slice was read before the barrier that ended the turn before.
        next_a.keep(a_shared[now ^ 1]);
        next_b.keep(b_shared[now ^ 1]);
        __syncthreads();
    }
    for (int d = 0; d < (int)left; d++)
        multiply_step<QM, QN>(acc, a_shared[now][d], b_shared[now][d], row, column);

    float *c = (float *)g.c + p.c;
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
        i64 r = p.row + row + i / 4 * 16 + i % 4;
#pragma unroll
        for (int j = 0; j < 4 * QN; j++) {
            i64 s = p.column + column + j / 4 * 32 + j % 4;
            if (r < g.m && s < g.n) c[r * g.c_row + s] = CANON(acc[i][j]);
        }
    }
}

// --- cuda/gemm_i8.cuh
// C = A B of 8-bit integers: exact products, wrapping 32-bit sums, so any order gives the same
// bits. Integer tensor cores from compute capability 8.0 on, dp4a before (the host chooses).
//
// Shared memory holds lines of A (rows) and B (columns) with k ascending, 64 bytes and 16 bytes of
// padding each: the eight lines and four words that a warp reads at once lie in 32 banks. Past the
// end of k there are zeros, which add nothing.
#define I8_DEPTH 64
#define I8_STRIDE (I8_DEPTH + 16)

struct __align__(16) chunk {
    u32 word[4];
};

// WIDE: k is contiguous and every line begins at a multiple of 16 bytes.
template <int LINES, int THREADS, bool WIDE> struct i8_slice {
    static const int CHUNKS = LINES * (I8_DEPTH / 16) / THREADS;
    chunk held[CHUNKS];

    INLINE void fetch(const u8 *corner, int lines, i64 line_step, int depths, i64 k_step) {
#pragma unroll
        for (int i = 0; i < CHUNKS; i++) {
            int number = i * THREADS + (int)threadIdx.x;
            int line = number / (I8_DEPTH / 16), depth = number % (I8_DEPTH / 16) * 16;
            const u8 *first = corner + line * line_step + depth * k_step;
            if (WIDE && line < lines && depth + 15 < depths) {
                held[i] = *(const chunk *)first;
                continue;
            }
#pragma unroll
            for (int w = 0; w < 4; w++) {
                u32 word = 0;
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    int at = 4 * w + j;
                    bool inside = line < lines && depth + at < depths;
                    word |= (inside ? (u32)first[at * k_step] : 0u) << 8 * j;
                }
                held[i].word[w] = word;
            }
        }
    }
    INLINE void keep(u8 (*shared)[I8_STRIDE]) const {
#pragma unroll
        for (int i = 0; i < CHUNKS; i++) {
            int number = i * THREADS + (int)threadIdx.x;
            *(chunk *)&shared[number / (I8_DEPTH / 16)][number % (I8_DEPTH / 16) * 16] = held[i];
        }
    }
};

INLINE u32 word_at(const u8 *p) { return *(const u32 *)p; }

#define I8_WARPS(WARPS_M, WARPS_N, TM, TN)                                     \
    const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, four = threadIdx.x % 4; \
    const int row = warp / WARPS_N * 16 * TM + group, column = warp % WARPS_N * 8 * TN

// The slices of a tile, multiplied one after the other by `Multiply`, which holds the sums.
template <class Multiply, int ROWS, int COLUMNS, int THREADS, bool A_WIDE, bool B_WIDE>
INLINE void matmul_i8(const matmul_arguments &g) {
    __shared__ __align__(16) u8 a_shared[2][ROWS][I8_STRIDE];
    __shared__ __align__(16) u8 b_shared[2][COLUMNS][I8_STRIDE];
    const tile_place p = find_tile(g, blockIdx.x, ROWS, COLUMNS);
    const u8 *a = (const u8 *)g.a + p.a + p.row * g.a_row;
    const u8 *b = (const u8 *)g.b + p.b + p.column * g.b_col;
    const int rows = at_most(g.m - p.row, ROWS), columns = at_most(g.n - p.column, COLUMNS);
    Multiply sums;
    sums.start();
    i8_slice<ROWS, THREADS, A_WIDE> next_a;
    i8_slice<COLUMNS, THREADS, B_WIDE> next_b;
    i64 left = g.k;  // from the slice that is multiplied on
    next_a.fetch(a, rows, g.a_row, at_most(left, I8_DEPTH), g.a_col);
    next_b.fetch(b, columns, g.b_col, at_most(left, I8_DEPTH), g.b_row);
    next_a.keep(a_shared[0]);
    next_b.keep(b_shared[0]);
    __syncthreads();
    int now = 0;
    for (; left > I8_DEPTH; left -= I8_DEPTH, now ^= 1) {
        a += I8_DEPTH * g.a_col;
        b += I8_DEPTH * g.b_row;
        next_a.fetch(a, rows, g.a_row, at_most(left - I8_DEPTH, I8_DEPTH), g.a_col);
        next_b.fetch(b, columns, g.b_col, at_most(left - I8_DEPTH, I8_DEPTH), g.b_row);
        sums.step(a_shared[now], b_shared[now]);
        next_a.keep(a_shared[now ^ 1]);
        next_b.keep(b_shared[now ^ 1]);
        __syncthreads();
    }
    sums.step(a_shared[now], b_shared[now]);
    sums.store((i32 *)g.c + p.c, p.row, p.column, g);
}

// A warp multiplies TM x TN tensor tiles of 16x8.
template <class Signs, int WARPS_M, int WARPS_N, int TM, int TN> struct tensor_cores {
    i32 acc[TM][TN][4];

    INLINE void start() {
#pragma unroll
        for (int i = 0; i < TM * TN * 4; i++) acc[i / 4 / TN][i / 4 % TN][i % 4] = 0;
    }
    INLINE void step(const u8 (*a)[I8_STRIDE], const u8 (*b)[I8_STRIDE]) {
        I8_WARPS(WARPS_M, WARPS_N, TM, TN);
        __syncwarp();  // reading the next slice may have parted the lanes; mma wants them together
#pragma unroll
        for (int k = 0; k < I8_DEPTH; k += 32) {
            u32 x[TM][4], y[TN][2];
#pragma unroll
            for (int i = 0; i < TM; i++) {
#pragma unroll
                for (int r = 0; r < 4; r++)
                    x[i][r] = word_at(&a[row + 16 * i + 8 * (r % 2)][k + 16 * (r / 2) + 4 * four]);
            }
#pragma unroll
            for (int j = 0; j < TN; j++) {
#pragma unroll
                for (int r = 0; r < 2; r++)
                    y[j][r] = word_at(&b[column + 8 * j + group][k + 16 * r + 4 * four]);
            }
#pragma unroll
            for (int i = 0; i < TM; i++) {
#pragma unroll
                for (int j = 0; j < TN; j++) Signs::mma(acc[i][j], x[i], y[j]);
            }
        }
    }
    INLINE void store(i32 *c, i64 first_row, i64 first_column, const matmul_arguments &g) {
        I8_WARPS(WARPS_M, WARPS_N, TM, TN);
#pragma unroll
        for (int i = 0; i < TM; i++) {
#pragma unroll
            for (int j = 0; j < TN; j++) {
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    i64 at = first_row + row + 16 * i + 8 * (r / 2);
                    i64 s = first_column + column + 8 * j + 2 * four + r % 2;
                    if (at < g.m && s < g.n) c[at * g.c_row + s] = acc[i][j][r];
                }
            }
        }
    }
};

// 16 x 16 threads, each with every sixteenth row and column of the tile.
template <class Signs, int ROWS, int COLUMNS> struct dot_products {
    i32 acc[ROWS / 16][COLUMNS / 16];

    INLINE void start() {
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) acc[i][j] = 0;
        }
    }
    INLINE void step(const u8 (*a)[I8_STRIDE], const u8 (*b)[I8_STRIDE]) {
        const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll 4
        for (int k = 0; k < I8_DEPTH; k += 4) {
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
                for (int j = 0; j < COLUMNS / 16; j++)
                    acc[i][j] = Signs::dot4(word_at(&a[row + 16 * i][k]),
                                            word_at(&b[column + 16 * j][k]), acc[i][j]);
            }
        }
    }
    INLINE void store(i32 *c, i64 first_row, i64 first_column, const matmul_arguments &g) {
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                i64 r = first_row + threadIdx.x / 16 + 16 * i;
                i64 s = first_column + threadIdx.x % 16 + 16 * j;
                if (r < g.m && s < g.n) c[r * g.c_row + s] = acc[i][j];
            }
        }
    }
};

#if defined(AIVM_EMULATOR) || __CUDA_ARCH__ >= 800
#define MMA_OF(signs) \
    INLINE static void mma(i32 d[4], const u32 a[4], const u32 b[2]) { mma_##signs(d, a, b); }
#else
#define MMA_OF(signs)
#endif
#define SIGNS(signs)                                                                            \
    struct signs {                                                                              \
        MMA_OF(signs)                                                                           \
        INLINE static i32 dot4(u32 a, u32 b, i32 acc) { return dot4_##signs(a, b, acc); } \
    };
SIGNS(s8s8)
SIGNS(s8u8)
SIGNS(u8s8)
SIGNS(u8u8)

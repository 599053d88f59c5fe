// The vector layer: everything numerics 1 asks of a CPU, once, for every width.
//
// A kernel is written against LANES-wide vectors and the names below; it never uses an intrinsic.
// LANES is 4 (wasm, NEON), 8 (AVX2) or 16 (AVX-512). A kernel vectorises over *outputs*, so LANES
// never shows in a result.
//
//   types      vf f32 x LANES     vi i32 x LANES, also truth masks (all ones / all zeros a lane)
//   f32        ADD SUB MUL DIV SQRT FMA     correctly rounded, subnormals kept; FMA(a,b,c) = a*b+c
//   min, max   MIN MAX                      IEEE 754-2019 minimum/maximum: NaN propagates, -0 < +0
//   compare    EQ LT LE                     f32 -> mask; false where either is NaN
//   choose     SEL(mask, a, b)              a where the mask is set
//   NaN        CANON(x)                     NaN -> 0x7fc00000, else x: wanted at every result store
//   bits       AND OR XOR NOT SHL SHR SAR   on vi; SHL/SHR/SAR by a count 0..31
//   i32        IADD ISUB IMUL               wrapping;   IEQ ILT ULT -> mask
//   constants  BITS(pattern) -> vi          F32(pattern) -> vf, SPLAT(x) -> vf from a C float
//   casts      AS_I AS_F                    the same bits under the other type
//   memory     LD ST LDI STI                any alignment
//              LDN STN LDNI STNI            the first n < LANES elements; absent lanes load as zero
//
// NaN payloads are unspecified until CANON. The host's MXCSR / FPCR must be at its default
// (see float_mode.h); the build must use -ffp-contract=off.
#pragma once
#include "platform.h"

#ifndef LANES
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
#endif

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(LANES * 4)));
typedef float vfu __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t viu __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t word __attribute__((may_alias));  // one element of either type

INLINE vf AS_F(vi x) { return (vf)x; }
INLINE vi AS_I(vf x) { return (vi)x; }
INLINE vi BITS(uint32_t pattern) { return (vi)((vu){0} + pattern); }
INLINE vf F32(uint32_t pattern) { return AS_F(BITS(pattern)); }
INLINE vf SPLAT(float x) {
    vf v;
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES; i++) v[i] = x;
    return v;
}

// --- f32 -----------------------------------------------------------------------------------------

INLINE vf ADD(vf a, vf b) { return a + b; }
INLINE vf SUB(vf a, vf b) { return a - b; }
INLINE vf MUL(vf a, vf b) { return a * b; }
INLINE vf DIV(vf a, vf b) { return a / b; }
INLINE vf SQRT(vf a) { return __builtin_elementwise_sqrt(a); }
INLINE vf MIN(vf a, vf b) { return __builtin_elementwise_minimum(a, b); }
INLINE vf MAX(vf a, vf b) { return __builtin_elementwise_maximum(a, b); }
// The larger, the smaller of a and b; b where either is a NaN, and where they are equal: what a CPU
// has an instruction for.
#ifdef __wasm__
INLINE vf PICK_MAX(vf a, vf b) { return __builtin_wasm_pmax_f32x4(b, a); }
INLINE vf PICK_MIN(vf a, vf b) { return __builtin_wasm_pmin_f32x4(b, a); }
#else
INLINE vf PICK_MAX(vf a, vf b) {
    vi larger = a > b;
    return (vf)((larger & (vi)a) | (~larger & (vi)b));
}
INLINE vf PICK_MIN(vf a, vf b) {
    vi smaller = a < b;
    return (vf)((smaller & (vi)a) | (~smaller & (vi)b));
}
#endif
#ifdef __wasm__
// Fused on every engine with the deterministic relaxed profile; hosts prove it by a canary.
INLINE vf FMA(vf a, vf b, vf c) { return __builtin_wasm_relaxed_madd_f32x4(a, b, c); }
#else
INLINE vf FMA(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
#endif

// --- masks ---------------------------------------------------------------------------------------

INLINE vi EQ(vf a, vf b) { return a == b; }
INLINE vi LT(vf a, vf b) { return a < b; }
INLINE vi LE(vf a, vf b) { return a <= b; }

// LLVM may turn compare-and-select into f32x4.relaxed_min/max, whose NaN and zero rules are the
// engine's choice: a mask is therefore hidden from it before it selects.
INLINE vi OPAQUE(vi mask) {
#ifdef __wasm__
    __asm__("" : "+r"(mask));
#endif
    return mask;
}
INLINE vf SEL(vi mask, vf a, vf b) {
    mask = OPAQUE(mask);
    return AS_F((mask & AS_I(a)) | (~mask & AS_I(b)));
}
INLINE vi SELI(vi mask, vi a, vi b) {
    mask = OPAQUE(mask);
    return (mask & a) | (~mask & b);
}
// LLVM takes the payload of a NaN that an operation gives to be free, and may so remove the very
// selection that fixes it (seen after SQRT on x86): the value is therefore hidden from it first.
INLINE vf CANON(vf x) {
#if defined(__wasm__)
    __asm__("" : "+r"(x));
#elif defined(__AVX512F__)
    __asm__("" : "+v"(x));
#elif defined(__x86_64__)
    __asm__("" : "+x"(x));
#else
    __asm__("" : "+w"(x));
#endif
    return SEL(EQ(x, x), x, F32(0x7fc00000));
}

// --- 32-bit words --------------------------------------------------------------------------------

INLINE vi AND(vi a, vi b) { return a & b; }
INLINE vi OR(vi a, vi b) { return a | b; }
INLINE vi XOR(vi a, vi b) { return a ^ b; }
INLINE vi NOT(vi a) { return ~a; }
INLINE vi SHL(vi x, int count) { return (vi)((vu)x << (uint32_t)count); }
INLINE vi SHR(vi x, int count) { return (vi)((vu)x >> (uint32_t)count); }
INLINE vi SAR(vi x, int count) { return x >> count; }
INLINE vi IADD(vi a, vi b) { return (vi)((vu)a + (vu)b); }
INLINE vi ISUB(vi a, vi b) { return (vi)((vu)a - (vu)b); }
INLINE vi IMUL(vi a, vi b) { return (vi)((vu)a * (vu)b); }
INLINE vi IEQ(vi a, vi b) { return a == b; }
INLINE vi ILT(vi a, vi b) { return a < b; }
INLINE vi ULT(vi a, vi b) { return (vu)a < (vu)b; }

// --- memory --------------------------------------------------------------------------------------

INLINE vf LD(const void *p) { return *(const vfu *)p; }
INLINE void ST(void *p, vf x) { *(vfu *)p = x; }
INLINE vi LDI(const void *p) { return *(const viu *)p; }
INLINE void STI(void *p, vi x) { *(viu *)p = x; }

INLINE vi LDNI(const void *p, isize n) {
    vi x = {0};
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES - 1; i++)
        if (i < n) x[i] = ((const word *)p)[i];
    return x;
}
INLINE void STNI(void *p, vi x, isize n) {
#pragma clang loop unroll(full)
    for (int i = 0; i < LANES - 1; i++)
        if (i < n) ((word *)p)[i] = x[i];
}
INLINE vf LDN(const void *p, isize n) { return AS_F(LDNI(p, n)); }
INLINE void STN(void *p, vf x, isize n) { STNI(p, AS_I(x), n); }

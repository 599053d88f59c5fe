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

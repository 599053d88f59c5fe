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

// CAST between all types, by the conversion rules of numerics 1.
//
// Two short passes over a block that stays in cache: widen to f32 or to 64-bit integers, then
// narrow. Twelve types so need 12 + 12 loops instead of 144.
#include "map.h"
#include "vector.h"

#define BLOCK 256

typedef union {
    float f[BLOCK];
    int64_t i[BLOCK];
} block;

// A result may take the place of its operand, which has another type.
#define IN_PLACE(type, name) typedef type name __attribute__((may_alias))
IN_PLACE(float, f32);
IN_PLACE(int8_t, i8);
IN_PLACE(uint8_t, u8);
IN_PLACE(int16_t, i16);
IN_PLACE(uint16_t, u16);
IN_PLACE(int32_t, i32);
IN_PLACE(uint32_t, u32);
IN_PLACE(int64_t, i64);
IN_PLACE(uint64_t, u64);

#define EACH for (isize i = 0; i < n; i++)

static float f32_of(uint32_t pattern) {
    float x;
    __builtin_memcpy(&x, &pattern, 4);
    return x;
}

static uint32_t pattern_of(float x) {
    uint32_t pattern;
    __builtin_memcpy(&pattern, &x, 4);
    return pattern;
}

static float widen_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return f32_of(fraction ? 0x7fc00000 : sign | 0x7f800000);
    if (exponent == 0) {  // fraction * 2^-24, exact
        uint32_t magnitude = pattern_of((float)fraction * 0x1p-24f);
        return f32_of(sign | magnitude);
    }
    return f32_of(sign | (exponent + 112) << 23 | fraction << 13);
}

// value / 2^count to nearest, ties to even; 1 <= count <= 31.
static uint32_t shift_to_even(uint32_t value, uint32_t count) {
    uint32_t kept = value >> count, rest = value & ((1u << count) - 1), half = 1u << (count - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

static uint16_t narrow_f16(float x) {
    uint32_t pattern = pattern_of(x), magnitude = pattern & 0x7fffffff;
    uint16_t sign = (uint16_t)(pattern >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return 0x7e00;
    if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and more round to infinity
    if (magnitude >= 0x38800000)                        // normal: rebias, then round 13 bits away
        return sign | (uint16_t)shift_to_even(magnitude - (112u << 23), 13);
    uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return sign;                    // below half of the smallest subnormal
    return sign | (uint16_t)shift_to_even((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

static uint16_t narrow_bf16(float x) {
    uint32_t pattern = pattern_of(x);
    if ((pattern & 0x7fffffff) > 0x7f800000) return 0x7fc0;
    return (uint16_t)((pattern + 0x7fff + (pattern >> 16 & 1)) >> 16);  // a carry makes infinity
}

// f32 to 64-bit, truncated and clamped to [low, high]; both bounds are powers of two or zero, less
// one, so comparing with the float next above `high` decides every case.
static int64_t clamp_signed(float x, int64_t low, int64_t high) {
    if (x != x) return 0;
    if (x <= (float)low) return low;
    if (x >= (float)high) return high;  // (float)high rounds up to the power of two
    return (int64_t)x;
}

static uint64_t clamp_u64(float x) {
    if (!(x > 0)) return 0;
    return x >= 0x1p64f ? UINT64_MAX : (uint64_t)x;
}

#define WIDEN(type) EACH to->i[i] = (int64_t)((const type *)a)[i]; break;
// Storage types and f32 widen to f32, all others to 64 bits.
static void widen(int64_t from, block *to, const char *a, isize n) {
    switch (from) {
        case F32_: EACH to->f[i] = ((const f32 *)a)[i]; break;
        case F16_: EACH to->f[i] = widen_f16(((const u16 *)a)[i]); break;
        case BF16_: EACH to->f[i] = f32_of((uint32_t)((const u16 *)a)[i] << 16); break;
        case I8_: WIDEN(i8)
        case U16_: WIDEN(u16)
        case I16_: WIDEN(i16)
        case U32_: WIDEN(u32)
        case I32_: WIDEN(i32)
        case U64_: case I64_: WIDEN(i64)
        default: WIDEN(u8)
    }
}

#define CLAMP(type, low, high) \
    EACH ((type *)out)[i] = (type)clamp_signed(from->f[i], low, high); break;
static void narrow_float(int64_t to, char *out, const block *from, isize n) {
    switch (to) {
        case F32_: EACH ((f32 *)out)[i] = from->f[i]; canonical_f32(out, n); break;
        case F16_: EACH ((u16 *)out)[i] = narrow_f16(from->f[i]); break;
        case BF16_: EACH ((u16 *)out)[i] = narrow_bf16(from->f[i]); break;
        case BOOL_: EACH ((u8 *)out)[i] = from->f[i] != 0; break;
        case U8_: CLAMP(u8, 0, UINT8_MAX)
        case I8_: CLAMP(i8, INT8_MIN, INT8_MAX)
        case U16_: CLAMP(u16, 0, UINT16_MAX)
        case I16_: CLAMP(i16, INT16_MIN, INT16_MAX)
        case U32_: CLAMP(u32, 0, UINT32_MAX)
        case I32_: CLAMP(i32, INT32_MIN, INT32_MAX)
        case U64_: EACH ((u64 *)out)[i] = clamp_u64(from->f[i]); break;
        default: CLAMP(i64, INT64_MIN, INT64_MAX)
    }
}

#define NARROW(type) EACH ((type *)out)[i] = (type)from->i[i]; break;
static void narrow_integer(int64_t to, char *out, const block *from, isize n, int from_u64) {
    switch (to) {
        case F32_:
            if (from_u64) EACH ((f32 *)out)[i] = (float)(uint64_t)from->i[i];
            else EACH ((f32 *)out)[i] = (float)from->i[i];
            break;
        case BOOL_: EACH ((u8 *)out)[i] = from->i[i] != 0; break;
        case U8_: case I8_: NARROW(u8)
        case U16_: case I16_: NARROW(u16)
        case U32_: case I32_: NARROW(u32)
        default: NARROW(u64)
    }
}

void cast_elements(int64_t from, int64_t to, char *out, const char *a, isize n) {
    block wide;
    while (n > 0) {
        isize count = smaller(n, BLOCK);
        widen(from, &wide, a, count);
        if (from <= BF16_) narrow_float(to, out, &wide, count);
        else narrow_integer(to, out, &wide, count, from == U64_);
        n -= count;
        a += count * dtype_bytes(from);
        out += count * dtype_bytes(to);
    }
}

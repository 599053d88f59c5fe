// Elementwise kernels of the integer types and BOOL, and SELECT of every type.
//
// Arithmetic wraps, so it is done unsigned. Division is total: x / 0 = 0, x mod 0 = 0, and the most
// negative number divided by -1 is itself. Plain loops: clang vectorises what can be.
#include "map.h"

#define RUN for (isize i = 0; i < n; i++)
#define KERNEL(name, type) \
    static void name(char *out, const char *a, const char *b, const char *c, isize n)

#define UNARY(name, type, expression)                     \
    KERNEL(name, type) {                                  \
        (void)b, (void)c;                                 \
        RUN {                                             \
            type x = ((const type *)a)[i];                \
            ((type *)out)[i] = (type)(expression);        \
        }                                                 \
    }
#define BINARY(name, type, result, expression)                             \
    KERNEL(name, type) {                                                   \
        (void)c;                                                           \
        RUN {                                                              \
            type x = ((const type *)a)[i], y = ((const type *)b)[i];       \
            ((result *)out)[i] = (result)(expression);                     \
        }                                                                  \
    }

// What depends on the width only. Products of 16 bits are widened, lest they overflow an int.
#define BY_WIDTH(bits, word, wide)                                  \
    UNARY(not_##bits, word, ~x)                                     \
    UNARY(neg_##bits, word, (word)0 - x)                            \
    BINARY(add_##bits, word, word, x + y)                           \
    BINARY(sub_##bits, word, word, x - y)                           \
    BINARY(mul_##bits, word, word, (wide)x * (wide)y)               \
    BINARY(and_##bits, word, word, x & y)                           \
    BINARY(or_##bits, word, word, x | y)                            \
    BINARY(xor_##bits, word, word, x ^ y)                           \
    BINARY(shift_left_##bits, word, word, y < bits ? (wide)x << y : 0) \
    BINARY(equal_##bits, word, uint8_t, x == y)                     \
    KERNEL(select_##bits, word) {                                   \
        RUN ((word *)out)[i] = a[i] ? ((const word *)b)[i] : ((const word *)c)[i]; \
    }
BY_WIDTH(8, uint8_t, uint32_t)
BY_WIDTH(16, uint16_t, uint32_t)
BY_WIDTH(32, uint32_t, uint32_t)
BY_WIDTH(64, uint64_t, uint64_t)

#define ORDERED(type, name)                                         \
    BINARY(min_##name, type, type, x < y ? x : y)                   \
    BINARY(max_##name, type, type, x > y ? x : y)                   \
    BINARY(less_##name, type, uint8_t, x < y)                       \
    BINARY(less_equal_##name, type, uint8_t, x <= y)
// A negative count, read as unsigned, is beyond every width too.
#define SHIFTED_OUT(type, word) ((word)y >= 8 * sizeof(type))
#define UNSIGNED(type, name)                                        \
    ORDERED(type, name)                                             \
    UNARY(abs_##name, type, x)                                      \
    UNARY(sign_##name, type, x != 0)                                \
    BINARY(div_##name, type, type, y ? x / y : 0)                   \
    BINARY(mod_##name, type, type, y ? x % y : 0)                   \
    BINARY(shift_right_##name, type, type, SHIFTED_OUT(type, type) ? 0 : x >> y)
UNSIGNED(uint8_t, u8)
UNSIGNED(uint16_t, u16)
UNSIGNED(uint32_t, u32)
UNSIGNED(uint64_t, u64)

#define SIGNED(type, word, name)                                                       \
    ORDERED(type, name)                                                                \
    UNARY(abs_##name, type, x < 0 ? (type)((word)0 - (word)x) : x)                     \
    UNARY(sign_##name, type, (x > 0) - (x < 0))                                        \
    BINARY(div_##name, type, type, y == 0 ? 0 : y == -1 ? (type)((word)0 - (word)x) : x / y) \
    BINARY(fmod_##name, type, type, y == 0 || y == -1 ? 0 : x % y)                     \
    BINARY(shift_right_##name, type, type, x >> (SHIFTED_OUT(type, word) ? (type)(8 * sizeof(type) - 1) : y)) \
    static type floor_mod_##name(type x, type y) {                                     \
        if (y == 0 || y == -1) return 0;                                               \
        type r = (type)(x % y);                                                        \
        return r != 0 && (r < 0) != (y < 0) ? (type)(r + y) : r;                         \
    }                                                                                  \
    BINARY(mod_##name, type, type, floor_mod_##name(x, y))
SIGNED(int8_t, uint8_t, i8)
SIGNED(int16_t, uint16_t, i16)
SIGNED(int32_t, uint32_t, i32)
SIGNED(int64_t, uint64_t, i64)

UNARY(not_bool, uint8_t, x ^ 1)

// One kernel out of four, by the bytes of an element.
#define OF_WIDTH(name)                                          \
    switch (dtype_bytes(dtype)) {                               \
        case 1: return name##_8;                                \
        case 2: return name##_16;                               \
        case 4: return name##_32;                               \
        default: return name##_64;                              \
    }
#define OF_SIGNED(name)                                         \
    case I8_: return name##_i8;                                  \
    case I16_: return name##_i16;                                \
    case I32_: return name##_i32;                                \
    case I64_: return name##_i64;
#define OF_TYPE(name)                                           \
    switch (dtype) {                                            \
        OF_SIGNED(name)                                         \
        case U16_: return name##_u16;                            \
        case U32_: return name##_u32;                            \
        case U64_: return name##_u64;                            \
        default: return name##_u8;                              \
    }
#define OF_REMAINDER(name, unsigned_name)                       \
    switch (dtype) {                                            \
        OF_SIGNED(name)                                         \
        case U16_: return unsigned_name##_u16;                   \
        case U32_: return unsigned_name##_u32;                   \
        case U64_: return unsigned_name##_u64;                   \
        default: return unsigned_name##_u8;                     \
    }

static map_kernel *find_arithmetic(int64_t function, int64_t dtype) {
    switch (function) {
        case ADD_: OF_WIDTH(add)
        case SUB_: OF_WIDTH(sub)
        case MUL_: OF_WIDTH(mul)
        case DIV_: OF_TYPE(div)
        case MOD_: OF_TYPE(mod)
        case FMOD_: OF_REMAINDER(fmod, mod)
        case MIN_: OF_TYPE(min)
        case MAX_: OF_TYPE(max)
        case NEG_: OF_WIDTH(neg)
        case ABS_: OF_TYPE(abs)
        case SIGN_: OF_TYPE(sign)
        default: return NULL;
    }
}

// Any type is allowed for SELECT, whose kernels copy bits.
map_kernel *find_map_integer(int64_t function, int64_t dtype) {
    switch (function) {
        case NOT_:
            if (dtype == BOOL_) return not_bool;
            OF_WIDTH(not)
        case AND_: OF_WIDTH(and)
        case OR_: OF_WIDTH(or)
        case XOR_: OF_WIDTH(xor)
        case SHIFT_LEFT_: OF_WIDTH(shift_left)
        case SHIFT_RIGHT_: OF_TYPE(shift_right)
        case EQUAL_: OF_WIDTH(equal)
        case LESS_: OF_TYPE(less)
        case LESS_EQUAL_: OF_TYPE(less_equal)
        case SELECT_: OF_WIDTH(select)
        default: return find_arithmetic(function, dtype);
    }
}

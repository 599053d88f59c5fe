// Elementwise kernels of f32, from the scalar functions of numerics 1 (functions.gen.h).
#include "functions.gen.h"
#include "map.h"

#define UNARY(name, expression)                                                              \
    static void name(char *out, const char *a, const char *b, const char *c, isize n) {      \
        (void)b, (void)c;                                                                    \
        isize i = 0;                                                                         \
        for (; i + LANES <= n; i += LANES) {                                                 \
            vf x = LD(a + i * 4);                                                            \
            ST(out + i * 4, expression);                                                     \
        }                                                                                    \
        if (i < n) {                                                                         \
            vf x = LDN(a + i * 4, n - i);                                                    \
            STN(out + i * 4, expression, n - i);                                             \
        }                                                                                    \
    }
#define BINARY(name, expression)                                                             \
    static void name(char *out, const char *a, const char *b, const char *c, isize n) {      \
        (void)c;                                                                             \
        isize i = 0;                                                                         \
        for (; i + LANES <= n; i += LANES) {                                                 \
            vf x = LD(a + i * 4), y = LD(b + i * 4);                                         \
            ST(out + i * 4, expression);                                                     \
        }                                                                                    \
        if (i < n) {                                                                         \
            vf x = LDN(a + i * 4, n - i), y = LDN(b + i * 4, n - i);                         \
            STN(out + i * 4, expression, n - i);                                             \
        }                                                                                    \
    }
// To BOOL, one byte an element.
#define TRUTH(name, expression)                                                              \
    static void name(char *out, const char *a, const char *b, const char *c, isize n) {      \
        (void)b, (void)c;                                                                    \
        for (isize i = 0; i < n; i++) {                                                      \
            float x = ((const float *)a)[i], y = ((const float *)b)[i];                      \
            (void)y;                                                                         \
            ((uint8_t *)out)[i] = expression;                                                \
        }                                                                                    \
    }

UNARY(neg_f32, fn_neg(x))
UNARY(abs_f32, fn_abs(x))
UNARY(sign_f32, fn_sign(x))
UNARY(floor_f32, fn_floor(x))
UNARY(ceil_f32, fn_ceil(x))
UNARY(round_f32, fn_round(x))
UNARY(trunc_f32, fn_trunc(x))
UNARY(sqrt_f32, fn_sqrt(x))
UNARY(reciprocal_f32, fn_reciprocal(x))
UNARY(exp_f32, fn_exp(x))
UNARY(log_f32, fn_log(x))
UNARY(tanh_f32, fn_tanh(x))
UNARY(erf_f32, fn_erf(x))
UNARY(sigmoid_f32, fn_sigmoid(x))
UNARY(sin_f32, fn_sin(x))
UNARY(cos_f32, fn_cos(x))
UNARY(softplus_f32, fn_softplus(x))
UNARY(make_canonical, CANON(x))
BINARY(add_f32, ADD(x, y))
BINARY(sub_f32, SUB(x, y))
BINARY(mul_f32, MUL(x, y))
BINARY(div_f32, DIV(x, y))
BINARY(min_f32, MIN(x, y))
BINARY(max_f32, MAX(x, y))
BINARY(pow_f32, fn_pow(x, y))
TRUTH(is_nan_f32, x != x)
TRUTH(is_inf_f32, __builtin_fabsf(x) == __builtin_inff())
TRUTH(equal_f32, x == y)
TRUTH(less_f32, x < y)
TRUTH(less_equal_f32, x <= y)

static void fma_f32(char *out, const char *a, const char *b, const char *c, isize n) {
    isize i = 0;
    for (; i + LANES <= n; i += LANES)
        ST(out + i * 4, FMA(LD(a + i * 4), LD(b + i * 4), LD(c + i * 4)));
    if (i < n) {
        vf x = LDN(a + i * 4, n - i), y = LDN(b + i * 4, n - i), z = LDN(c + i * 4, n - i);
        STN(out + i * 4, FMA(x, y, z), n - i);
    }
}

void canonical_f32(char *x, isize n) { make_canonical(x, x, NULL, NULL, n); }

map_kernel *find_map_f32(int64_t function) {
    switch (function) {
        case NEG_: return neg_f32;
        case ABS_: return abs_f32;
        case SIGN_: return sign_f32;
        case FLOOR_: return floor_f32;
        case CEIL_: return ceil_f32;
        case ROUND_: return round_f32;
        case TRUNC_: return trunc_f32;
        case SQRT_: return sqrt_f32;
        case RECIPROCAL_: return reciprocal_f32;
        case IS_NAN_: return is_nan_f32;
        case IS_INF_: return is_inf_f32;
        case EXP_: return exp_f32;
        case LOG_: return log_f32;
        case TANH_: return tanh_f32;
        case ERF_: return erf_f32;
        case SIGMOID_: return sigmoid_f32;
        case SIN_: return sin_f32;
        case COS_: return cos_f32;
        case SOFTPLUS_: return softplus_f32;
        case ADD_: return add_f32;
        case SUB_: return sub_f32;
        case MUL_: return mul_f32;
        case DIV_: return div_f32;
        case POW_: return pow_f32;
        case MIN_: return min_f32;
        case MAX_: return max_f32;
        case EQUAL_: return equal_f32;
        case LESS_: return less_f32;
        case LESS_EQUAL_: return less_equal_f32;
        case FMA_: return fma_f32;
        default: return NULL;
    }
}

map_kernel *find_map(int64_t function, int64_t dtype) {
    // SELECT copies bits, whatever they mean.
    if (dtype == F32_ && function != SELECT_) return find_map_f32(function);
    return find_map_integer(function, dtype);
}

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
// Functions of many operations are written out once only: one loop takes the last elements too.
#define LONG_LOOP(name, operands, more, expression)                                          \
    static void name(char *out, const char *a, const char *b, const char *c, isize n) {      \
        (void)b, (void)c;                                                                    \
        for (; n > 0; n -= LANES, out += LANES * 4, a += LANES * 4, more) {                  \
            const int whole = n >= LANES;                                                    \
            operands;                                                                        \
            vf r = expression;                                                               \
            if (whole) ST(out, r);                                                           \
            else STN(out, r, n);                                                             \
        }                                                                                    \
    }
#define NEXT(p) whole ? LD(p) : LDN(p, n)
#define LONG_UNARY(name, expression) LONG_LOOP(name, vf x = NEXT(a), (void)0, expression)
#define LONG_BINARY(name, expression) \
    LONG_LOOP(name, vf x = NEXT(a); vf y = NEXT(b), b += LANES * 4, expression)
// The four functions that networks consist of, in every form: `one_a` and `one_b` say which operand
// is one number for all elements, STORED what becomes of a result. Four vectors a turn, at constant
// offsets from moving pointers, because the body is shorter than what a loop costs.
#define AT(p, v) LD(p + (v) * LANES * 4)
#define ARITHMETIC(name, OP, STORED, one_a, one_b)                                           \
    static void name(char *out, const char *a, const char *b, const char *c, isize n) {      \
        (void)c;                                                                             \
        const vf u = SPLAT(*(const float *)(one_a ? a : b));                                 \
        const isize turn = 4 * LANES;                                                        \
        for (; n >= turn; n -= turn, a += turn * 4, b += turn * 4, out += turn * 4) {        \
            vf w = OP(one_a ? u : AT(a, 0), one_b ? u : AT(b, 0));                           \
            vf x = OP(one_a ? u : AT(a, 1), one_b ? u : AT(b, 1));                           \
            vf y = OP(one_a ? u : AT(a, 2), one_b ? u : AT(b, 2));                           \
            vf z = OP(one_a ? u : AT(a, 3), one_b ? u : AT(b, 3));                           \
            ST(out, STORED(w));                                                              \
            ST(out + LANES * 4, STORED(x));                                                  \
            ST(out + 2 * LANES * 4, STORED(y));                                              \
            ST(out + 3 * LANES * 4, STORED(z));                                              \
        }                                                                                    \
        for (; n >= LANES; n -= LANES, a += LANES * 4, b += LANES * 4, out += LANES * 4) {   \
            vf x = OP(one_a ? u : AT(a, 0), one_b ? u : AT(b, 0));                           \
            ST(out, STORED(x));                                                              \
        }                                                                                    \
        if (n > 0) {                                                                         \
            vf x = OP(one_a ? u : LDN(a, n), one_b ? u : LDN(b, n));                         \
            STN(out, STORED(x), n);                                                          \
        }                                                                                    \
    }
#define AS_IT_IS(x) (x)
#define FORMS(name, OP)                                                                      \
    ARITHMETIC(name##_runs, OP, AS_IT_IS, 0, 0)                                              \
    ARITHMETIC(name##_one_a, OP, AS_IT_IS, 1, 0)                                             \
    ARITHMETIC(name##_one_b, OP, AS_IT_IS, 0, 1)                                             \
    ARITHMETIC(name##_runs_canonical, OP, CANON, 0, 0)                                       \
    ARITHMETIC(name##_one_a_canonical, OP, CANON, 1, 0)                                      \
    ARITHMETIC(name##_one_b_canonical, OP, CANON, 0, 1)                                      \
    static map_kernel *const name##_forms[2][3] = {                                          \
        {name##_runs, name##_one_a, name##_one_b},                                           \
        {name##_runs_canonical, name##_one_a_canonical, name##_one_b_canonical},             \
    };
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

// MIN and MAX with one number for all: that number decides once what the operations would have to
// ask of every element. It is no NaN, and a zero only where `fix` makes zeros come out right:
// adding -0 changes nothing, adding +0 makes +0 of either zero.
#define WITH_BOUND(name, PICK, BOTH, exact)                                                   \
    INLINE void name(char *out, const char *a, float bound, isize n, int canonical) {        \
        const vf u = SPLAT(bound), fix = SPLAT(exact ? 0.0f : -0.0f);                         \
        isize i = 0;                                                                         \
        for (; i + LANES <= n; i += LANES) {                                                 \
            vf x = ADD(PICK(u, LD(a + i * 4)), fix);                                          \
            ST(out + i * 4, canonical ? CANON(x) : x);                                        \
        }                                                                                    \
        if (i < n) STN(out + i * 4, CANON(BOTH(u, LDN(a + i * 4, n - i))), n - i);            \
    }
WITH_BOUND(max_bound, PICK_MAX, MAX, 0)
WITH_BOUND(max_zero, PICK_MAX, MAX, 1)
WITH_BOUND(min_bound, PICK_MIN, MIN, 0)

INLINE void bounded(char *out, const char *a, const char *one, isize n, int is_max, int canonical) {
    const float bound = *(const float *)one;
    const uint32_t bits = *(const uint32_t *)one;
    if (bound != bound || (!is_max && bits == 0x80000000u))
        for (isize i = 0; i < n; i++) {
            vf x = SPLAT(((const float *)a)[i]), u = SPLAT(bound);
            ((float *)out)[i] = CANON(is_max ? MAX(x, u) : MIN(x, u))[0];
        }
    else if (!is_max) min_bound(out, a, bound, n, canonical);
    else if (bits == 0) max_zero(out, a, bound, n, canonical);
    else max_bound(out, a, bound, n, canonical);
}
#define BOUNDED(name, is_max, canonical)                                                     \
    static void name##_one_a(char *out, const char *a, const char *b, const char *c, isize n) { \
        (void)c;                                                                             \
        bounded(out, b, a, n, is_max, canonical);                                            \
    }                                                                                        \
    static void name##_one_b(char *out, const char *a, const char *b, const char *c, isize n) { \
        (void)c;                                                                             \
        bounded(out, a, b, n, is_max, canonical);                                            \
    }
BOUNDED(max, 1, 0)
BOUNDED(max_canonical, 1, 1)
BOUNDED(min, 0, 0)
BOUNDED(min_canonical, 0, 1)

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
LONG_UNARY(log_f32, fn_log(x))
UNARY(tanh_f32, fn_tanh(x))
LONG_UNARY(erf_f32, fn_erf(x))
UNARY(sigmoid_f32, fn_sigmoid(x))
LONG_UNARY(sin_f32, fn_sin(x))
LONG_UNARY(cos_f32, fn_cos(x))
LONG_UNARY(softplus_f32, fn_softplus(x))
LONG_UNARY(atan_f32, fn_atan(x))
LONG_UNARY(asin_f32, fn_asin(x))
LONG_UNARY(acos_f32, fn_acos(x))
LONG_UNARY(log1p_f32, fn_log1p(x))
LONG_UNARY(expm1_f32, fn_expm1(x))
LONG_UNARY(tan_f32, fn_tan(x))
LONG_UNARY(sinh_f32, fn_sinh(x))
LONG_UNARY(cosh_f32, fn_cosh(x))
LONG_UNARY(asinh_f32, fn_asinh(x))
LONG_UNARY(acosh_f32, fn_acosh(x))
LONG_UNARY(atanh_f32, fn_atanh(x))
UNARY(make_canonical, CANON(x))
FORMS(add, ADD)
FORMS(sub, SUB)
FORMS(mul, MUL)
FORMS(div, DIV)
BINARY(min_f32, MIN(x, y))
BINARY(max_f32, MAX(x, y))
LONG_BINARY(pow_f32, fn_pow(x, y))
LONG_BINARY(fmod_f32, fn_fmod(x, y))
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
        case ATAN_: return atan_f32;
        case ASIN_: return asin_f32;
        case ACOS_: return acos_f32;
        case LOG1P_: return log1p_f32;
        case EXPM1_: return expm1_f32;
        case TAN_: return tan_f32;
        case SINH_: return sinh_f32;
        case COSH_: return cosh_f32;
        case ASINH_: return asinh_f32;
        case ACOSH_: return acosh_f32;
        case ATANH_: return atanh_f32;
        case ADD_: return add_runs;
        case SUB_: return sub_runs;
        case MUL_: return mul_runs;
        case DIV_: return div_runs;
        case POW_: return pow_f32;
        case FMOD_: return fmod_f32;
        case MIN_: return min_f32;
        case MAX_: return max_f32;
        case EQUAL_: return equal_f32;
        case LESS_: return less_f32;
        case LESS_EQUAL_: return less_equal_f32;
        case FMA_: return fma_f32;
        default: return NULL;
    }
}

BINARY(min_runs_canonical, CANON(MIN(x, y)))
BINARY(max_runs_canonical, CANON(MAX(x, y)))
static map_kernel *const min_forms[2][3] = {
    {min_f32, min_one_a, min_one_b},
    {min_runs_canonical, min_canonical_one_a, min_canonical_one_b},
};
static map_kernel *const max_forms[2][3] = {
    {max_f32, max_one_a, max_one_b},
    {max_runs_canonical, max_canonical_one_a, max_canonical_one_b},
};

map_kernel *find_arithmetic_f32(int64_t function, int64_t one, int64_t canonical) {
    switch (function) {
        case ADD_: return add_forms[canonical][one];
        case SUB_: return sub_forms[canonical][one];
        case MUL_: return mul_forms[canonical][one];
        case MIN_: return min_forms[canonical][one];
        case MAX_: return max_forms[canonical][one];
        default: return div_forms[canonical][one];
    }
}

map_kernel *find_map(int64_t function, int64_t dtype) {
    // SELECT copies bits, whatever they mean.
    if (dtype == F32_ && function != SELECT_) return find_map_f32(function);
    return find_map_integer(function, dtype);
}

// Largest error of every unary function of numerics 1 over binary32 words, against the C library's
// binary64 function of the same word (whose own error is some 1e-8 units of binary32).
//
//     ulp FUNCTION FIRST COUNT        the words FIRST .. FIRST + COUNT - 1
//     ulp pow FIRST COUNT             as many pseudo-random pairs, results of every size
//
// Prints: function, largest error in units in the last place, the word (of x) where it occurs, and how many
// words give a NaN, an infinity or the sign of a zero where the C library does not.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "functions.gen.h"

static double reciprocal_(double x) { return 1.0 / x; }
static double sigmoid_(double x) { return 1.0 / (1.0 + exp(-x)); }
static double softplus_(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

typedef struct {
    const char *name;
    vf (*kernel)(vf);
    double (*exact)(double);
} function;

#define OUTLINE(name) static vf do_##name(vf x) { return fn_##name(x); }
#define ALL(F)                                                                                   \
    F(sqrt, sqrt) F(reciprocal, reciprocal_) F(exp, exp) F(log, log) F(tanh, tanh) F(erf, erf)   \
    F(sigmoid, sigmoid_) F(sin, sin) F(cos, cos) F(softplus, softplus_) F(atan, atan)            \
    F(asin, asin) F(acos, acos) F(log1p, log1p) F(expm1, expm1) F(tan, tan) F(sinh, sinh)        \
    F(cosh, cosh) F(asinh, asinh) F(acosh, acosh) F(atanh, atanh)
#define KERNEL(name, exact) OUTLINE(name)
#define ENTRY(name, exact) {#name, do_##name, exact},
ALL(KERNEL)
static const function functions[] = {ALL(ENTRY)};

typedef struct {
    double worst;
    uint32_t where;
    uint64_t wrong;
} report;

// The distance of neighbouring binary32 numbers around x (overflow ignored).
static double unit(double x) {
    int exponent;
    frexp(x, &exponent);
    return ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

static void judge(report *r, uint32_t word, float got, double exact) {
    const double rounded = (float)exact;
    if (isnan(exact) || isnan(got)) {
        r->wrong += isnan(exact) != isnan(got);
    } else if (isinf(rounded) || isinf(got)) {
        r->wrong += rounded != got;
    } else if (exact == 0) {
        r->wrong += got != 0 || signbit(got) != signbit(exact);
    } else {
        const double error = fabs(got - exact) / unit(exact);
        if (error > r->worst) r->worst = error, r->where = word;
    }
}

static report sweep(const function *f, uint64_t first, uint64_t end) {
    report r = {0};
    for (uint64_t at = first; at < end; at += LANES) {
        uint32_t words[LANES];
        float x[LANES], y[LANES];
        for (int i = 0; i < LANES; i++) words[i] = (uint32_t)(at + i);
        memcpy(x, words, sizeof x);
        ST(y, f->kernel(LD(x)));
        for (int i = 0; i < LANES && at + i < end; i++) judge(&r, words[i], y[i], f->exact(x[i]));
    }
    return r;
}

// SplitMix64 (Steele, Lea and Flood 2014).
static uint64_t mixed(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static report sweep_pow(uint64_t first, uint64_t end) {
    report r = {0};
    for (uint64_t at = first; at < end; at += LANES) {
        uint32_t words[LANES];
        float x[LANES], y[LANES], z[LANES];
        for (int i = 0; i < LANES; i++) {
            const uint64_t bits = mixed(at + i);
            words[i] = (uint32_t)(bits >> 32) % 0x7f800000;
            memcpy(&x[i], &words[i], 4);
            const double size = -150 + 279 * (double)(uint32_t)bits / 4294967296.0;
            y[i] = (float)(size / log2(x[i]));
        }
        ST(z, fn_pow(LD(x), LD(y)));
        for (int i = 0; i < LANES && at + i < end; i++) judge(&r, words[i], z[i], pow(x[i], y[i]));
    }
    return r;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    const char *name = arguments[1];
    const uint64_t first = strtoull(arguments[2], NULL, 0);
    const uint64_t end = first + strtoull(arguments[3], NULL, 0);
    report r;
    if (!strcmp(name, "pow")) {
        r = sweep_pow(first, end);
    } else {
        size_t f = 0, known = sizeof functions / sizeof *functions;
        while (f < known && strcmp(functions[f].name, name)) f++;
        if (f == known) return 2;
        r = sweep(&functions[f], first, end);
    }
    printf("%s %.4f 0x%08x %llu\n", name, r.worst, r.where, (unsigned long long)r.wrong);
    return 0;
}

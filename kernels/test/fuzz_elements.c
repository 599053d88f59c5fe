// libFuzzer: elementwise functions, conversions and row reductions on any bits and lengths.
//
// What a kernel gives for many elements is what it gives for each of them alone; operands and
// results are exactly as long as they must be; a result may take the place of its operand.
#include <stdlib.h>
#include <string.h>

#include "map.h"

static const int64_t DTYPES[] = {F32_, F16_, BF16_, BOOL_, U8_, I8_, U16_, I16_,
                                 U32_, I32_, U64_, I64_};
static const int64_t FUNCTIONS[] = {
    NEG_,  ABS_, SIGN_, FLOOR_, CEIL_,    ROUND_, TRUNC_, SQRT_, RECIPROCAL_, NOT_, IS_NAN_,
    IS_INF_, EXP_, LOG_, TANH_, ERF_, SIGMOID_, SIN_, COS_, SOFTPLUS_, ADD_, SUB_, MUL_, DIV_,
    POW_, MIN_, MAX_, MOD_, FMOD_, AND_, OR_, XOR_, EQUAL_, LESS_, LESS_EQUAL_, SELECT_, FMA_,
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

typedef struct {
    const uint8_t *at;
    size_t left;
} source;

static uint8_t byte(source *s) { return s->left > 0 ? (s->left--, *s->at++) : 0; }

// n elements of the rest of the input, again and again; BOOL is 0 or 1.
static char *elements(source *s, int64_t dtype, isize n) {
    size_t bytes = (size_t)(n * dtype_bytes(dtype));
    uint8_t *out = malloc(bytes > 0 ? bytes : 1);
    for (size_t i = 0; i < bytes; i++) {
        out[i] = s->left > 0 ? s->at[i % s->left] : (uint8_t)i;
        if (dtype == BOOL_) out[i] &= 1;
    }
    return (char *)out;
}

static void check(int holds) {
    if (!holds) abort();
}

// Bits equal once NaNs are canonical.
static void same(int64_t dtype, char *a, char *b, isize n) {
    if (dtype == F32_) canonical_f32(a, n), canonical_f32(b, n);
    check(!memcmp(a, b, (size_t)(n * dtype_bytes(dtype))));
}

static int is_float_only(int64_t f) {
    return (f >= FLOOR_ && f <= RECIPROCAL_) || (f >= IS_NAN_ && f <= SOFTPLUS_) || f == POW_ ||
           f == FMA_;
}

// Whether aivm.isa.signatures lets `function` take `dtype`.
static int takes(int64_t function, int64_t dtype) {
    int bits = dtype >= BOOL_, integer = dtype > BOOL_, logic = function >= AND_ && function <= XOR_;
    if (function == SELECT_) return 1;
    if (function == NOT_ || logic) return bits;
    if (function == MOD_ || function == FMOD_) return integer;
    if (is_float_only(function)) return dtype == F32_;
    if (function == EQUAL_) return bits || dtype == F32_;
    return integer || dtype == F32_;
}

static int gives_truth(int64_t f) {
    return f == IS_NAN_ || f == IS_INF_ || (f >= EQUAL_ && f <= LESS_EQUAL_);
}

static void map(source *s) {
    int64_t function = FUNCTIONS[byte(s) % COUNT(FUNCTIONS)], dtype = DTYPES[byte(s) % 12];
    isize n = byte(s), bytes = dtype_bytes(dtype);
    if (!takes(function, dtype)) return;
    int64_t first = function == SELECT_ ? BOOL_ : dtype, result = gives_truth(function) ? BOOL_ : dtype;
    map_kernel *k = find_map(function, dtype);
    char *a = elements(s, first, n), *b = elements(s, dtype, n), *c = elements(s, dtype, n);
    char *out = elements(s, result, n), *one = elements(s, result, n);
    isize a_bytes = dtype_bytes(first), out_bytes = dtype_bytes(result);
    k(out, a, b, c, n);
    for (isize i = 0; i < n; i++)
        k(one + i * out_bytes, a + i * a_bytes, b + i * bytes, c + i * bytes, 1);
    same(result, out, one, n);
    if (first == result) {
        k(a, a, b, c, n);
        same(result, out, a, n);
    }
    free(a), free(b), free(c), free(out), free(one);
}

static int casts(int64_t from, int64_t to) {
    if (from == to) return 0;
    if (from == F16_ || from == BF16_) return to == F32_;
    return (to != F16_ && to != BF16_) || from == F32_;
}

static void cast(source *s) {
    int64_t from = DTYPES[byte(s) % 12], to = DTYPES[byte(s) % 12];
    isize n = byte(s) * 3;
    if (!casts(from, to)) return;
    char *a = elements(s, from, n), *out = elements(s, to, n), *one = elements(s, to, n);
    cast_elements(from, to, out, a, n);
    for (isize i = 0; i < n; i++)
        cast_elements(from, to, one + i * dtype_bytes(to), a + i * dtype_bytes(from), 1);
    same(to, out, one, n);
    free(a), free(out), free(one);
}

static void reduce(source *s) {
    int64_t function = SUM_ + byte(s) % 6, dtype = DTYPES[byte(s) % 12];
    isize n = 1 + byte(s);
    if (dtype == F16_ || dtype == BF16_ || dtype == BOOL_) return;
    int finds = function >= ARG_MAX_;
    int64_t result = finds ? I64_ : dtype;
    char *a = elements(s, dtype, n), *out = elements(s, result, 1);
    find_reduction(function, dtype)(out, a, n, dtype_bytes(dtype));
    if (finds) {
        int64_t index;
        memcpy(&index, out, 8);
        check(index >= 0 && index < n);
    }
    free(a), free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    source s = {data, size};
    switch (byte(&s) % 3) {
        case 0: map(&s); break;
        case 1: cast(&s); break;
        default: reduce(&s);
    }
    return 0;
}

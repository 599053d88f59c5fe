// Elementwise kernels and row reductions on dense runs of elements, chosen by ISA codes.
//
// f32 kernels may leave any NaN payload in their results: what reaches memory as the result of an
// instruction goes through `canonical_f32` first. Everything between depends on NaN-ness only.
#pragma once
#include "platform.h"

// ISA codes end in an underscore: the plain names are operations of vector.h.
// aivm.numerics.dtypes.DType:
enum dtype {
    F32_ = 1, F16_ = 2, BF16_ = 3, BOOL_ = 8, U8_ = 9, I8_ = 10, U16_ = 11, I16_ = 12,
    U32_ = 13, I32_ = 14, U64_ = 15, I64_ = 16,
};

// aivm.isa.opcodes.Function:
enum function {
    NEG_ = 0x01, ABS_, SIGN_, FLOOR_, CEIL_, ROUND_, TRUNC_, SQRT_, RECIPROCAL_, NOT_,
    IS_NAN_, IS_INF_,
    EXP_ = 0x10, LOG_, TANH_, ERF_, SIGMOID_, SIN_, COS_, SOFTPLUS_,
    ATAN_, ASIN_, ACOS_, LOG1P_, EXPM1_, TAN_, SINH_, COSH_, ASINH_, ACOSH_, ATANH_,
    ADD_ = 0x40, SUB_, MUL_, DIV_, POW_, MIN_, MAX_, MOD_, FMOD_, AND_, OR_, XOR_,
    SHIFT_LEFT_, SHIFT_RIGHT_,
    EQUAL_ = 0x50, LESS_, LESS_EQUAL_,
    SELECT_ = 0x80, FMA_,
};

// aivm.isa.opcodes.Reduction:
enum reduction { SUM_ = 1, PROD_, RMAX_, RMIN_, ARG_MAX_, ARG_MIN_ };

// out[i] = function(a[i], b[i], c[i]), i < n; `out` is one of the operands or apart from all.
typedef void map_kernel(char *out, const char *a, const char *b, const char *c, isize n);

map_kernel *find_map(int64_t function, int64_t dtype);
map_kernel *find_map_f32(int64_t function);
// ADD, SUB, MUL, DIV, MIN, MAX of f32 in another form. `one`: 1, 2: the first, second operand is one number
// for all elements. `canonical`: results are stored canonical.
map_kernel *find_arithmetic_f32(int64_t function, int64_t one, int64_t canonical);
map_kernel *find_map_integer(int64_t function, int64_t dtype);

// *out = the reduction of a[0..n), elements `step` bytes apart (SUM, PROD, MAX, MIN: dense).
typedef void row_kernel(char *out, const char *a, isize n, isize step);

row_kernel *find_reduction(int64_t function, int64_t dtype);

void cast_elements(int64_t from, int64_t to, char *out, const char *a, isize n);
void canonical_f32(char *x, isize n);

INLINE isize dtype_bytes(int64_t dtype) {
    if (dtype == F32_) return 4;
    if (dtype <= BF16_) return 2;
    if (dtype <= I8_) return 1;
    if (dtype <= I16_) return 2;
    return dtype <= I32_ ? 4 : 8;
}

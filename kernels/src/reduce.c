// Reductions: over the elements of a row, and over the middle axis of (outer, length, inner).
//
// f32 SUM is the 16 interleaved lanes of numerics 1 and its halving tree, the same for every vector
// width. f32 MAX and MIN are associative (one NaN, -0 < +0), so any order gives the same bits;
// every other reduction is one ascending chain.
#include "map.h"
#include "tape.h"
#include "vector.h"

#define SUM_LANES 16
#define PARTS (SUM_LANES / LANES)

INLINE void store_f32(char *out, float x) { *(float *)out = x; }

// Lane j of the result is lane (j + by) mod LANES of x.
#if LANES == 16
#define ROTATE(x, by)                                                                            \
    __builtin_shufflevector(x, x, (0 + by) % 16, (1 + by) % 16, (2 + by) % 16, (3 + by) % 16,    \
                            (4 + by) % 16, (5 + by) % 16, (6 + by) % 16, (7 + by) % 16,          \
                            (8 + by) % 16, (9 + by) % 16, (10 + by) % 16, (11 + by) % 16,        \
                            (12 + by) % 16, (13 + by) % 16, (14 + by) % 16, (15 + by) % 16)
#elif LANES == 8
#define ROTATE(x, by)                                                                            \
    __builtin_shufflevector(x, x, (0 + by) % 8, (1 + by) % 8, (2 + by) % 8, (3 + by) % 8,        \
                            (4 + by) % 8, (5 + by) % 8, (6 + by) % 8, (7 + by) % 8)
#else
#define ROTATE(x, by) \
    __builtin_shufflevector(x, x, (0 + by) % 4, (1 + by) % 4, (2 + by) % 4, (3 + by) % 4)
#endif

// Lane 0 of OP over all lanes of x: each lane with the one half a vector away, then a quarter...
#define FOLD_4(OP, x) (x = OP(x, ROTATE(x, 2)), x = OP(x, ROTATE(x, 1)), x[0])
#if LANES == 16
#define FOLD(OP, x) (x = OP(x, ROTATE(x, 8)), x = OP(x, ROTATE(x, 4)), FOLD_4(OP, x))
#elif LANES == 8
#define FOLD(OP, x) (x = OP(x, ROTATE(x, 4)), FOLD_4(OP, x))
#else
#define FOLD(OP, x) FOLD_4(OP, x)
#endif

static void sum_f32(char *out, const char *a, isize n, isize step) {
    (void)step;
    vf part[PARTS];
    isize i = 0;
#pragma clang loop unroll(full)
    for (int p = 0; p < PARTS; p++) part[p] = SPLAT(0.0f);
    for (; i + SUM_LANES <= n; i += SUM_LANES)
#pragma clang loop unroll(full)
        for (int p = 0; p < PARTS; p++) part[p] = ADD(part[p], LD(a + (i + p * LANES) * 4));
    if (i < n) {
        float lane[SUM_LANES];
#pragma clang loop unroll(full)
        for (int p = 0; p < PARTS; p++) ST(lane + p * LANES, part[p]);
        for (isize j = 0; i + j < n; j++) lane[j] += ((const float *)a)[i + j];
#pragma clang loop unroll(full)
        for (int p = 0; p < PARTS; p++) part[p] = LD(lane + p * LANES);
    }
    // The halving tree: whole vectors first, then inside one.
#pragma clang loop unroll(full)
    for (int half = PARTS / 2; half > 0; half /= 2)
#pragma clang loop unroll(full)
        for (int p = 0; p < half; p++) part[p] = ADD(part[p], part[p + half]);
    store_f32(out, FOLD(ADD, part[0]));
}

static void prod_f32(char *out, const char *a, isize n, isize step) {
    (void)step;
    float x = 1.0f;
    for (isize i = 0; i < n; i++) x *= ((const float *)a)[i];
    store_f32(out, x);
}

#define EXTREME(name, OP, neutral)                                               \
    static void name(char *out, const char *a, isize n, isize step) {            \
        (void)step;                                                              \
        vf x = F32(neutral), y = x;                                              \
        isize i = 0;                                                             \
        for (; i + 2 * LANES <= n; i += 2 * LANES) {                             \
            x = OP(x, LD(a + i * 4));                                            \
            y = OP(y, LD(a + (i + LANES) * 4));                                  \
        }                                                                        \
        for (; i < n; i++) y = OP(y, SPLAT(((const float *)a)[i]));              \
        x = OP(x, y);                                                            \
        store_f32(out, FOLD(OP, x));                                             \
    }
EXTREME(max_f32, MAX, 0xff800000)
EXTREME(min_f32, MIN, 0x7f800000)

#define CHAIN(name, type, start, expression)                                     \
    static void name(char *out, const char *a, isize n, isize step) {            \
        (void)step;                                                              \
        const type *p = (const type *)a;                                         \
        type x = start;                                                          \
        for (isize i = 0; i < n; i++) x = (type)(expression);                    \
        *(type *)out = x;                                                        \
    }
// The lowest index among equals.
#define ARG(name, type, before)                                                  \
    static void name(char *out, const char *a, isize n, isize step) {            \
        type best = *(const type *)a;                                            \
        int64_t index = 0;                                                       \
        for (isize i = 1; i < n; i++) {                                          \
            type x = *(const type *)(a + i * step);                              \
            if (before) best = x, index = i;                                     \
        }                                                                        \
        *(int64_t *)out = index;                                                 \
    }

#define BY_WIDTH(bits, word, wide)                                               \
    CHAIN(sum_##bits, word, 0, x + p[i])                                         \
    CHAIN(prod_##bits, word, 1, (wide)x * (wide)p[i])
BY_WIDTH(8, uint8_t, uint32_t)
BY_WIDTH(16, uint16_t, uint32_t)
BY_WIDTH(32, uint32_t, uint32_t)
BY_WIDTH(64, uint64_t, uint64_t)

#define BY_TYPE(name, type)                                                      \
    CHAIN(max_##name, type, p[0], p[i] > x ? p[i] : x)                           \
    CHAIN(min_##name, type, p[0], p[i] < x ? p[i] : x)                           \
    ARG(arg_max_##name, type, x > best)                                          \
    ARG(arg_min_##name, type, x < best)
BY_TYPE(u8, uint8_t)
BY_TYPE(i8, int8_t)
BY_TYPE(u16, uint16_t)
BY_TYPE(i16, int16_t)
BY_TYPE(u32, uint32_t)
BY_TYPE(i32, int32_t)
BY_TYPE(u64, uint64_t)
BY_TYPE(i64, int64_t)
// The first NaN wins over every number.
ARG(arg_max_f32, float, best == best && (x > best || x != x))
ARG(arg_min_f32, float, best == best && (x < best || x != x))

#define OF_TYPE(name)                                           \
    switch (dtype) {                                            \
        case I8_: return name##_i8;                              \
        case U16_: return name##_u16;                            \
        case I16_: return name##_i16;                            \
        case U32_: return name##_u32;                            \
        case I32_: return name##_i32;                            \
        case U64_: return name##_u64;                            \
        case I64_: return name##_i64;                            \
        case F32_: return name##_f32;                            \
        default: return name##_u8;                              \
    }
#define OF_WIDTH(name)                                          \
    if (dtype == F32_) return name##_f32;                        \
    switch (dtype_bytes(dtype)) {                               \
        case 1: return name##_8;                                \
        case 2: return name##_16;                               \
        case 4: return name##_32;                               \
        default: return name##_64;                              \
    }

row_kernel *find_reduction(int64_t function, int64_t dtype) {
    switch (function) {
        case SUM_: OF_WIDTH(sum)
        case PROD_: OF_WIDTH(prod)
        case RMAX_: OF_TYPE(max)
        case RMIN_: OF_TYPE(min)
        case ARG_MAX_: OF_TYPE(arg_max)
        default: OF_TYPE(arg_min)
    }
}

// --- over the middle axis -----------------------------------------------------------------------

#define COLUMNS 256  // inner elements done together

// The chain of one block of columns: acc = function(acc, next row).
static void chain_columns(const reduce_step *s, char *out, const char *a, isize n) {
    static const int64_t map_of[] = {0, ADD_, MUL_, MAX_, MIN_};
    int64_t dtype = s->dtype == BOOL_ ? U8_ : s->dtype;
    map_kernel *k = find_map(map_of[s->function], dtype);
    isize bytes = dtype_bytes(dtype), row = 0;
    if (s->function == PROD_ && s->length == 0) {
        union { float f; uint64_t u; } one = {.u = 1};
        if (dtype == F32_) one.f = 1.0f;
        for (isize i = 0; i < n; i++) __builtin_memcpy(out + i * bytes, &one, (size_t)bytes);
    } else if (s->function == SUM_) {
        __builtin_memset(out, 0, (size_t)(n * bytes));
    } else {
        __builtin_memcpy(out, a, (size_t)(n * bytes));
        row = 1;
    }
    for (; row < (isize)s->length; row++) k(out, out, a + row * (isize)s->length_step, NULL, n);
}

// The 16 lanes of f32 SUM, for each column of a block; `scratch` holds 16 x COLUMNS floats.
static void sum_columns_f32(const reduce_step *s, char *out, const char *a, isize n,
                            float *scratch) {
    map_kernel *add = find_map(ADD_, F32_);
    __builtin_memset(scratch, 0, SUM_LANES * COLUMNS * 4);
    for (isize row = 0; row < (isize)s->length; row++) {
        char *lane = (char *)(scratch + row % SUM_LANES * COLUMNS);
        add(lane, lane, a + row * (isize)s->length_step, NULL, n);
    }
    for (int half = SUM_LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) {
            char *lane = (char *)(scratch + j * COLUMNS);
            add(lane, lane, (const char *)(scratch + (j + half) * COLUMNS), NULL, n);
        }
    __builtin_memcpy(out, scratch, (size_t)(n * 4));
}

void run_reduce(const machine *m, const reduce_step *s) {
    isize inner = (isize)s->inner, blocks = (inner + COLUMNS - 1) / COLUMNS, first, last;
    isize bytes = dtype_bytes(s->dtype), arg = s->function >= ARG_MAX_, out_bytes = arg ? 8 : bytes;
    share(m, (isize)s->outer * blocks, &first, &last);
    for (isize unit = first; unit < last; unit++) {
        isize outer = unit / blocks, column = unit % blocks * COLUMNS;
        isize n = smaller(COLUMNS, inner - column);
        char *out = (char *)(intptr_t)s->target + (outer * inner + column) * out_bytes;
        const char *a =
            (const char *)(intptr_t)s->source + outer * (isize)s->outer_step + column * bytes;
        if (arg || inner == 1) {
            row_kernel *k = find_reduction(s->function, s->dtype);
            for (isize i = 0; i < n; i++)
                k(out + i * out_bytes, a + i * bytes, (isize)s->length, (isize)s->length_step);
        } else if (s->function == SUM_ && s->dtype == F32_) {
            sum_columns_f32(s, out, a, n, (float *)m->scratch);
        } else {
            chain_columns(s, out, a, n);
        }
        if (s->dtype == F32_ && !arg) canonical_f32(out, n);
    }
}

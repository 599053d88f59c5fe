// Moving elements: strided copies, and walks that may leave the source (padding, im2col windows).
#include "tape.h"

typedef struct {
    isize size, target, source;  // bytes from one index to the next
} axis;

// n elements from `source_step` to `target_step` bytes apart.
#define RUN(type)                                                                              \
    static void run_##type(char *target, isize target_step, const char *source,                \
                           isize source_step, isize n) {                                       \
        if (target_step == sizeof(type) && source_step == 0) {                                 \
            type x = *(const type *)source;                                                    \
            for (isize i = 0; i < n; i++) ((type *)target)[i] = x;                             \
            return;                                                                            \
        }                                                                                      \
        for (isize i = 0; i < n; i++)                                                          \
            *(type *)(target + i * target_step) = *(const type *)(source + i * source_step);   \
    }
RUN(uint8_t)
RUN(uint16_t)
RUN(uint32_t)
RUN(uint64_t)

static void copy_run(isize bytes, char *target, isize target_step, const char *source,
                     isize source_step, isize n) {
    if (target_step == bytes && source_step == bytes) {
        __builtin_memcpy(target, source, (size_t)(n * bytes));
        return;
    }
    switch (bytes) {
        case 1: run_uint8_t(target, target_step, source, source_step, n); break;
        case 2: run_uint16_t(target, target_step, source, source_step, n); break;
        case 4: run_uint32_t(target, target_step, source, source_step, n); break;
        default: run_uint64_t(target, target_step, source, source_step, n);
    }
}

#define TILE 16  // a transposed block is read and written within this many cache lines

// Two axes, of which the source runs along the outer one: in tiles, which both sides find in cache.
static void copy_plane(isize bytes, char *target, const char *source, axis outer, axis inner) {
    for (isize i = 0; i < outer.size; i += TILE)
        for (isize j = 0; j < inner.size; j += TILE)
            for (isize row = i; row < smaller(i + TILE, outer.size); row++)
                copy_run(bytes, target + row * outer.target + j * inner.target, inner.target,
                         source + row * outer.source + j * inner.source, inner.source,
                         smaller(TILE, inner.size - j));
}

// The host merges axes, so the last one is the longest run there is; every axis but the last two is
// walked by counting. Workers share the planes.
void run_copy(const machine *m, const copy_step *s) {
    isize rank = (isize)s->rank, bytes = (isize)s->element, planes = 1, first, last;
    axis outer = {1, 0, 0}, inner = {1, bytes, bytes};
    if (rank > 0)
        inner = (axis){(isize)s->sizes[rank - 1], (isize)s->target_steps[rank - 1],
                       (isize)s->source_steps[rank - 1]};
    if (rank > 1)
        outer = (axis){(isize)s->sizes[rank - 2], (isize)s->target_steps[rank - 2],
                       (isize)s->source_steps[rank - 2]};
    for (isize d = 0; d < rank - 2; d++) planes *= (isize)s->sizes[d];
    int by_rows = planes < m->workers;
    share(m, by_rows ? outer.size : planes, &first, &last);
    isize skipped = by_rows ? first : 0;
    if (by_rows) outer.size = last - first, first = 0, last = planes;
    for (isize plane = first; plane < last; plane++) {
        char *target = (char *)(intptr_t)s->target + skipped * outer.target;
        const char *source = (const char *)(intptr_t)s->source + skipped * outer.source;
        for (isize d = rank - 3, rest = plane; d >= 0; d--) {
            isize index = rest % (isize)s->sizes[d];
            rest /= (isize)s->sizes[d];
            target += index * (isize)s->target_steps[d];
            source += index * (isize)s->source_steps[d];
        }
        if (inner.source == bytes || outer.source != bytes) {
            for (isize row = 0; row < outer.size; row++)
                copy_run(bytes, target + row * outer.target, inner.target,
                         source + row * outer.source, inner.source, inner.size);
        } else {
            copy_plane(bytes, target, source, outer, inner);
        }
    }
}

// --- walks that may leave the source ------------------------------------------------------------

INLINE isize floor_div(isize a, isize b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// Where along the innermost dimension the walk is inside its axis: [*first, *last) of n steps.
static void inside(isize at, isize step, isize bound, isize n, isize *first, isize *last) {
    if (step == 0) {
        *first = 0;
        *last = at >= 0 && at < bound ? n : 0;
        return;
    }
    if (step > 0) {
        *first = at >= 0 ? 0 : floor_div(step - 1 - at, step);
        *last = at >= bound ? 0 : floor_div(bound - 1 - at, step) + 1;
    } else {
        *first = at < bound ? 0 : floor_div(at - bound - step, -step);
        *last = at < 0 ? 0 : floor_div(at, -step) + 1;
    }
    *first = smaller(*first, n);
    *last = smaller(*last, n);
    if (*last < *first) *last = *first;
}

// One run along the innermost dimension, which starts at coordinates `at`.
static void walk_run(const move_step *s, const isize *at, char *target) {
    isize d = (isize)s->rank - 1, bytes = (isize)s->element, n = (isize)s->sizes[d];
    isize walked = (isize)s->axes[d], first = 0, last = n, step = 0;
    const char *source = (const char *)(intptr_t)s->source;
    for (isize a = 0; a < (isize)s->axis_count; a++) {
        if (a == walked) {
            inside(at[a], (isize)s->steps[d], (isize)s->bounds[a], n, &first, &last);
            step = (isize)s->steps[d] * (isize)s->strides[a];
        } else if (at[a] < 0 || at[a] >= (isize)s->bounds[a]) {
            first = last = 0;
            break;
        }
        source += at[a] * (isize)s->strides[a];
    }
    const char *fill = (const char *)&s->fill;
    copy_run(bytes, target, bytes, fill, 0, first);
    if (first < last)
        copy_run(bytes, target + first * bytes, bytes, source + first * step, step, last - first);
    copy_run(bytes, target + last * bytes, bytes, fill, 0, n - last);
}

void run_move(const machine *m, const move_step *s) {
    isize rank = (isize)s->rank, n = (isize)s->sizes[rank - 1], runs = 1, first, last;
    isize index[AIVM_AXES], at[AIVM_AXES];
    for (isize d = 0; d < rank - 1; d++) runs *= (isize)s->sizes[d];
    share(m, runs, &first, &last);
    for (isize a = 0; a < (isize)s->axis_count; a++) at[a] = (isize)s->origins[a];
    for (isize d = rank - 2, rest = first; d >= 0; d--) {
        index[d] = rest % (isize)s->sizes[d];
        rest /= (isize)s->sizes[d];
        if (s->axes[d] >= 0) at[s->axes[d]] += index[d] * (isize)s->steps[d];
    }
    for (isize run = first; run < last; run++) {
        walk_run(s, at, (char *)(intptr_t)s->target + run * n * (isize)s->element);
        for (isize d = rank - 2; d >= 0; d--) {
            isize size = (isize)s->sizes[d], a = (isize)s->axes[d];
            int wraps = ++index[d] == size;
            if (a >= 0) at[a] += (wraps ? 1 - size : 1) * (isize)s->steps[d];
            if (!wraps) break;
            index[d] = 0;
        }
    }
}

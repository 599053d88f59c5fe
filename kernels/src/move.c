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

// Origins and steps reach up to 2**62, far beyond any memory: coordinates have 64 bits everywhere.
typedef int64_t place;

INLINE place floor_div(place a, place b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// Where along the innermost dimension the walk is inside its axis: [*first, *last) of n steps.
static void inside(place at, place step, place bound, isize n, isize *first, isize *last) {
    place enter = 0, leave = 0;
    if (step == 0) {
        leave = at >= 0 && at < bound ? n : 0;
    } else if (step > 0) {
        enter = at >= 0 ? 0 : floor_div(step - 1 - at, step);
        leave = at >= bound ? 0 : floor_div(bound - 1 - at, step) + 1;
    } else {
        enter = at < bound ? 0 : floor_div(at - bound - step, -step);
        leave = at < 0 ? 0 : floor_div(at, -step) + 1;
    }
    *first = (isize)(enter < n ? enter : n);
    *last = (isize)(leave < n ? leave : n);
    if (*last < *first) *last = *first;
}

// One run along the innermost dimension, which starts at coordinates `at`.
static void walk_run(const move_step *s, const place *at, char *target) {
    isize d = (isize)s->rank - 1, bytes = (isize)s->element, n = (isize)s->sizes[d];
    isize walked = (isize)s->axes[d], first = 0, last = n;
    for (isize a = 0; a < (isize)s->axis_count; a++) {
        if (a == walked) {
            inside(at[a], s->steps[d], s->bounds[a], n, &first, &last);
        } else if (at[a] < 0 || at[a] >= s->bounds[a]) {
            first = last = 0;
            break;
        }
    }
    const char *source = (const char *)(intptr_t)s->source;
    isize step = 0;
    if (first < last) {  // only now is every product known to stay inside the source
        for (isize a = 0; a < (isize)s->axis_count; a++) {
            place from = at[a] + (a == walked ? first * s->steps[d] : 0);
            source += (isize)from * (isize)s->strides[a];
        }
        // One element has no next one, however far a step would lead.
        if (walked >= 0 && last - first > 1) step = (isize)s->steps[d] * (isize)s->strides[walked];
    }
    const char *fill = (const char *)&s->fill;
    copy_run(bytes, target, bytes, fill, 0, first);
    if (first < last)
        copy_run(bytes, target + first * bytes, bytes, source, step, last - first);
    copy_run(bytes, target + last * bytes, bytes, fill, 0, n - last);
}

void run_move(const machine *m, const move_step *s) {
    isize rank = (isize)s->rank, n = (isize)s->sizes[rank - 1], runs = 1, first, last;
    isize index[AIVM_AXES];
    place at[AIVM_AXES];
    for (isize d = 0; d < rank - 1; d++) runs *= (isize)s->sizes[d];
    share(m, runs, &first, &last);
    for (isize a = 0; a < (isize)s->axis_count; a++) at[a] = s->origins[a];
    for (isize d = rank - 2, rest = first; d >= 0; d--) {
        index[d] = rest % (isize)s->sizes[d];
        rest /= (isize)s->sizes[d];
        if (s->axes[d] >= 0) at[s->axes[d]] += index[d] * s->steps[d];
    }
    for (isize run = first; run < last; run++) {
        walk_run(s, at, (char *)(intptr_t)s->target + run * n * (isize)s->element);
        for (isize d = rank - 2; d >= 0; d--) {
            isize size = (isize)s->sizes[d], a = (isize)s->axes[d];
            int wraps = ++index[d] == size;
            if (a >= 0) at[a] += (wraps ? 1 - size : 1) * s->steps[d];
            if (!wraps) break;
            index[d] = 0;
        }
    }
}

// Scatter: updates worked into rows, in the order of the index.
#include "map.h"
#include "tape.h"

INLINE int64_t load_index(const char *p, isize bytes) {
    return bytes == 8 ? *(const int64_t *)p : (int64_t) * (const int32_t *)p;
}

static map_kernel *kernel_of(const scatter_step *s) {
    static const int64_t map_of[] = {0, 0, ADD_, MUL_, MAX_, MIN_};  // by aivm.isa.opcodes.Scattering
    int64_t function = map_of[s->function];
    return function ? find_map(function, s->dtype) : NULL;
}

static void meet_row(const scatter_step *s, map_kernel *k, char *row, const char *update) {
    isize inner = (isize)s->inner;
    if (k == NULL) {
        __builtin_memcpy(row, update, (size_t)(inner * dtype_bytes(s->dtype)));
        return;
    }
    k(row, row, update, NULL, inner);
    if (s->dtype == F32_) canonical_f32(row, inner);
}

// A worker owns rows of the result: it reads the whole index and meets the updates of its rows, so
// that each row sees its updates in order. An index outside the axis is a fault, as in a gather.
void run_scatter(const machine *m, const scatter_step *s) {
    isize first, last, size = (isize)s->size, count = (isize)s->count;
    isize row_bytes = (isize)s->inner * dtype_bytes(s->dtype);
    map_kernel *k = kernel_of(s);
    share(m, (isize)s->outer * size, &first, &last);
    for (isize outer = first / size; outer * size < last; outer++)
        for (isize j = 0; j < count; j++) {
            int64_t index = load_index(
                (const char *)(intptr_t)s->index + j * (isize)s->index_bytes, (isize)s->index_bytes);
            if (index < 0) index += s->size;
            if (index < 0 || index >= s->size) {
                __atomic_store_n(&m->state->fault, s->head.instruction + 1, __ATOMIC_RELAXED);
                return;
            }
            isize row = outer * size + (isize)index;
            if (row < first || row >= last) continue;
            meet_row(s, k, (char *)(intptr_t)s->target + row * row_bytes,
                     (const char *)(intptr_t)s->updates + (outer * count + j) * row_bytes);
        }
}

// Gather and iota.
#include "tape.h"

INLINE int64_t load_index(const char *p, isize bytes) {
    return bytes == 8 ? *(const int64_t *)p : (int64_t) * (const int32_t *)p;
}

// Zero bytes and a fault where an index leaves its axis; the lowest worker's instruction is enough,
// since the run ends with no result at the next barrier.
void run_gather(const machine *m, const gather_step *s) {
    isize first, last, count = (isize)s->count, inner = (isize)s->inner;
    share(m, (isize)s->outer * count, &first, &last);
    for (isize unit = first; unit < last; unit++) {
        isize outer = unit / count;
        char *target = (char *)(intptr_t)s->target + unit * inner;
        int64_t index = load_index((const char *)(intptr_t)s->index +
                                       unit % count * (isize)s->index_bytes,
                                   (isize)s->index_bytes);
        if (index < 0) index += s->size;
        if (index < 0 || index >= s->size) {
            __atomic_store_n(&m->state->fault, s->head.instruction + 1, __ATOMIC_RELAXED);
            __builtin_memset(target, 0, (size_t)inner);
            continue;
        }
        const char *source =
            (const char *)(intptr_t)s->data + (outer * (isize)s->size + (isize)index) * inner;
        __builtin_memcpy(target, source, (size_t)inner);
    }
}

void run_iota(const machine *m, const iota_step *s) {
    isize first, last, inner = (isize)s->inner;
    share(m, (isize)s->outer * (isize)s->length, &first, &last);
    for (isize unit = first; unit < last; unit++) {
        uint64_t value = (uint64_t)s->start + (uint64_t)s->step * (uint64_t)(unit % s->length);
        for (isize i = unit * inner; i < (unit + 1) * inner; i++) {
            if (s->element == 8) ((uint64_t *)(intptr_t)s->target)[i] = value;
            else ((uint32_t *)(intptr_t)s->target)[i] = (uint32_t)value;
        }
    }
}

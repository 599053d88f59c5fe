// Rank: the place of every element in its sorted line, by a stable radix sort of order-keeping keys.
#include "map.h"
#include "tape.h"

typedef struct {
    uint64_t key;
    int64_t place;  // in the line
} entry;

#define DIGIT_BITS 8
#define DIGITS (1 << DIGIT_BITS)

// Unsigned keys in the order of the elements: equal elements have equal keys.
INLINE uint64_t key_of_f32(uint32_t bits) {
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0xffffffffu;  // NaN: above all numbers
    if (bits == 0x80000000u) bits = 0;                           // the zeros are equal
    return bits & 0x80000000u ? (uint32_t)~bits : bits | 0x80000000u;
}

INLINE uint64_t load_key(int64_t dtype, const char *p) {
    switch (dtype) {
        case F32_: return key_of_f32(*(const uint32_t *)p);
        case U8_: return *(const uint8_t *)p;
        case I8_: return (uint8_t)(*(const uint8_t *)p ^ 0x80u);
        case U16_: return *(const uint16_t *)p;
        case I16_: return (uint16_t)(*(const uint16_t *)p ^ 0x8000u);
        case U32_: return *(const uint32_t *)p;
        case I32_: return *(const uint32_t *)p ^ 0x80000000u;
        case U64_: return *(const uint64_t *)p;
        default: return *(const uint64_t *)p ^ 0x8000000000000000u;
    }
}

// Moves the entries to `to`, ordered by one digit of the key; entries with the same digit keep their
// order. False where all share one digit: nothing was moved.
static int sort_digit(entry *to, const entry *from, isize n, int shift) {
    isize starts[DIGITS];
    __builtin_memset(starts, 0, sizeof starts);
    for (isize i = 0; i < n; i++) starts[from[i].key >> shift & (DIGITS - 1)]++;
    isize next = 0;
    for (int digit = 0; digit < DIGITS; digit++) {
        isize count = starts[digit];
        if (count == n) return 0;
        starts[digit] = next;
        next += count;
    }
    for (isize i = 0; i < n; i++) to[starts[from[i].key >> shift & (DIGITS - 1)]++] = from[i];
    return 1;
}

// Descending order is that of the complements; ties stay in the order of their places.
static void rank_line(const rank_step *s, int64_t *out, const char *a, entry *from, entry *to) {
    isize n = (isize)s->length, bytes = dtype_bytes(s->dtype), step = (isize)s->inner;
    uint64_t flip = s->descending ? ~(uint64_t)0 : 0;
    for (isize i = 0; i < n; i++)
        from[i] = (entry){load_key(s->dtype, a + i * step * bytes) ^ flip, i};
    for (int shift = 0; shift < 8 * bytes; shift += DIGIT_BITS)
        if (sort_digit(to, from, n, shift)) {
            entry *sorted = to;
            to = from;
            from = sorted;
        }
    for (isize i = 0; i < n; i++) out[from[i].place * step] = i;
}

void run_rank(const machine *m, const rank_step *s) {
    isize first, last, length = (isize)s->length, inner = (isize)s->inner;
    isize bytes = dtype_bytes(s->dtype);
    entry *scratch = (entry *)m->scratch;
    share(m, (isize)s->outer * inner, &first, &last);
    for (isize line = first; line < last && !is_cancelled(m); line++) {
        isize start = line / inner * length * inner + line % inner;
        rank_line(s, (int64_t *)(intptr_t)s->target + start,
                  (const char *)(intptr_t)s->source + start * bytes, scratch, scratch + length);
    }
}

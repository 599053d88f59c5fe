// What happens in the windows of an image channel by channel: depthwise convolution and pooling.
//
// Channels lie one after another and run along the vectors; each output has one chain over its
// taps. Several places of a line are done together: they share the weights, and fill the pipeline.
#include "rows.h"
#include "vector.h"

#define PLACES 4      // done together
#define SUM_LANES 16  // of f32 SUM in numerics 1
#define UNROLL _Pragma("clang loop unroll(full)")

typedef struct {
    const float *a[PLACES], *b;  // of the first channel
    float *c;
    const int32_t *offsets;
    isize n, taps;
} window;

// The chains of `places` places. Loads and stores name the channels: a whole vector, or the last.
#define CHAINS(places, LOAD, STORE)                                                       \
    do {                                                                                  \
        vf acc[places];                                                                   \
        UNROLL for (int p = 0; p < places; p++) acc[p] = SPLAT(0.0f);                     \
        for (isize t = 0; t < w->taps; t++) {                                             \
            const isize at = w->offsets[t] + j;                                           \
            const vf b = LOAD(w->b + t * w->n + j);                                       \
            UNROLL for (int p = 0; p < places; p++)                                       \
                acc[p] = FMA(LOAD(w->a[p] + at), b, acc[p]);                              \
        }                                                                                 \
        UNROLL for (int p = 0; p < places; p++) STORE(w->c + p * w->n + j, CANON(acc[p])); \
    } while (0)
#define ALONG(places, BODY)                                                               \
    isize j = 0;                                                                          \
    for (; j + LANES <= w->n; j += LANES) BODY(places, LD, ST);                           \
    if (j < w->n) BODY(places, LOAD_REST, STORE_REST);
#define LOAD_REST(p) LDN(p, w->n - j)
#define STORE_REST(p, x) STN(p, x, w->n - j)

static void chain_4(const window *w) { ALONG(4, CHAINS) }
static void chain_1(const window *w) { ALONG(1, CHAINS) }

#define EXTREMES(places, LOAD, STORE)                                                     \
    do {                                                                                  \
        vf x = LOAD(w->a[0] + w->offsets[0] + j);                                         \
        for (isize t = 1; t < w->taps; t++) x = OP(x, LOAD(w->a[0] + w->offsets[t] + j)); \
        STORE(w->c + j, CANON(x));                                                        \
    } while (0)
#define OP MAX
static void max_1(const window *w) { ALONG(1, EXTREMES) }
#undef OP
#define OP MIN
static void min_1(const window *w) { ALONG(1, EXTREMES) }
#undef OP

// Sixteen interleaved lanes and their halving tree.
#define SUMS(places, LOAD, STORE)                                                         \
    do {                                                                                  \
        vf lane[SUM_LANES];                                                               \
        UNROLL for (int l = 0; l < SUM_LANES; l++) lane[l] = SPLAT(0.0f);                 \
        for (isize t = 0; t < w->taps; t++)                                               \
            lane[t % SUM_LANES] = ADD(lane[t % SUM_LANES], LOAD(w->a[0] + w->offsets[t] + j)); \
        for (int half = SUM_LANES / 2; half > 0; half /= 2)                               \
            for (int l = 0; l < half; l++) lane[l] = ADD(lane[l], lane[l + half]);        \
        STORE(w->c + j, CANON(lane[0]));                                                  \
    } while (0)
static void sum_1(const window *w) { ALONG(1, SUMS) }

static void run_one(int64_t function, const window *w) {
    switch (function) {
        case SUM_: sum_1(w); break;
        case RMAX_: max_1(w); break;
        case RMIN_: min_1(w); break;
        default: chain_1(w);
    }
}

// Places [first, last), to `c`.
static void run_places(const taps_step *s, isize first, isize last, float *c) {
    const isize rank = (isize)s->rank;
    isize index[AIVM_AXES];
    const float *a = (const float *)(intptr_t)s->a;
    window w = {.b = (const float *)(intptr_t)s->b, .n = (isize)s->n, .taps = (isize)s->taps,
                .offsets = (const int32_t *)(intptr_t)s->offsets, .c = c};
    for (isize axis = rank - 1, rest = first; axis >= 0; axis--) {
        index[axis] = rest % (isize)s->sizes[axis];
        rest /= (isize)s->sizes[axis];
        a += index[axis] * (isize)s->steps[axis];
    }
    const isize step = (isize)s->steps[rank - 1];
    for (isize place = first, done; place < last; place += done, w.c += done * w.n) {
        const isize left = smaller(last - place, (isize)s->sizes[rank - 1] - index[rank - 1]);
        done = s->function == 0 && left >= PLACES ? PLACES : 1;
        for (isize p = 0; p < done; p++) w.a[p] = a + p * step;
        if (done == PLACES) chain_4(&w);
        else run_one(s->function, &w);
        a += done * step;
        index[rank - 1] += done;
        for (isize axis = rank - 1; axis > 0 && index[axis] == (isize)s->sizes[axis]; axis--) {
            a += (isize)s->steps[axis - 1] - (isize)s->sizes[axis] * (isize)s->steps[axis];
            index[axis] = 0;
            index[axis - 1]++;
        }
    }
}

#define PLACES_AT_ONCE 512  // between two looks at whether to go on

void run_taps(const machine *m, const taps_step *s) {
    const isize places = (isize)s->places, n = (isize)s->n;
    const isize block = s->joined ? (isize)s->joined : PLACES_AT_ONCE;
    isize first, last;
    rows_run taker;
    if (s->joined)
        rows_begin(&taker, (const rows_step *)((const int64_t *)s + s->head.words),
                   m->scratch + s->rows_scratch);
    share(m, (places + block - 1) / block, &first, &last);
    for (isize unit = first; unit < last && !is_cancelled(m); unit++) {
        const isize place = unit * block, end = smaller(place + block, places);
        if (s->joined) {
            char *c = m->scratch + s->c;
            run_places(s, place, end, (float *)c);
            rows_range(&taker, place, end, c);
        } else {
            run_places(s, place, end, (float *)(intptr_t)s->c + place * n);
        }
    }
}

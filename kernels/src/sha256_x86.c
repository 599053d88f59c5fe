// SHA-256 compression with the x86 SHA extensions. One stream leaves half of their throughput
// unused (a round pair waits for the one before), so two independent streams are interleaved.
#include "sha256.h"

#ifdef __x86_64__
#define __MM_MALLOC_H  // immintrin.h would drag in stdlib.h, which a freestanding build has not
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1,ssse3")))

typedef struct {
    __m128i abef, cdgh;
    __m128i w[4];  // the last 16 words of the message schedule
} stream;

INLINE SHA stream load_state(const uint32_t state[8]) {
    __m128i dcba = _mm_loadu_si128((const __m128i *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    return (stream){
        .abef = _mm_alignr_epi8(cdab, efgh, 8),
        .cdgh = _mm_blend_epi16(efgh, cdab, 0xf0),
    };
}

INLINE SHA void store_state(uint32_t state[8], const stream *s) {
    __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b), dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

// Rounds 4 * i .. 4 * i + 3: takes the words from the block, or the next four from the schedule.
INLINE SHA void four_rounds(stream *s, const uint8_t *block, const int i) {
    const __m128i reverse = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i *w = s->w;
    if (i < 4) {
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), reverse);
    } else {
        __m128i old = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
        old = _mm_add_epi32(old, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
        w[i % 4] = _mm_sha256msg2_epu32(old, w[(i + 3) % 4]);
    }
    __m128i k = _mm_load_si128((const __m128i *)(sha256_constants + 4 * i));
    __m128i sum = _mm_add_epi32(w[i % 4], k);
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, sum);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

static SHA void compress(uint32_t state[8], const uint8_t *blocks, isize count) {
    stream s = load_state(state);
    for (; count > 0; count--, blocks += 64) {
        stream before = s;
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) four_rounds(&s, blocks, i);
        s.abef = _mm_add_epi32(s.abef, before.abef);
        s.cdgh = _mm_add_epi32(s.cdgh, before.cdgh);
    }
    store_state(state, &s);
}

static SHA void compress_pair(uint32_t states[2][8], const uint8_t *first, const uint8_t *second,
                              isize count) {
    stream s = load_state(states[0]), t = load_state(states[1]);
    for (; count > 0; count--, first += 64, second += 64) {
        stream s_before = s, t_before = t;
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            four_rounds(&s, first, i);
            four_rounds(&t, second, i);
        }
        s.abef = _mm_add_epi32(s.abef, s_before.abef);
        s.cdgh = _mm_add_epi32(s.cdgh, s_before.cdgh);
        t.abef = _mm_add_epi32(t.abef, t_before.abef);
        t.cdgh = _mm_add_epi32(t.cdgh, t_before.cdgh);
    }
    store_state(states[0], &s);
    store_state(states[1], &t);
}

const sha256_compress sha256_x86 = {compress, compress_pair};
#endif

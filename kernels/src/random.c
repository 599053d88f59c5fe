// Philox 4x32-10 (Salmon et al., SC'11), as aivm.numerics.philox defines it.
#include "tape.h"

#define ROUNDS 10
#define BLOCK_WORDS 4

static void philox(uint32_t c[BLOCK_WORDS], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t a = (uint64_t)0xd2511f53u * c[0], b = (uint64_t)0xcd9e8d57u * c[2];
        uint32_t first = (uint32_t)(b >> 32) ^ c[1] ^ key0, third = (uint32_t)(a >> 32) ^ c[3] ^ key1;
        c[0] = first;
        c[1] = (uint32_t)b;
        c[2] = third;
        c[3] = (uint32_t)a;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

void run_random(const machine *m, const random_step *s) {
    const uint64_t *seed = (const uint64_t *)(intptr_t)s->seed;
    uint32_t *out = (uint32_t *)(intptr_t)s->target;
    isize first, last, elements = (isize)s->elements;
    share(m, (elements + BLOCK_WORDS - 1) / BLOCK_WORDS, &first, &last);
    for (isize block = first; block < last; block++) {
        uint64_t number = (uint64_t)block;
        uint32_t words[BLOCK_WORDS] = {(uint32_t)number, (uint32_t)(number >> 32),
                                       (uint32_t)seed[1], (uint32_t)(seed[1] >> 32)};
        philox(words, (uint32_t)seed[0], (uint32_t)(seed[0] >> 32));
        isize n = smaller(BLOCK_WORDS, elements - block * BLOCK_WORDS);
        __builtin_memcpy(out + block * BLOCK_WORDS, words, (size_t)n * 4);
    }
}

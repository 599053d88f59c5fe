// The vocabulary: one token a line, its id the number of the line; as BERT's vocab.txt.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { NO_TOKEN = -1 };

struct vocabulary {
    const uint8_t *text;
    struct slot *slots; // open addressing, linear probing
    uint32_t mask;
    uint32_t longest; // bytes of the longest token
};

// The running hash of a token's bytes (FNV-1a, 32 bits).
static const uint32_t HASH_START = 0x811c9dc5;
static inline uint32_t hash_byte(uint32_t hash, uint8_t byte) { return (hash ^ byte) * 0x01000193; }

// Indexes `text`, which must stay where it is. False if there is no memory for the index.
bool vocabulary_index(struct vocabulary *, const uint8_t *text, uint32_t size);

// The id of the token that is `prefix` (a literal) followed by `size` bytes at `bytes`, whose hash
// together is `hash`; NO_TOKEN if there is none.
int64_t vocabulary_find(
    const struct vocabulary *, uint32_t hash, const char *prefix, const uint8_t *bytes, uint32_t size);

// The id of the token `literal`, or NO_TOKEN.
int64_t vocabulary_literal(const struct vocabulary *, const char *literal);

// Text to words: BERT's uncased normaliser and pre-tokeniser.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    MAX_WORD = 100,                // characters; a longer word is unknown
    WORD_BYTES = 4 * (MAX_WORD + 1),
};

// A word being collected, and the marks at its end that still wait for their order.
struct words {
    uint8_t bytes[WORD_BYTES];
    uint32_t size;       // bytes
    uint32_t characters; // may pass MAX_WORD, then `bytes` is not kept any more
    uint32_t marks[MAX_WORD + 1];
    uint8_t orders[MAX_WORD + 1];
    uint32_t mark_count;
    void *context;
    void (*emit)(void *context, const uint8_t *bytes, uint32_t size, bool too_long);
};

// Takes the text's characters; every finished word is emitted.
void words_take(struct words *, uint32_t code_point);

// Ends the last word.
void words_end(struct words *);

// The character at `text` (`left` bytes, not 0) and its length in bytes; 0 if it is not UTF-8.
uint32_t utf8_decode(const uint8_t *text, uint32_t left, uint32_t *code_point);

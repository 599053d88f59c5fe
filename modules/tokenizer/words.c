#include "words.h"
#include "unicode.gen.h"

static uint32_t utf8_encode(uint32_t c, uint8_t *to) {
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xC0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xE0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (uint8_t)(0xF0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
    to[3] = (uint8_t)(0x80 | (c & 0x3F));
    return 4;
}

// The Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing over U+10FFFF.
uint32_t utf8_decode(const uint8_t *text, uint32_t left, uint32_t *code_point) {
    uint8_t first = text[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    uint32_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (length == 0 || left < length)
        return 0;
    uint32_t c = first & (0x7Fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3F);
    }
    bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
    if (overlong || (c >= 0xD800 && c < 0xE000) || c > 0x10FFFF)
        return 0;
    *code_point = c;
    return length;
}

static void append(struct words *w, uint32_t code_point) {
    if (w->characters < MAX_WORD)
        w->size += utf8_encode(code_point, w->bytes + w->size);
    w->characters++;
}

// Marks between two bases stand in the order of their classes; equal classes keep theirs.
static void flush_marks(struct words *w) {
    for (uint32_t order = 0; order < MARK_ORDERS && w->mark_count; order++)
        for (uint32_t i = 0; i < w->mark_count; i++)
            if (w->orders[i] == order)
                append(w, w->marks[i]);
    w->mark_count = 0;
}

static void take_mark(struct words *w, uint32_t code_point, uint32_t order) {
    if (w->mark_count > MAX_WORD) {
        w->characters++; // too long for a word, whatever the order
        return;
    }
    w->marks[w->mark_count] = code_point;
    w->orders[w->mark_count++] = (uint8_t)order;
}

void words_end(struct words *w) {
    flush_marks(w);
    if (w->characters)
        w->emit(w->context, w->bytes, w->size, w->characters > MAX_WORD);
    w->size = w->characters = 0;
}

static void take_alone(struct words *w, uint32_t code_point) {
    words_end(w);
    append(w, code_point);
    words_end(w);
}

static uint32_t class_of(uint32_t code_point) {
    uint32_t block = UNICODE_STAGE[code_point / UNICODE_BLOCK];
    return UNICODE_CLASSES[block * UNICODE_BLOCK + code_point % UNICODE_BLOCK];
}

// A character of the normalised text, whose class is below CLASS_FIRST_MAPPING.
static void take_final(struct words *w, uint32_t code_point, uint32_t class) {
    if (class == CLASS_WORD) {
        flush_marks(w);
        append(w, code_point);
    } else if (class == CLASS_SPACE) {
        words_end(w);
    } else if (class == CLASS_PUNCTUATION || class == CLASS_ALONE) {
        take_alone(w, code_point);
    } else if (class == CLASS_REMOVED_BASE) {
        flush_marks(w);
    } else if (class >= CLASS_FIRST_MARK) {
        take_mark(w, code_point, class - CLASS_FIRST_MARK);
    }
}

// The Unicode Standard, section 3.12: a syllable is two or three letters.
static void take_hangul(struct words *w, uint32_t code_point) {
    uint32_t index = code_point - 0xAC00;
    flush_marks(w);
    append(w, 0x1100 + index / 588);
    append(w, 0x1161 + index % 588 / 28);
    if (index % 28)
        append(w, 0x11A7 + index % 28);
}

void words_take(struct words *w, uint32_t code_point) {
    uint32_t class = class_of(code_point);
    if (class == CLASS_HANGUL_SYLLABLE) {
        take_hangul(w, code_point);
    } else if (class < CLASS_FIRST_MAPPING) {
        take_final(w, code_point, class);
    } else {
        uint32_t mapping = class - CLASS_FIRST_MAPPING;
        for (uint32_t i = MAPPING_STARTS[mapping]; i < MAPPING_STARTS[mapping + 1]; i++) {
            uint32_t target = MAPPING_TARGETS[i];
            take_final(w, target & ((1u << CLASS_SHIFT) - 1), target >> CLASS_SHIFT);
        }
    }
}

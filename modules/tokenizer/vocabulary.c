#include "vocabulary.h"
#include "aivm_module.h"

struct slot {
    uint32_t hash;
    uint32_t start;
    uint32_t size; // 0: free, for no token is empty
    uint32_t id;
};

static bool equals(const uint8_t *left, const uint8_t *right, uint32_t size) {
    for (uint32_t i = 0; i < size; i++)
        if (left[i] != right[i])
            return false;
    return true;
}

// Where the token is, or the free slot where it would be.
static struct slot *
locate(const struct vocabulary *v, uint32_t hash, const char *prefix, uint32_t prefix_size,
       const uint8_t *bytes, uint32_t size) {
    for (uint32_t at = hash & v->mask;; at = (at + 1) & v->mask) {
        struct slot *slot = &v->slots[at];
        if (slot->size == 0)
            return slot;
        if (slot->hash == hash && slot->size == prefix_size + size
            && equals(v->text + slot->start, (const uint8_t *)prefix, prefix_size)
            && equals(v->text + slot->start + prefix_size, bytes, size))
            return slot;
    }
}

bool vocabulary_index(struct vocabulary *v, const uint8_t *text, uint32_t size) {
    uint32_t capacity = 16; // over size / 2 + 1, and so over the number of lines that hold a token
    while (capacity < size / 2 + 2 && capacity < 1u << 27)
        capacity *= 2;
    if (capacity < size / 2 + 2)
        return false;
    v->text = text;
    v->mask = capacity - 1;
    v->slots = aivm_alloc(capacity * (uint32_t)sizeof(struct slot));
    if (v->slots == NULL)
        return false;
    for (uint32_t start = 0, id = 0; start < size; id++) {
        uint32_t hash = HASH_START, end = start;
        while (end < size && text[end] != '\n')
            hash = hash_byte(hash, text[end++]);
        uint32_t length = end - start;
        if (length > 0) {
            struct slot *slot = locate(v, hash, "", 0, text + start, length);
            *slot = (struct slot){hash, start, length, id};
            if (length > v->longest)
                v->longest = length;
        }
        start = end + 1;
    }
    return true;
}

int64_t vocabulary_find(
    const struct vocabulary *v, uint32_t hash, const char *prefix, const uint8_t *bytes, uint32_t size) {
    uint32_t prefix_size = 0;
    while (prefix[prefix_size])
        prefix_size++;
    const struct slot *slot = locate(v, hash, prefix, prefix_size, bytes, size);
    return slot->size == 0 ? NO_TOKEN : (int64_t)slot->id;
}

int64_t vocabulary_literal(const struct vocabulary *v, const char *literal) {
    uint32_t hash = HASH_START, size = 0;
    for (; literal[size]; size++)
        hash = hash_byte(hash, (uint8_t)literal[size]);
    return vocabulary_find(v, hash, "", (const uint8_t *)literal, size);
}

// The three functions that a freestanding compiler may call of its own accord. In wasm they are
// instructions (bulk memory) and this file is empty.
#include "platform.h"

#ifndef __wasm__
typedef uint8_t bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

// Without the attribute LLVM would recognise each loop as the function itself.
#define BUILT_BY_HAND __attribute__((no_builtin, visibility("hidden")))

BUILT_BY_HAND void *memset(void *to, int value, size_t size) {
    uint8_t *t = to;
    bytes16 pattern = (bytes16){0} + (uint8_t)value;
    size_t i = 0;
    for (; i + 16 <= size; i += 16) *(bytes16 *)(t + i) = pattern;
    for (; i < size; i++) t[i] = (uint8_t)value;
    return to;
}

// Ascending, so right where `to` is not above `from`; memmove sees to the other case.
BUILT_BY_HAND void *memcpy(void *to, const void *from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    size_t i = 0;
    for (; i + 16 <= size; i += 16) *(bytes16 *)(t + i) = *(const bytes16 *)(f + i);
    for (; i < size; i++) t[i] = f[i];
    return to;
}

BUILT_BY_HAND void *memmove(void *to, const void *from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= size) return memcpy(to, from, size);
    size_t i = size;
    for (; i >= 16; i -= 16) *(bytes16 *)(t + i - 16) = *(const bytes16 *)(f + i - 16);
    for (; i > 0; i--) t[i - 1] = f[i - 1];
    return to;
}
#endif

// SHA-256, and the Merkle tree over a buffer that commits to a tensor's data.
//
//   leaf = SHA256(0x00 || up to 256 bytes)    node = SHA256(0x01 || left || right)
//
// The tree has the shape of RFC 6962 (a node splits at the largest power of two below its leaves);
// a buffer of no bytes is one empty leaf.
#pragma once
#include "platform.h"

// out = SHA-256(data[0..bytes)).
void aivm_sha256(const uint8_t *data, uint64_t bytes, uint8_t out[32]);

// out = the root of the tree over data[0..bytes). Memory: O(log bytes) of stack.
void aivm_tree_root(const uint8_t *data, uint64_t bytes, uint8_t out[32]);

// Folds `count` blocks of 64 bytes into the state; `pair` does two streams of equal length.
typedef struct {
    void (*one)(uint32_t state[8], const uint8_t *blocks, isize count);
    void (*pair)(uint32_t states[2][8], const uint8_t *first, const uint8_t *second, isize count);
} sha256_compress;

extern const uint32_t sha256_constants[64];
extern const sha256_compress sha256_portable;
#ifdef __x86_64__
extern const sha256_compress sha256_x86;  // needs the SHA extensions
#endif

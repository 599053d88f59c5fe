// libFuzzer: SHA-256 and the Merkle tree on any bytes, against each other's slow way.
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

#define LEAF 256

typedef struct {
    uint8_t bytes[32];
} digest;

static void same(const void *a, const void *b, size_t bytes) {
    if (memcmp(a, b, bytes)) abort();
}

static digest prefixed(uint8_t prefix, const uint8_t *data, size_t bytes) {
    uint8_t *joined = malloc(bytes + 1);
    digest out;
    joined[0] = prefix;
    memcpy(joined + 1, data, bytes);
    aivm_sha256(joined, bytes + 1, out.bytes);
    free(joined);
    return out;
}

// The tree as RFC 6962 defines it, top down.
static digest tree(const uint8_t *data, size_t bytes) {
    if (bytes <= LEAF) return prefixed(0, data, bytes);
    size_t leaves = (bytes + LEAF - 1) / LEAF, left = 1;
    while (2 * left < leaves) left *= 2;
    digest children[2] = {tree(data, left * LEAF), tree(data + left * LEAF, bytes - left * LEAF)};
    return prefixed(1, children[0].bytes, sizeof children);
}

// Both implementations of the compression, one stream and two.
static void compressions(const uint8_t *data, size_t bytes) {
    isize blocks = (isize)(bytes / 128);
    const uint8_t *second = data + blocks * 64;
    uint32_t one[8], pairs[2][2][8];
    const sha256_compress *both[2] = {&sha256_portable, &sha256_portable};
#ifdef __x86_64__
    if (__builtin_cpu_supports("sha")) both[1] = &sha256_x86;
#endif
    for (int side = 0; side < 2; side++) {
        memset(pairs[side], 7, sizeof pairs[side]);
        both[side]->pair(pairs[side], data, second, blocks);
        memset(one, 7, sizeof one);
        both[side]->one(one, data, blocks);
        same(one, pairs[side][0], sizeof one);
        memset(one, 7, sizeof one);
        both[side]->one(one, second, blocks);
        same(one, pairs[side][1], sizeof one);
    }
    same(pairs[0], pairs[1], sizeof pairs[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // Runs of the input, so that buffers of many leaves are met without megabytes of corpus.
    size_t times = size > 0 ? 1 + data[0] % 8 : 1, bytes = size * times;
    uint8_t *whole = malloc(bytes > 0 ? bytes : 1);
    for (size_t i = 0; i < times; i++) memcpy(whole + i * size, data, size);
    uint8_t root[32];
    aivm_tree_root(whole, bytes, root);
    digest wanted = tree(whole, bytes);
    same(root, wanted.bytes, sizeof root);
    compressions(whole, bytes);
    free(whole);
    return 0;
}

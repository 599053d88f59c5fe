// SHA-256 messages and Merkle trees around a compression function chosen by the CPU.
#include "sha256.h"

#define LEAF 256
#define LEAF_BLOCKS ((1 + LEAF + 9 + 63) / 64)

// --- the CPU -------------------------------------------------------------------------------------

#ifdef __x86_64__
static const sha256_compress *compressor(void) {
    static const sha256_compress *known;  // cpuid is slow under a hypervisor; a race writes equals
    const sha256_compress *chosen = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (!chosen) {
        uint32_t a = 7, b, c = 0, d;
        __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        chosen = b >> 29 & 1 ? &sha256_x86 : &sha256_portable;
        __atomic_store_n(&known, chosen, __ATOMIC_RELAXED);
    }
    return chosen;
}
#else
static const sha256_compress *compressor(void) { return &sha256_portable; }
#endif

// --- messages ------------------------------------------------------------------------------------

static const uint32_t initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

INLINE void copy(uint8_t *to, const uint8_t *from, isize bytes) {
    __builtin_memcpy(to, from, (size_t)bytes);
}

INLINE void start(uint32_t state[8]) { copy((uint8_t *)state, (const uint8_t *)initial_state, 32); }

INLINE void put_big_endian(uint8_t *p, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) p[i] = (uint8_t)(x >> 8 * (bytes - 1 - i));
}

INLINE void finish(uint8_t out[32], const uint32_t state[8]) {
    for (int i = 0; i < 8; i++) put_big_endian(out + 4 * i, state[i], 4);
}

// Ends a message of `bytes` whose last `held` bytes are in the buffer; returns the buffer's blocks.
static isize pad(uint8_t *buffer, isize held, uint64_t bytes) {
    isize blocks = (held + 9 + 63) / 64;
    buffer[held] = 0x80;
    __builtin_memset(buffer + held + 1, 0, (size_t)(blocks * 64 - held - 9));
    put_big_endian(buffer + blocks * 64 - 8, bytes * 8, 8);
    return blocks;
}

EXPORT(aivm_sha256) void aivm_sha256(const uint8_t *data, uint64_t bytes, uint8_t out[32]) {
    const sha256_compress *compress = compressor();
    uint32_t state[8];
    uint8_t tail[128];
    isize whole = (isize)(bytes / 64), held = (isize)(bytes % 64);
    start(state);
    compress->one(state, data, whole);
    copy(tail, data + whole * 64, held);
    compress->one(state, tail, pad(tail, held, bytes));
    finish(out, state);
}

// --- the tree ------------------------------------------------------------------------------------

typedef struct {
    uint8_t bytes[32];
} digest;

// buffer = prefix || data, padded; returns its blocks.
INLINE isize prefixed(uint8_t buffer[LEAF_BLOCKS * 64], uint8_t prefix, const uint8_t *data,
                      isize bytes) {
    buffer[0] = prefix;
    copy(buffer + 1, data, bytes);
    return pad(buffer, 1 + bytes, (uint64_t)(1 + bytes));
}

static digest hash_one(const sha256_compress *compress, uint8_t prefix, const uint8_t *data,
                       isize bytes) {
    uint8_t buffer[LEAF_BLOCKS * 64];
    uint32_t state[8];
    digest out;
    start(state);
    compress->one(state, buffer, prefixed(buffer, prefix, data, bytes));
    finish(out.bytes, state);
    return out;
}

// Two messages of the same length.
static void hash_pair(const sha256_compress *compress, uint8_t prefix, const uint8_t *first,
                      const uint8_t *second, isize bytes, digest out[2]) {
    uint8_t buffers[2][LEAF_BLOCKS * 64];
    uint32_t states[2][8];
    start(states[0]);
    start(states[1]);
    prefixed(buffers[0], prefix, first, bytes);
    isize blocks = prefixed(buffers[1], prefix, second, bytes);
    compress->pair(states, buffers[0], buffers[1], blocks);
    finish(out[0].bytes, states[0]);
    finish(out[1].bytes, states[1]);
}

INLINE digest node(const sha256_compress *compress, const digest children[2]) {
    return hash_one(compress, 1, children[0].bytes, 64);
}

// The root over four whole leaves, two at a time.
static digest four_leaves(const sha256_compress *compress, const uint8_t *data) {
    digest leaves[4], nodes[2];
    hash_pair(compress, 0, data, data + LEAF, LEAF, leaves);
    hash_pair(compress, 0, data + 2 * LEAF, data + 3 * LEAF, LEAF, leaves + 2);
    hash_pair(compress, 1, leaves[0].bytes, leaves[2].bytes, 64, nodes);
    return node(compress, nodes);
}

// Finished subtrees, largest first; the bits of `leaves` say which sizes they have.
typedef struct {
    digest roots[64];
    isize count;
    uint64_t leaves;
} forest;

static void plant(const sha256_compress *compress, forest *f, digest root, uint64_t leaves) {
    f->roots[f->count++] = root;
    for (f->leaves += leaves; leaves < (f->leaves & -f->leaves); leaves *= 2) {
        f->count--;
        f->roots[f->count - 1] = node(compress, &f->roots[f->count - 1]);
    }
}

EXPORT(aivm_tree_root) void aivm_tree_root(const uint8_t *data, uint64_t bytes, uint8_t out[32]) {
    const sha256_compress *compress = compressor();
    forest f;
    f.count = 0;
    f.leaves = 0;
    for (; bytes >= 4 * LEAF; bytes -= 4 * LEAF, data += 4 * LEAF)
        plant(compress, &f, four_leaves(compress, data), 4);
    while (bytes > 0 || f.count == 0) {
        isize part = bytes < LEAF ? (isize)bytes : LEAF;
        plant(compress, &f, hash_one(compress, 0, data, part), 1);
        bytes -= (uint64_t)part;
        data += part;
    }
    for (; f.count > 1; f.count--) f.roots[f.count - 2] = node(compress, &f.roots[f.count - 2]);
    copy(out, f.roots[0].bytes, 32);
}

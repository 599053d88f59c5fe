// What every kernel file needs from the compiler: integer names, inlining, exports.
//
// The kernels are freestanding C: no libc, no imports, no global state. They are compiled by clang
// (ziglang) for wasm32, x86-64-v3, x86-64-v4 and aarch64; nothing here depends on the target.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef ptrdiff_t isize;  // sizes, indices and strides: as wide as a pointer, may be negative

#define INLINE static inline __attribute__((always_inline))

// A function that the host calls by its own name, in the wasm module and in the shared libraries.
#ifdef __wasm__
#define EXPORT(name) __attribute__((export_name(#name), visibility("default")))
#else
#define EXPORT(name) __attribute__((visibility("default")))
#endif

INLINE isize smaller(isize a, isize b) { return a < b ? a : b; }

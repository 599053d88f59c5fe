// The floating-point mode of the calling thread: numerics 1 wants round-to-nearest and subnormals.
//
// A host may run with flush-to-zero or another rounding mode set (audio code, -ffast-math start-up
// objects); every exported native function therefore computes between the two calls below. In wasm
// the mode cannot be read or set from inside: there the host must see to it.
#pragma once
#include "platform.h"

#if defined(__x86_64__)
typedef uint32_t float_mode;
#define FLOAT_MODE_DEFAULT 0x1f80u  // MXCSR: all exceptions masked, to nearest, no FTZ, no DAZ
// The memory clobber keeps loads, and so the arithmetic on them, on their side of the switch.
INLINE void float_mode_set(float_mode mode) {
    __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
}
INLINE float_mode float_mode_get(void) {
    float_mode mode;
    __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
    return mode;
}
#elif defined(__aarch64__)
typedef uint64_t float_mode;
#define FLOAT_MODE_DEFAULT 0u  // FPCR
INLINE void float_mode_set(float_mode mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}
INLINE float_mode float_mode_get(void) {
    float_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
    return mode;
}
#elif defined(__wasm__)
typedef uint32_t float_mode;
#define FLOAT_MODE_DEFAULT 0u
INLINE void float_mode_set(float_mode mode) { (void)mode; }
INLINE float_mode float_mode_get(void) { return FLOAT_MODE_DEFAULT; }
#else
#error "float_mode.h: unknown target"
#endif

INLINE float_mode float_mode_enter(void) {
    float_mode caller = float_mode_get();
    float_mode_set(FLOAT_MODE_DEFAULT);
    return caller;
}
INLINE void float_mode_leave(float_mode caller) { float_mode_set(caller); }

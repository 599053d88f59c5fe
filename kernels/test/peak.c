// The FMA peak of one core at LANES x 32 bit: twelve independent chains, nothing else.
// Returns a sum, so that no chain is idle work to the compiler.
#include "vector.h"

#define CHAINS 12

EXPORT(peak) float peak(isize steps) {
    vf acc[CHAINS], x = SPLAT(0.999f), y = SPLAT(1e-3f), sum = {0};
    float total = 0;
    __asm__ volatile("" : "+m"(x), "+m"(y));  // not constants to the compiler
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) acc[i] = SPLAT((float)i);
    for (isize k = 0; k < steps; k++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < CHAINS; i++) acc[i] = FMA(acc[i], x, y);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAINS; i++) sum = ADD(sum, acc[i]);
    for (int i = 0; i < LANES; i++) total += sum[i];
    return total;
}

// What only a GPU has: everything beyond plain C++ that the kernels use stands here.
//
// The emulator that tests run (aivm.testing.cuda) defines AIVM_EMULATOR and puts functions of the
// same names and exact meaning in their place; it compiles all other files as they are.
#ifndef AIVM_EMULATOR

// A kernel has one argument, a struct of 64-bit words, so that every launch is made in one way.
// `together` blocks are to fit on a multiprocessor: the compiler spends registers accordingly.
#define KERNEL(name, threads, together, arguments) \
    extern "C" __global__ void __launch_bounds__(threads, together) name(const arguments a)
#define INLINE __device__ __forceinline__

// The bits of x, known to nobody: a compiler may take the payload of a NaN to be free.
INLINE unsigned opaque(unsigned x) {
    asm("" : "+r"(x));
    return x;
}

// D += A B of one warp on integer tensor cores, exact and wrapping. A is 16x32 (4 registers), B is
// 32x8 (2), D is 16x8 (4). With g = lane / 4, t = lane % 4, and four bytes in a register:
//   A register r: row g + 8 * (r % 2), columns 4t + 16 * (r / 2) ..    D: row g + 8 * (r / 2),
//   B register r: column g, rows 4t + 16 * r ..                           column 2t + r % 2
// (PTX ISA, matrix fragments for mma.m16n8k32).
#define MMA(name, type_a, type_b)                                                               \
    INLINE void name(int d[4], const unsigned a[4], const unsigned b[2]) {                      \
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." type_a "." type_b ".s32 "         \
                     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                    \
                     : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                           \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));       \
    }
#if __CUDA_ARCH__ >= 800
MMA(mma_s8s8, "s8", "s8")
MMA(mma_s8u8, "s8", "u8")
MMA(mma_u8s8, "u8", "s8")
MMA(mma_u8u8, "u8", "u8")
#endif

// acc + the products of four bytes of a with four of b, exact and wrapping.
#define DOT4(name, type_a, type_b)                                                \
    INLINE int name(unsigned a, unsigned b, int acc) {                            \
        asm("dp4a." type_a "." type_b " %0, %1, %2, %0;" : "+r"(acc) : "r"(a), "r"(b)); \
        return acc;                                                               \
    }
DOT4(dot4_s8s8, "s32", "s32")
DOT4(dot4_s8u8, "s32", "u32")
DOT4(dot4_u8s8, "u32", "s32")
DOT4(dot4_u8u8, "u32", "u32")

#endif

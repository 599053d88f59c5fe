// A GPU for tests, on one CPU thread: the CUDA C of the project, compiled as C++ behind this file.
//
// The threads of a block are fibers. Each runs until it waits for others; the barrier opens when
// all have come. What hardware leaves undefined is an error here: a barrier that only some threads
// reach, an exchange in which a lane is missing. Threads and blocks take turns in an order that
// depends on a seed, so that a result which depends on the order shows.
// Not shown: races within a stretch without barriers, limits of launches, performance.
#define AIVM_EMULATOR
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define INLINE inline __attribute__((always_inline))
#define __global__
#define __device__
#define __forceinline__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict

struct dimension {
    unsigned x;
};
static dimension threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

enum { THREADS_MAX = 1024, STACK_BYTES = 128 << 10, WARP = 32, WORDS = 8 };
enum scope { RUNNING, AT_WARP, AT_BLOCK };
enum status { FINE = 0, BARRIER_MISSED = 1, LANES_MISSING = 2 };

struct fiber {
    ucontext_t context;
    char *stack;
    unsigned thread;
    scope waiting;
    unsigned site;  // which collective operation it waits in
};

static fiber fibers[THREADS_MAX];
static fiber *current, *of_thread[THREADS_MAX];
static ucontext_t scheduler;
static unsigned order[THREADS_MAX], threads, started, finished, dice;
static unsigned exchanges[THREADS_MAX];  // how many each thread has begun
static unsigned exchanged[2][THREADS_MAX][WORDS];
static void (*kernel)(const void *);
static const void *arguments;

static unsigned roll(unsigned below) {
    dice = dice * 1664525u + 1013904223u;
    return (unsigned)((unsigned long long)dice * below >> 32);
}

static void wait(scope where, unsigned site) {
    current->waiting = where;
    current->site = site;
    swapcontext(&current->context, &scheduler);
}

// A fiber takes one thread after the other, as long as none waits.
static void run_threads() {
    fiber *self = current;
    while (started < threads) {
        self->thread = order[started++];
        of_thread[self->thread] = self;
        threadIdx.x = self->thread;
        kernel(arguments);
        of_thread[self->thread] = 0;
        finished++;
    }
    self->waiting = RUNNING;
    swapcontext(&self->context, &scheduler);
}

static void resume(fiber *f) {
    current = f;
    f->waiting = RUNNING;
    threadIdx.x = f->thread;
    swapcontext(&scheduler, &f->context);
}

static void begin(fiber *f) {
    if (!f->stack) f->stack = (char *)malloc(STACK_BYTES);
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = 0;
    makecontext(&f->context, run_threads, 0);
    current = f;
    swapcontext(&scheduler, &f->context);
}

// Resumes the threads [first, first + count), beginning anywhere, if all wait at one place.
static bool open_barrier(unsigned first, unsigned count, scope where, status *found) {
    unsigned come = 0, site = 0;
    for (unsigned t = first; t < first + count; t++) {
        fiber *f = of_thread[t];
        if (!f || f->waiting != where) continue;
        if (come++ == 0) site = f->site;
        else if (f->site != site) *found = where == AT_WARP ? LANES_MISSING : BARRIER_MISSED;
    }
    if (come != count || *found) return false;
    unsigned turn = roll(count);
    for (unsigned i = 0; i < count; i++) resume(of_thread[first + (i + turn) % count]);
    return true;
}

static status run_block() {
    started = finished = 0;
    for (unsigned t = 0; t < threads; t++) of_thread[t] = 0, exchanges[t] = 0, order[t] = t;
    for (unsigned t = threads; t > 1; t--) {
        unsigned other = roll(t), held = order[t - 1];
        order[t - 1] = order[other], order[other] = held;
    }
    for (unsigned next = 0; started < threads; next++) begin(&fibers[next]);
    status found = FINE;
    while (finished < threads) {
        bool moved = open_barrier(0, threads, AT_BLOCK, &found);
        for (unsigned w = 0; w < threads; w += WARP) moved |= open_barrier(w, WARP, AT_WARP, &found);
        if (found) return found;
        if (!moved) {
            for (unsigned t = 0; t < threads; t++)
                if (of_thread[t] && of_thread[t]->waiting == AT_WARP) return LANES_MISSING;
            return BARRIER_MISSED;
        }
    }
    return FINE;
}

static int run(void (*k)(const void *), unsigned blocks, unsigned block_threads, const void *words,
               unsigned seed) {
    kernel = k, arguments = words, threads = block_threads, dice = seed;
    blockDim.x = block_threads, gridDim.x = blocks;
    unsigned turn = roll(blocks);
    for (unsigned b = 0; b < blocks; b++) {
        blockIdx.x = (b + turn) % blocks;
        status found = run_block();
        if (found) return found;
    }
    return FINE;
}

// Each lane shows `count` words to its warp; returns after all have. The next but one exchange may
// write over them: by then every lane has been in the one between.
typedef const unsigned (*shown)[WORDS];
static shown show(const unsigned *words, unsigned count, unsigned site) {
    unsigned self = current->thread, turn = exchanges[self]++ % 2;
    memcpy(exchanged[turn][self], words, count * sizeof(unsigned));
    wait(AT_WARP, site);
    return exchanged[turn] + self / WARP * WARP;
}

INLINE int byte_of(unsigned word, int number, bool is_signed) {
    unsigned byte = word >> 8 * number & 255u;
    return is_signed ? (signed char)byte : (int)byte;
}

// m16n8k32 as hardware.cuh describes its fragments.
static void mma(int d[4], const unsigned a[4], const unsigned b[2], bool signed_a, bool signed_b) {
    unsigned words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    unsigned lane = threadIdx.x % WARP;
    shown of = show(words, 6, 1000);
    for (unsigned r = 0; r < 4; r++) {
        unsigned row = lane / 4 + 8 * (r / 2), column = lane % 4 * 2 + r % 2, sum = (unsigned)d[r];
        for (unsigned k = 0; k < 32; k++) {
            unsigned wa = of[row % 8 * 4 + k % 16 / 4][row / 8 + 2 * (k / 16)];
            unsigned wb = of[column * 4 + k % 16 / 4][4 + k / 16];
            int x = byte_of(wa, (int)k % 4, signed_a), y = byte_of(wb, (int)k % 4, signed_b);
            sum += (unsigned)(x * y);
        }
        d[r] = (int)sum;
    }
}

INLINE int dot4(unsigned a, unsigned b, int acc, bool signed_a, bool signed_b) {
    unsigned sum = (unsigned)acc;
    for (int i = 0; i < 4; i++) sum += (unsigned)(byte_of(a, i, signed_a) * byte_of(b, i, signed_b));
    return (int)sum;
}

}  // namespace emulator

#define KERNEL(name, threads, together, arguments)                                                \
    static void name(const arguments a);                                                          \
    static void name##_of(const void *words) { name(*(const arguments *)words); }                 \
    extern "C" int name##_run(unsigned blocks, const void *words, unsigned seed) {                \
        return emulator::run(name##_of, blocks, threads, words, seed);                            \
    }                                                                                             \
    static void name(const arguments a)

#define SIGNED_PAIR(signs, a_signed, b_signed)                                                    \
    INLINE void mma_##signs(int d[4], const unsigned a[4], const unsigned b[2]) {                 \
        emulator::mma(d, a, b, a_signed, b_signed);                                               \
    }                                                                                             \
    INLINE int dot4_##signs(unsigned a, unsigned b, int acc) {                                    \
        return emulator::dot4(a, b, acc, a_signed, b_signed);                                     \
    }
SIGNED_PAIR(s8s8, true, true)
SIGNED_PAIR(s8u8, true, false)
SIGNED_PAIR(u8s8, false, true)
SIGNED_PAIR(u8u8, false, false)

INLINE void __syncthreads() { emulator::wait(emulator::AT_BLOCK, 0); }
INLINE void __syncwarp() { emulator::wait(emulator::AT_WARP, 2000); }
INLINE unsigned __shfl_xor_sync(unsigned, unsigned value, int distance, int) {
    unsigned lane = threadIdx.x % emulator::WARP;
    return emulator::show(&value, 1, (unsigned)distance)[lane ^ (unsigned)distance][0];
}
INLINE unsigned long long atomicMin(unsigned long long *at, unsigned long long value) {
    unsigned long long before = *at;
    if (value < before) *at = value;
    return before;
}

INLINE unsigned opaque(unsigned x) {
    __asm__("" : "+r"(x));
    return x;
}
INLINE float __uint_as_float(unsigned x) {
    float f;
    memcpy(&f, &x, 4);
    return f;
}
INLINE unsigned __float_as_uint(float f) {
    unsigned x;
    memcpy(&x, &f, 4);
    return x;
}
INLINE float __fadd_rn(float a, float b) { return a + b; }
INLINE float __fsub_rn(float a, float b) { return a - b; }
INLINE float __fmul_rn(float a, float b) { return a * b; }
INLINE float __fdiv_rn(float a, float b) { return a / b; }
INLINE float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
INLINE float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE float __int2float_rn(int x) { return (float)x; }
INLINE float __uint2float_rn(unsigned x) { return (float)x; }
INLINE float __ll2float_rn(long long x) { return (float)x; }
INLINE float __ull2float_rn(unsigned long long x) { return (float)x; }

// The interpreter: runs a tape, step by step, on any number of workers.
#include "tape.h"
#include "float_mode.h"
#include "gemm.h"

// A spinning worker gives its core away after this many looks: steps are short, so waits are too.
#define SPINS 2000

INLINE void yield_core(void) {
#if defined(__linux__) && defined(__x86_64__)
    long call = 24;  // sched_yield
    __asm__ volatile("syscall" : "+a"(call) : : "rcx", "r11", "memory");
#elif defined(__linux__) && defined(__aarch64__)
    register long call __asm__("x8") = 124;  // sched_yield
    register long result __asm__("x0");
    __asm__ volatile("svc 0" : "=r"(result) : "r"(call) : "memory");
#endif
}

INLINE int32_t look(const int32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

// Waits for all workers; true where the run goes on. The last to arrive decides for everybody,
// so that no worker leaves while another waits for it.
static int meet(const machine *m) {
    run_state *s = m->state;
    int32_t generation = look(&s->generation);
    if (__atomic_add_fetch(&s->arrived, 1, __ATOMIC_ACQ_REL) == (int32_t)m->workers) {
        s->stop = look(&s->cancel) != 0 || __atomic_load_n(&s->fault, __ATOMIC_RELAXED) != 0;
        s->arrived = 0;
        __atomic_store_n(&s->generation, generation + 1, __ATOMIC_RELEASE);
    } else {
        for (int spins = 0; look(&s->generation) == generation; spins++)
            if (spins >= SPINS) yield_core();
    }
    return s->stop == 0;
}

// The step behind; joined steps are two.
INLINE const step *behind(const step *s) { return (const step *)((const int64_t *)s + s->words); }

// Runs a step; returns the next.
static const step *run_step(const machine *m, const step *s) {
    int joined = 0;
    switch (s->kind) {
        case STEP_ROWS: run_rows(m, (const rows_step *)s); break;
        case STEP_MATMUL:
            run_matmul(m, (const matmul_step *)s);
            joined = ((const matmul_step *)s)->joined != 0;
            break;
        case STEP_TAPS:
            run_taps(m, (const taps_step *)s);
            joined = ((const taps_step *)s)->joined != 0;
            break;
        case STEP_PACK: run_pack(m, (const pack_step *)s); break;
        case STEP_COPY: run_copy(m, (const copy_step *)s); break;
        case STEP_MOVE: run_move(m, (const move_step *)s); break;
        case STEP_REDUCE: run_reduce(m, (const reduce_step *)s); break;
        case STEP_GATHER: run_gather(m, (const gather_step *)s); break;
        case STEP_IOTA: run_iota(m, (const iota_step *)s); break;
        case STEP_SCATTER: run_scatter(m, (const scatter_step *)s); break;
        case STEP_RANK: run_rank(m, (const rank_step *)s); break;
        case STEP_RANDOM: run_random(m, (const random_step *)s); break;
        case STEP_MATMUL_BYTES: run_matmul_bytes(m, (const matmul_bytes_step *)s); break;
        case STEP_PACK_BYTES: run_pack_bytes(m, (const pack_bytes_step *)s); break;
        default: __builtin_trap();
    }
    return joined ? behind(behind(s)) : behind(s);
}

// Runs this worker's share of the tape. 0: done. 1: stopped, `state` says why.
EXPORT(aivm_run)
int32_t aivm_run(run_state *state, const int64_t *tape, const int64_t *end, char *scratch,
                 int32_t worker, int32_t workers) {
    const machine m = {state, scratch, worker, workers};
    float_mode caller = float_mode_enter();
    int going = meet(&m);
    for (const step *s = (const step *)tape; going && s < (const step *)end; going = meet(&m))
        s = run_step(&m, s);
    float_mode_leave(caller);
    return !going;
}

// Columns of a panel of a packed matrix: the host reserves memory by it.
EXPORT(aivm_panel_columns)
int32_t aivm_panel_columns(void) { return GEMM_NR; }

// Scratch that a matrix product needs for each worker.
EXPORT(aivm_matmul_scratch_bytes)
int32_t aivm_matmul_scratch_bytes(void) { return GEMM_SCRATCH * (int32_t)sizeof(float); }

// 0 where the calling thread computes as numerics 1 wants: fused multiply-add, to nearest,
// subnormals kept on both sides. Anything else names what is wrong, as a sum of bits.
EXPORT(aivm_canary)
int32_t aivm_canary(void) {
    volatile float one_up = 0x1.001p0f, tiny = 0x1p-149f, smallest = 0x1p-126f, third = 3.0f;
    vf x = SPLAT(one_up);
    int32_t wrong = 0;
    if (FMA(x, x, SPLAT(-0x1.002p0f))[0] != 0x1p-24f) wrong |= 1;  // not fused
    if (MUL(SPLAT(smallest), SPLAT(0.5f * one_up))[0] == 0.0f) wrong |= 2;  // results flushed
    if (MUL(SPLAT(tiny), SPLAT(0x1p126f))[0] == 0.0f) wrong |= 4;  // operands flushed
    if (DIV(SPLAT(1.0f), SPLAT(third))[0] != 0x1.555556p-2f) wrong |= 8;  // rounds down
    if (DIV(SPLAT(2.0f), SPLAT(third))[0] != 0x1.555556p-1f) wrong |= 8;
    if (ADD(SPLAT(-one_up), SPLAT(-0x1p-24f))[0] != -0x1.001p0f) wrong |= 8;  // rounds away below
    if (ADD(SPLAT(one_up), SPLAT(0x1p-24f))[0] != 0x1.001p0f) wrong |= 8;
    if (DIV(SPLAT(5.0f), SPLAT(third))[0] != 0x1.aaaaaap0f) wrong |= 8;  // rounds up
    return wrong;
}

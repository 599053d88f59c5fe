// The tape: one inference as a flat run of steps, written by the host (src/aivm/engines/plan).
//
// Every step is a run of 64-bit words: the header, then the fields of its struct below, in order.
// Addresses are absolute, strides count bytes unless a comment says elements, and a worker does its
// share of the outputs of each step; no share ever splits the work on one output element, so the
// number of workers changes no bit. Every NaN in memory is canonical: the host sees to it for
// inputs and constants, each step for its results; so what only moves elements copies their bits.
#pragma once
#include "platform.h"

#define AIVM_AXES 8

enum step_kind {
    STEP_ROWS = 1,
    STEP_MATMUL = 2,
    STEP_PACK = 3,
    STEP_COPY = 4,
    STEP_MOVE = 5,
    STEP_REDUCE = 6,
    STEP_GATHER = 7,
    STEP_IOTA = 8,
    STEP_SCATTER = 9,
    STEP_RANK = 10,
    STEP_RANDOM = 11,
    STEP_MATMUL_BYTES = 12,
    STEP_PACK_BYTES = 13,
    STEP_TAPS = 14,
};

typedef struct {
    int64_t kind;
    int64_t words;        // of the whole step, this header included
    int64_t instruction;  // the one to blame in a fault
} step;

// What all workers of one run share. The host zeroes it before a run, and may set `cancel` later.
typedef struct {
    int32_t cancel;      // host: stop before the next step
    int32_t stop;        // workers: agreed at the last barrier to go no further
    int32_t arrived;     // workers at the barrier
    int32_t generation;  // barriers passed
    int64_t fault;       // 0, or 1 + the instruction that met an index outside its axis
} run_state;

typedef struct {
    run_state *state;
    char *scratch;       // this worker's own, 64-byte aligned
    isize worker, workers;
} machine;

// This worker's share of `units`, as the range [*first, *last).
INLINE void share(const machine *m, isize units, isize *first, isize *last) {
    *first = units * m->worker / m->workers;
    *last = units * (m->worker + 1) / m->workers;
}

// Elements from the first matrix to matrix `index` of a batch of these sizes.
INLINE isize batch_offset(isize index, isize rank, const int64_t *sizes, const int64_t *steps) {
    isize offset = 0;
    for (isize axis = rank - 1; axis >= 0; axis--) {
        offset += index % (isize)sizes[axis] * (isize)steps[axis];
        index /= (isize)sizes[axis];
    }
    return offset;
}

INLINE isize batch_count(isize rank, const int64_t *sizes) {
    isize count = 1;
    for (isize axis = 0; axis < rank; axis++) count *= (isize)sizes[axis];
    return count;
}

// Whether the host has asked to stop: a long step may then end early, on any worker.
INLINE int is_cancelled(const machine *m) {
    return __atomic_load_n(&m->state->cancel, __ATOMIC_RELAXED) != 0;
}

// A fused run of elementwise functions and row reductions, see rows.c.
typedef struct {
    step head;
    int64_t rows, rank, sizes[AIVM_AXES];  // rows = product of sizes[0..rank)
    int64_t length;                        // elements in a row
    int64_t chunk;                         // done at a time; == length where a reduction needs it
    int64_t block;                         // rows done together; 1 where a chunk is less than a row
    int64_t slots, ops;
    int64_t tail[];                        // row_slot[slots], then row_op[ops]
} rows_step;

typedef struct {
    int64_t memory;              // 1: an operand or result in memory; 0: in scratch; 2: the rows
                                 // that the step before hands over
    int64_t address;             // or offset in scratch
    int64_t bytes;               // of an element
    int64_t element_step;        // bytes from one element of a row to the next; 0 for a row scalar
    int64_t row_step;            // bytes from one row of a block to the next
    int64_t steps[AIVM_AXES];    // bytes, one an outer axis
} row_slot;

enum row_kind {
    ROW_MAP = 1,
    ROW_ARITHMETIC = 2,  // ADD, SUB, MUL, DIV, MIN, MAX of f32
    ROW_CAST = 3,
    ROW_LOAD = 4,
    ROW_REDUCE = 5,
    ROW_CANONICAL = 6,
};

typedef struct {
    int64_t kind;
    int64_t function;   // map, reduce: ISA code
    int64_t dtype;      // of the operands (select: of the choices)
    int64_t to;         // cast: dtype of the result; arithmetic: 1 to store canonical
    int64_t one;        // arithmetic: 1, 2: the first, second operand is one number for all
    int64_t scalar;     // 1: one element a row, not a chunk
    int64_t once;       // 1: the operand never changes, so once a step is enough
    int64_t out, in[3]; // slots
} row_op;

// A step that computes rows may be *joined* to the ROWS step behind it: it then computes `joined`
// rows at a time into scratch, at offset `c`, and has the ROWS step, whose own scratch begins at
// offset `rows_scratch`, take them over while they are in cache. 0: all rows, to address `c`.

// c[..., i, j] = chain over k of a[..., i, k] * b[..., k, j]. All strides here count elements.
typedef struct {
    step head;
    int64_t joined, rows_scratch;
    int64_t m, n, k;
    int64_t a, a_row, a_col;
    int64_t width, a_line, offsets;  // where A is not all rows and columns apart, see gemm.h; or 0
    int64_t packed;              // address, or 0
    int64_t b, b_row, b_col;
    int64_t c, c_row;
    int64_t rank, sizes[AIVM_AXES];
    int64_t a_steps[AIVM_AXES];
    int64_t b_steps[AIVM_AXES];  // of packed, if there is one
    int64_t c_steps[AIVM_AXES];
} matmul_step;

// Packs the matrices b[..., k, n] one after another. Strides count elements.
typedef struct {
    step head;
    int64_t packed, b, b_row, b_col, k, n;
    int64_t rank, sizes[AIVM_AXES], b_steps[AIVM_AXES];
} pack_step;

// target[index] = source[index]: any strides on both sides.
typedef struct {
    step head;
    int64_t element;             // bytes: 1, 2, 4 or 8
    int64_t target, source;
    int64_t rank, sizes[AIVM_AXES], target_steps[AIVM_AXES], source_steps[AIVM_AXES];
} copy_step;

// A walk that may leave the source, where it finds `fill`. The target is dense.
typedef struct {
    step head;
    int64_t element;
    int64_t target, source, fill;
    int64_t rank, sizes[AIVM_AXES];
    int64_t axes[AIVM_AXES], steps[AIVM_AXES];         // of the walk, in source coordinates
    int64_t axis_count, bounds[AIVM_AXES], origins[AIVM_AXES], strides[AIVM_AXES];  // of the source
} move_step;

// c[i, j] = over t, ascending: of a[i, t, j], by `function` (an ISA code), or, where that is 0, the
// chain of a[i, t, j] * b[t, j]. Place i is where the walk over the axes says, tap t `offsets[t]`
// elements from there. Strides count elements, and along j are one; b and c are dense.
typedef struct {
    step head;
    int64_t joined, rows_scratch;
    int64_t function;
    int64_t c, a, b;
    int64_t n, taps, offsets;    // int32_t offsets[taps]
    int64_t places, rank, sizes[AIVM_AXES], steps[AIVM_AXES];
} taps_step;

// (outer, length, inner) to (outer, inner); the innermost stride is one element.
typedef struct {
    step head;
    int64_t function, dtype;
    int64_t target, source;
    int64_t outer, length, inner;
    int64_t outer_step, length_step;
} reduce_step;

// target[o, j, i] = data[o, index[j], i], all dense; `inner` counts bytes.
typedef struct {
    step head;
    int64_t target, data, index, index_bytes;
    int64_t outer, size, count, inner;
} gather_step;

// (outer, length, inner): start + step * index, wrapping.
typedef struct {
    step head;
    int64_t target, element;
    int64_t outer, length, inner, start, step;
} iota_step;

// target[o, index[j], i] = f(target[o, index[j], i], updates[o, j, i]), j ascending; all dense.
// The target holds the data already.
typedef struct {
    step head;
    int64_t function, dtype;     // ISA codes
    int64_t target, index, index_bytes, updates;
    int64_t outer, size, count, inner;
} scatter_step;

// The place of every element in its sorted line (outer, :, inner); all dense.
typedef struct {
    step head;
    int64_t dtype, descending;
    int64_t target, source;
    int64_t outer, length, inner;
} rank_step;

// target[j] = word j mod 4 of block j div 4 of Philox 4x32-10 under seed (key, stream).
typedef struct {
    step head;
    int64_t target, seed, elements;
} random_step;

// c[..., i, j] = wrapping sum over k of a[..., i, k] * b[..., k, j]: bytes in, i32 out. Strides count
// elements (of `packed`, 32-bit words); *_signed tells I8 from U8.
typedef struct {
    step head;
    int64_t m, n, k;
    int64_t a, a_signed, a_row, a_col;
    int64_t packed, b_signed;
    int64_t c, c_row;
    int64_t rank, sizes[AIVM_AXES];
    int64_t a_steps[AIVM_AXES];
    int64_t b_steps[AIVM_AXES];
    int64_t c_steps[AIVM_AXES];
} matmul_bytes_step;

// Packs the matrices of bytes b[..., k, n] for it, one after another.
typedef struct {
    step head;
    int64_t packed, b, a_signed, b_signed, b_row, b_col, k, n;
    int64_t rank, sizes[AIVM_AXES], b_steps[AIVM_AXES];
} pack_bytes_step;

void run_rows(const machine *m, const rows_step *s);
void run_matmul(const machine *m, const matmul_step *s);
void run_taps(const machine *m, const taps_step *s);
void run_pack(const machine *m, const pack_step *s);
void run_copy(const machine *m, const copy_step *s);
void run_move(const machine *m, const move_step *s);
void run_reduce(const machine *m, const reduce_step *s);
void run_gather(const machine *m, const gather_step *s);
void run_iota(const machine *m, const iota_step *s);
void run_scatter(const machine *m, const scatter_step *s);
void run_rank(const machine *m, const rank_step *s);
void run_random(const machine *m, const random_step *s);
void run_matmul_bytes(const machine *m, const matmul_bytes_step *s);
void run_pack_bytes(const machine *m, const pack_bytes_step *s);

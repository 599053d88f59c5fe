// Fused rows: a small program of elementwise functions and row reductions, run row by row on
// operands that stay in the first-level cache.
//
// Softmax, layer norm, bias + GELU, residual additions are all one step each. The program's values
// are *slots*: runs of elements in scratch, or windows of operands and results in memory that move
// along with the row. A reduction's result is a row scalar; LOAD spreads it where a function wants
// a full row. Fusing changes no bit: each slot goes through the same functions in the same order as
// if it had been stored.
#include "rows.h"

enum place { IN_SCRATCH, IN_MEMORY, HANDED_OVER };  // of a slot

typedef rows_run cursor;

static void start(cursor *c, isize row, isize begin, char *handed) {
    const rows_step *s = c->step;
    const isize first = row;
    c->moving_count = 0;
    for (isize axis = (isize)s->rank - 1; axis >= 0; axis--) {
        c->index[axis] = row % (isize)s->sizes[axis];
        row /= (isize)s->sizes[axis];
    }
    for (isize i = 0; i < (isize)s->slots; i++) {
        const row_slot *slot = &c->slots[i];
        if (slot->memory == IN_SCRATCH) {
            c->at[i] = c->scratch + slot->address;
            continue;
        }
        // Rows that are handed over are dense: all of them would begin before the first of these.
        c->at[i] = slot->memory == IN_MEMORY
                       ? (char *)(intptr_t)slot->address
                       : handed - first * (isize)s->length * (isize)slot->bytes;
        c->moving[c->moving_count++] = i;
        c->at[i] += begin * (isize)slot->element_step;
        for (isize axis = 0; axis < (isize)s->rank; axis++)
            c->at[i] += c->index[axis] * (isize)slot->steps[axis];
    }
}

// Along the row, by a number of elements that may be negative.
static void move_along(cursor *c, isize elements) {
    for (isize k = 0; k < c->moving_count; k++) {
        isize i = c->moving[k];
        c->at[i] += elements * (isize)c->slots[i].element_step;
    }
}

// A number of rows on, all within the last outer axis or exactly to its end.
static void next_rows(cursor *c, const rows_step *s, isize by) {
    for (isize axis = (isize)s->rank - 1; axis >= 0; axis--) {
        isize size = (isize)s->sizes[axis];
        int wraps = (c->index[axis] += by) == size;
        if (wraps) by -= size;
        for (isize k = 0; k < c->moving_count; k++) {
            isize i = c->moving[k];
            c->at[i] += by * (isize)c->slots[i].steps[axis];
        }
        if (!wraps) return;
        c->index[axis] = 0;
        by = 1;
    }
}

// Copies n elements that lie `step` bytes apart.
static void load(char *out, const char *a, isize step, isize bytes, isize n) {
#define LOAD(type) \
    for (isize i = 0; i < n; i++) ((type *)out)[i] = *(const type *)(a + i * step)
#define SPREAD(type)                       \
    do {                                   \
        type x = *(const type *)a;         \
        for (isize i = 0; i < n; i++) ((type *)out)[i] = x; \
    } while (0)
    if (step == 0) {
        switch (bytes) {
            case 1: SPREAD(uint8_t); break;
            case 2: SPREAD(uint16_t); break;
            case 4: SPREAD(uint32_t); break;
            default: SPREAD(uint64_t);
        }
        return;
    }
    switch (bytes) {
        case 1: LOAD(uint8_t); break;
        case 2: LOAD(uint16_t); break;
        case 4: LOAD(uint32_t); break;
        default: LOAD(uint64_t);
    }
}

// Whether a slot's rows of n elements lie one after another.
INLINE int is_dense(const row_slot *slot, isize n) { return slot->row_step == n * slot->bytes; }

// Row by row anyway: what reduces, and what reads elements apart from one another.
static int joins(const row_op *op, const row_slot *slots, isize n) {
    if (op->kind == ROW_REDUCE || op->kind == ROW_LOAD || !is_dense(&slots[op->out], n)) return 0;
    for (int i = 0; i < 3; i++) {
        int one = op->kind == ROW_ARITHMETIC && op->one == i + 1;
        if (one ? slots[op->in[i]].row_step != 0 : !is_dense(&slots[op->in[i]], n)) {
            // An arithmetic operation has two operands, the third word repeats the first.
            if (!(op->kind == ROW_ARITHMETIC && i == 2)) return 0;
        }
    }
    return 1;
}

static ready_op make_ready(const row_op *op, const row_slot *slots, isize length) {
    ready_op r = {.op = op, .out_step = (isize)slots[op->out].row_step};
    for (int i = 0; i < 3; i++) r.in_step[i] = (isize)slots[op->in[i]].row_step;
    r.in_element_step = (isize)slots[op->in[0]].element_step;
    r.bytes = (isize)slots[op->out].bytes;
    r.joined = joins(op, slots, op->scalar ? 1 : length);
    if (op->kind == ROW_MAP) r.map = find_map(op->function, op->dtype);
    if (op->kind == ROW_ARITHMETIC) r.map = find_arithmetic_f32(op->function, op->one, op->to);
    if (op->kind == ROW_REDUCE) r.reduce = find_reduction(op->function, op->dtype);
    return r;
}

static void run_op(const ready_op *r, const cursor *c, isize rows, isize n) {
    const row_op *op = r->op;
    char *out = c->at[op->out];
    const char *x = c->at[op->in[0]], *y = c->at[op->in[1]], *z = c->at[op->in[2]];
    if (op->scalar) n = 1;
    if (r->joined) n *= rows, rows = 1;
    for (; rows > 0; rows--) {
        switch (op->kind) {
            case ROW_MAP:
            case ROW_ARITHMETIC: r->map(out, x, y, z, n); break;
            case ROW_CAST: cast_elements(op->dtype, op->to, out, x, n); break;
            case ROW_LOAD: load(out, x, r->in_element_step, r->bytes, n); break;
            case ROW_REDUCE: r->reduce(out, x, n, r->in_element_step); break;
            default: canonical_f32(out, n);
        }
        out += r->out_step, x += r->in_step[0], y += r->in_step[1], z += r->in_step[2];
    }
}

// What never changes from row to row, unless it has been done.
static void run_once(cursor *c, isize rows, isize n) {
    for (isize i = 0; i < (isize)c->step->ops && !c->begun; i++)
        if (c->ops[i].op->once) run_op(&c->ops[i], c, rows, n);
    c->begun = 1;
}

// Chunks [first, last) of all rows, one a turn.
static void run_chunks(cursor *c, isize first, isize last, char *handed) {
    const rows_step *s = c->step;
    isize chunk = (isize)s->chunk, length = (isize)s->length, count = (isize)s->ops;
    isize chunks = (length + chunk - 1) / chunk, begin = first % chunks * chunk;
    if (first >= last) return;
    start(c, first / chunks, begin, handed);
    run_once(c, 1, chunk);
    for (isize unit = first; unit < last; unit++) {
        isize n = smaller(chunk, length - begin);
        for (isize i = 0; i < count; i++)
            if (!c->ops[i].op->once) run_op(&c->ops[i], c, 1, n);
        int ends = begin + chunk >= length;
        move_along(c, ends ? -begin : chunk);
        begin = ends ? 0 : begin + chunk;
        if (ends) next_rows(c, s, 1);
    }
}

// Whole rows, a block of them a turn: chains of operations of several rows overlap in the CPU.
static void run_blocks(cursor *c, isize row, isize last, char *handed) {
    const rows_step *s = c->step;
    isize length = (isize)s->length, block = (isize)s->block, count = (isize)s->ops;
    if (row >= last) return;
    start(c, row, 0, handed);
    run_once(c, block, length);
    while (row < last) {
        isize rows = smaller(block, last - row), axis = (isize)s->rank - 1;
        if (axis >= 0) rows = smaller(rows, (isize)s->sizes[axis] - c->index[axis]);
        for (isize i = 0; i < count; i++)
            if (!c->ops[i].op->once) run_op(&c->ops[i], c, rows, length);
        next_rows(c, s, rows);
        row += rows;
    }
}

void rows_begin(rows_run *r, const rows_step *s, char *scratch) {
    r->step = s;
    r->scratch = scratch;
    r->begun = 0;
    r->slots = (const row_slot *)s->tail;
    const row_op *op = (const row_op *)(r->slots + s->slots);
    for (isize i = 0; i < (isize)s->ops; i++)
        r->ops[i] = make_ready(&op[i], r->slots, (isize)s->length);
}

INLINE isize chunks_of(const rows_step *s) {
    return ((isize)s->length + (isize)s->chunk - 1) / (isize)s->chunk;
}

void rows_range(rows_run *r, isize first, isize last, char *handed) {
    const isize chunks = chunks_of(r->step);
    if (chunks > 1) run_chunks(r, first * chunks, last * chunks, handed);
    else run_blocks(r, first, last, handed);
}

void run_rows(const machine *m, const rows_step *s) {
    const isize chunks = chunks_of(s);
    isize first, last;
    rows_run r;
    rows_begin(&r, s, m->scratch);
    share(m, (isize)s->rows * chunks, &first, &last);
    if (chunks > 1) run_chunks(&r, first, last, NULL);
    else run_blocks(&r, first, last, NULL);
}

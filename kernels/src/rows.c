// Fused rows: a small program of elementwise functions and row reductions, run row by row on
// operands that stay in the first-level cache.
//
// Softmax, layer norm, bias + GELU, residual additions are all one step each. The program's values
// are *slots*: runs of elements in scratch, or windows of operands and results in memory that move
// along with the row. A reduction's result is a row scalar; LOAD spreads it where a function wants
// a full row. Fusing changes no bit: each slot goes through the same functions in the same order as
// if it had been stored.
#include "map.h"
#include "tape.h"

// The planner fuses at most 24 nodes: each has a result and three operands, which may have to be
// loaded, and may be made canonical.
#define SLOTS_MAX (24 * 7)
#define OPS_MAX (24 * 5)

typedef struct {
    char *at[SLOTS_MAX];     // of the current chunk of the current row
    isize moving[SLOTS_MAX]; // the slots in memory
    isize moving_count;
    isize index[AIVM_AXES];  // of the current row
    const row_slot *slots;
} cursor;

static void start(cursor *c, const rows_step *s, char *scratch, isize row, isize begin) {
    c->slots = (const row_slot *)s->tail;
    c->moving_count = 0;
    for (isize axis = (isize)s->rank - 1; axis >= 0; axis--) {
        c->index[axis] = row % (isize)s->sizes[axis];
        row /= (isize)s->sizes[axis];
    }
    for (isize i = 0; i < (isize)s->slots; i++) {
        const row_slot *slot = &c->slots[i];
        c->at[i] = slot->memory ? (char *)(intptr_t)slot->address : scratch + slot->address;
        if (!slot->memory) continue;
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

// An operation, made ready for many blocks of rows.
typedef struct {
    const row_op *op;
    union {
        map_kernel *map;
        row_kernel *reduce;
    };
    isize out_step, in_step[3];  // bytes from row to row
    isize in_element_step, bytes;
    int joined;  // the rows of a block follow one another: one call does them all
} ready_op;

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

// Rows cut into chunks, one chunk a turn.
static void run_chunks(const machine *m, const rows_step *s, const ready_op *ops, cursor *c) {
    isize chunk = (isize)s->chunk, length = (isize)s->length, count = (isize)s->ops, first, last;
    isize chunks = (length + chunk - 1) / chunk;
    share(m, (isize)s->rows * chunks, &first, &last);
    if (first >= last) return;
    isize begin = first % chunks * chunk;
    start(c, s, m->scratch, first / chunks, begin);
    for (isize i = 0; i < count; i++)
        if (ops[i].op->once) run_op(&ops[i], c, 1, chunk);
    for (isize unit = first; unit < last; unit++) {
        isize n = smaller(chunk, length - begin);
        for (isize i = 0; i < count; i++)
            if (!ops[i].op->once) run_op(&ops[i], c, 1, n);
        int ends = begin + chunk >= length;
        move_along(c, ends ? -begin : chunk);
        begin = ends ? 0 : begin + chunk;
        if (ends) next_rows(c, s, 1);
    }
}

// Whole rows, a block of them a turn: chains of operations of several rows overlap in the CPU.
static void run_blocks(const machine *m, const rows_step *s, const ready_op *ops, cursor *c) {
    isize length = (isize)s->length, block = (isize)s->block, count = (isize)s->ops, row, last;
    share(m, (isize)s->rows, &row, &last);
    if (row >= last) return;
    start(c, s, m->scratch, row, 0);
    for (isize i = 0; i < count; i++)
        if (ops[i].op->once) run_op(&ops[i], c, block, length);
    while (row < last) {
        isize rows = smaller(block, last - row), axis = (isize)s->rank - 1;
        if (axis >= 0) rows = smaller(rows, (isize)s->sizes[axis] - c->index[axis]);
        for (isize i = 0; i < count; i++)
            if (!ops[i].op->once) run_op(&ops[i], c, rows, length);
        next_rows(c, s, rows);
        row += rows;
    }
}

void run_rows(const machine *m, const rows_step *s) {
    const row_slot *slots = (const row_slot *)s->tail;
    const row_op *op = (const row_op *)(slots + s->slots);
    ready_op ops[OPS_MAX];
    cursor c;
    for (isize i = 0; i < (isize)s->ops; i++) ops[i] = make_ready(&op[i], slots, (isize)s->length);
    if (s->chunk < s->length) run_chunks(m, s, ops, &c);
    else run_blocks(m, s, ops, &c);
}

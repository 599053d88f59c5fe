// Fused rows: a small program of elementwise functions and row reductions, run row by row on
// operands that stay in the first-level cache.
//
// Softmax, layer norm, bias + GELU, residual additions are all one step each. The program's values
// are *slots*: runs of elements in scratch, or windows of operands and results in memory that move
// along with the row. A reduction's result is a row scalar; LOAD spreads it when a function wants it
// next to full rows. Fusing changes no bit: each slot goes through the same functions in the same
// order as if it had been stored.
#include "map.h"
#include "tape.h"

#define SLOTS_MAX 96

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

static void next_row(cursor *c, const rows_step *s) {
    for (isize axis = (isize)s->rank - 1; axis >= 0; axis--) {
        isize size = (isize)s->sizes[axis];
        int wraps = ++c->index[axis] == size;
        isize by = wraps ? 1 - size : 1;
        for (isize k = 0; k < c->moving_count; k++) {
            isize i = c->moving[k];
            c->at[i] += by * (isize)c->slots[i].steps[axis];
        }
        if (!wraps) return;
        c->index[axis] = 0;
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

typedef union {
    map_kernel *map;
    row_kernel *reduce;
} kernel;

static kernel find(const row_op *op) {
    if (op->kind == ROW_MAP) return (kernel){.map = find_map(op->function, op->dtype)};
    if (op->kind == ROW_ARITHMETIC)
        return (kernel){.map = find_arithmetic_f32(op->function, op->one, op->to)};
    if (op->kind == ROW_REDUCE) return (kernel){.reduce = find_reduction(op->function, op->dtype)};
    return (kernel){NULL};
}

static void run_op(const row_op *op, kernel k, const cursor *c, isize n) {
    char *out = c->at[op->out];
    const char *a = c->at[op->in[0]];
    if (op->scalar) n = 1;
    switch (op->kind) {
        case ROW_MAP:
        case ROW_ARITHMETIC: k.map(out, a, c->at[op->in[1]], c->at[op->in[2]], n); break;
        case ROW_CAST: cast_elements(op->dtype, op->to, out, a, n); break;
        case ROW_LOAD:
            load(out, a, (isize)c->slots[op->in[0]].element_step, (isize)op->function, n);
            break;
        case ROW_REDUCE:
            k.reduce(out, a, n, (isize)c->slots[op->in[0]].element_step);
            break;
        default: canonical_f32(out, n);
    }
}

void run_rows(const machine *m, const rows_step *s) {
    const row_op *ops = (const row_op *)((const row_slot *)s->tail + s->slots);
    isize chunk = (isize)s->chunk, length = (isize)s->length, count = (isize)s->ops;
    isize chunks = (length + chunk - 1) / chunk, first, last;
    kernel kernels[SLOTS_MAX];
    cursor c;
    for (isize i = 0; i < count; i++) kernels[i] = find(&ops[i]);
    share(m, (isize)s->rows * chunks, &first, &last);
    if (first >= last) return;
    isize begin = first % chunks * chunk;
    start(&c, s, m->scratch, first / chunks, begin);
    // What is done once serves full chunks, whatever the length of the first.
    for (isize i = 0; i < count; i++)
        if (ops[i].once) run_op(&ops[i], kernels[i], &c, chunk);
    for (isize unit = first; unit < last; unit++) {
        isize n = smaller(chunk, length - begin);
        for (isize i = 0; i < count; i++)
            if (!ops[i].once) run_op(&ops[i], kernels[i], &c, n);
        if (chunks > 1) move_along(&c, begin + chunk >= length ? -begin : chunk);
        begin += chunk;
        if (begin >= length) {
            begin = 0;
            next_row(&c, s);
        }
    }
}

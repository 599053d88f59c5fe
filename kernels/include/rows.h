// Rows on their way through a ROWS step, a range at a time: by the step itself, or by the one before
// it, which hands its rows over while they are in cache.
#pragma once
#include "map.h"
#include "tape.h"

// The planner fuses at most 24 nodes: each has a result and three operands, which may have to be
// loaded, and may be made canonical.
#define SLOTS_MAX (24 * 7)
#define OPS_MAX (24 * 5)

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

typedef struct {
    const rows_step *step;
    char *scratch;
    int begun;                // what is done once a step has been done
    ready_op ops[OPS_MAX];
    char *at[SLOTS_MAX];      // of the current chunk of the current row
    isize moving[SLOTS_MAX];  // the slots in memory
    isize moving_count;
    isize index[AIVM_AXES];   // of the current row
    const row_slot *slots;
} rows_run;

void rows_begin(rows_run *r, const rows_step *s, char *scratch);

// Rows [first, last); `handed` is where the first of them lies that was handed over.
void rows_range(rows_run *r, isize first, isize last, char *handed);

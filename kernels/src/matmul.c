// Batched f32 matrix products: which worker does which rectangle of which matrix.
#include "gemm.h"
#include "rows.h"

#define ROW_BLOCK 48         // rows of C that stay together: a whole number of every kernel's tile
#define ROWS_AT_ONCE 384     // between two looks at whether to go on

static gemm batch_matrix(const matmul_step *s, isize index) {
    isize a = batch_offset(index, (isize)s->rank, s->sizes, s->a_steps);
    isize b = batch_offset(index, (isize)s->rank, s->sizes, s->b_steps);
    isize c = batch_offset(index, (isize)s->rank, s->sizes, s->c_steps);
    return (gemm){
        .a = (const float *)(intptr_t)s->a + a, .a_row = (isize)s->a_row, .a_col = (isize)s->a_col,
        .packed = s->packed ? (const float *)(intptr_t)s->packed + b : NULL,
        .b = s->packed ? NULL : (const float *)(intptr_t)s->b + b,
        .b_row = (isize)s->b_row, .b_col = (isize)s->b_col,
        .c = (float *)(intptr_t)s->c + c, .c_row = (isize)s->c_row,
        .k = (isize)s->k, .n = (isize)s->n,
        .width = (isize)s->width, .a_line = (isize)s->a_line,
        .offsets = (const int32_t *)(intptr_t)s->offsets,
    };
}

// Rows [m0, m1) of columns [n0, n1), unless the host wants the run to stop: its results are then
// never read.
static void run_rectangle(const machine *m, const gemm *g, isize m0, isize m1, isize n0, isize n1) {
    for (; m0 < m1; m0 += ROWS_AT_ONCE) {
        if (is_cancelled(m)) return;
        gemm_run(g, m0, smaller(m0 + ROWS_AT_ONCE, m1), n0, n1, (float *)m->scratch);
    }
}

// A product with few rows and many columns is cut by columns, else by rows.
static void run_one(const machine *m, const gemm *g, isize rows) {
    isize first, last;
    isize row_blocks = (rows + ROW_BLOCK - 1) / ROW_BLOCK;
    isize panels = (g->n + GEMM_NR - 1) / GEMM_NR;
    if (row_blocks >= 4 * m->workers || row_blocks >= panels) {
        share(m, row_blocks, &first, &last);
        run_rectangle(m, g, first * ROW_BLOCK, smaller(last * ROW_BLOCK, rows), 0, g->n);
    } else {
        share(m, panels, &first, &last);
        if (first < last)
            run_rectangle(m, g, 0, rows, first * GEMM_NR, smaller(last * GEMM_NR, g->n));
    }
}

// Blocks of rows, each taken over by the ROWS step behind at once.
static void run_joined(const machine *m, const matmul_step *s, isize batch) {
    const isize rows = (isize)s->m, block = (isize)s->joined, n = (isize)s->n;
    const isize blocks = (rows + block - 1) / block;
    char *c = m->scratch + s->c;
    isize first, last;
    rows_run taker;
    rows_begin(&taker, (const rows_step *)((const int64_t *)s + s->head.words),
               m->scratch + s->rows_scratch);
    share(m, batch * blocks, &first, &last);
    for (isize unit = first; unit < last && !is_cancelled(m); unit++) {
        const isize index = unit / blocks, row = unit % blocks * block;
        const isize end = smaller(row + block, rows);
        gemm g = batch_matrix(s, index);
        g.c = (float *)c - row * n;
        gemm_run(&g, row, end, 0, n, (float *)m->scratch);
        rows_range(&taker, index * rows + row, index * rows + end, c);
    }
}

void run_matmul(const machine *m, const matmul_step *s) {
    isize batch = batch_count((isize)s->rank, s->sizes), first, last;
    if (s->joined) {
        run_joined(m, s, batch);
        return;
    }
    if (batch >= 2 * m->workers || m->workers == 1) {
        share(m, batch, &first, &last);
        for (isize index = first; index < last; index++) {
            gemm g = batch_matrix(s, index);
            run_rectangle(m, &g, 0, (isize)s->m, 0, g.n);
        }
        return;
    }
    for (isize index = 0; index < batch; index++) {
        gemm g = batch_matrix(s, index);
        run_one(m, &g, (isize)s->m);
    }
}

void run_pack(const machine *m, const pack_step *s) {
    isize batch = batch_count((isize)s->rank, s->sizes), first, last;
    isize size = gemm_packed_floats((isize)s->k, (isize)s->n);
    share(m, batch, &first, &last);
    for (isize index = first; index < last; index++) {
        const float *b = (const float *)(intptr_t)s->b +
                         batch_offset(index, (isize)s->rank, s->sizes, s->b_steps);
        gemm_pack_b((float *)(intptr_t)s->packed + index * size, b, (isize)s->b_row,
                    (isize)s->b_col, (isize)s->k, (isize)s->n);
    }
}

// Batched products of bytes: which worker does which rectangle of which matrix.
#include "gemm_bytes.h"
#include "tape.h"

static gemm_bytes batch_matrix(const matmul_bytes_step *s, isize index) {
    isize rank = (isize)s->rank;
    return (gemm_bytes){
        .a = (const uint8_t *)(intptr_t)s->a + batch_offset(index, rank, s->sizes, s->a_steps),
        .a_row = (isize)s->a_row, .a_col = (isize)s->a_col,
        .a_signed = (int)s->a_signed, .b_signed = (int)s->b_signed,
        .packed =
            (const int32_t *)(intptr_t)s->packed + batch_offset(index, rank, s->sizes, s->b_steps),
        .c = (int32_t *)(intptr_t)s->c + batch_offset(index, rank, s->sizes, s->c_steps),
        .c_row = (isize)s->c_row, .k = (isize)s->k, .n = (isize)s->n,
    };
}

// One matrix, cut by rows where there are many, else by panels of columns.
static void run_one(const machine *m, const gemm_bytes *g, isize rows) {
    isize panels = (g->n + GEMM_NR - 1) / GEMM_NR, first, last;
    if (rows >= panels) {
        share(m, rows, &first, &last);
        bytes_run(g, first, last, 0, g->n, m->scratch);
        return;
    }
    share(m, panels, &first, &last);
    if (first < last)
        bytes_run(g, 0, rows, first * GEMM_NR, smaller(last * GEMM_NR, g->n), m->scratch);
}

void run_matmul_bytes(const machine *m, const matmul_bytes_step *s) {
    isize batch = batch_count((isize)s->rank, s->sizes), first, last;
    if (batch < 2 * m->workers && m->workers > 1) {
        for (isize index = 0; index < batch && !is_cancelled(m); index++) {
            gemm_bytes g = batch_matrix(s, index);
            run_one(m, &g, (isize)s->m);
        }
        return;
    }
    share(m, batch, &first, &last);
    for (isize index = first; index < last && !is_cancelled(m); index++) {
        gemm_bytes g = batch_matrix(s, index);
        bytes_run(&g, 0, (isize)s->m, 0, g.n, m->scratch);
    }
}

// Workers share the panels of all matrices.
void run_pack_bytes(const machine *m, const pack_bytes_step *s) {
    isize batch = batch_count((isize)s->rank, s->sizes), first, last;
    isize k = (isize)s->k, n = (isize)s->n;
    isize panels = (n + GEMM_NR - 1) / GEMM_NR;
    share(m, batch * panels, &first, &last);
    for (isize unit = first; unit < last && !is_cancelled(m); unit++) {
        isize matrix = unit / panels, j = unit % panels * GEMM_NR;
        int32_t *packed = (int32_t *)(intptr_t)s->packed + matrix * bytes_packed_words(k, n);
        const uint8_t *b = (const uint8_t *)(intptr_t)s->b +
                           batch_offset(matrix, (isize)s->rank, s->sizes, s->b_steps);
        bytes_pack_b(packed, b, (isize)s->b_row, (isize)s->b_col, k, n, j,
                     smaller(j + GEMM_NR, n), (int)s->a_signed, (int)s->b_signed);
    }
}

// Numbers of k in a word of a packed matrix of bytes: the host reserves memory by it.
EXPORT(aivm_bytes_group)
int32_t aivm_bytes_group(void) { return BYTES_GROUP; }

// Rows of A in the scratch of a worker: with the depth, they make its size.
EXPORT(aivm_bytes_scratch_rows)
int32_t aivm_bytes_scratch_rows(void) { return BYTES_BLOCK_ROWS; }

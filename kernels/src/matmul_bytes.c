// Matrix products of bytes: exact, summed in wrapping i32, so that any order gives the same bits.
#include "tape.h"

INLINE int32_t load_byte(const char *p, int64_t is_signed) {
    return is_signed ? *(const int8_t *)p : (int32_t) * (const uint8_t *)p;
}

// One row of C: each element of A's row meets a row of B.
static void product_row(const matmul_bytes_step *s, int32_t *c, const char *a, const char *b) {
    isize n = (isize)s->n, b_col = (isize)s->b_col;
    __builtin_memset(c, 0, (size_t)n * 4);
    for (isize k = 0; k < (isize)s->k; k++) {
        int32_t x = load_byte(a + k * (isize)s->a_col, s->a_signed);
        const char *row = b + k * (isize)s->b_row;
        for (isize j = 0; j < n; j++)
            c[j] = (int32_t)((uint32_t)c[j] + (uint32_t)(x * load_byte(row + j * b_col, s->b_signed)));
    }
}

void run_matmul_bytes(const machine *m, const matmul_bytes_step *s) {
    isize first, last, batch = 1, rows = (isize)s->m;
    for (isize axis = 0; axis < (isize)s->rank; axis++) batch *= (isize)s->sizes[axis];
    share(m, batch * rows, &first, &last);
    for (isize unit = first; unit < last && !is_cancelled(m); unit++) {
        isize a = unit % rows * (isize)s->a_row, b = 0, c = unit % rows * (isize)s->c_row;
        isize matrix = unit / rows;
        for (isize axis = (isize)s->rank - 1; axis >= 0; axis--) {
            isize i = matrix % (isize)s->sizes[axis];
            a += i * (isize)s->a_steps[axis];
            b += i * (isize)s->b_steps[axis];
            c += i * (isize)s->c_steps[axis];
            matrix /= (isize)s->sizes[axis];
        }
        product_row(s, (int32_t *)(intptr_t)s->c + c, (const char *)(intptr_t)s->a + a,
                    (const char *)(intptr_t)s->b + b);
    }
}

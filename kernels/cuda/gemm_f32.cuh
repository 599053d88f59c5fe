// C = A B in f32: one chain of fused multiply-adds per element of C, k ascending from +0.
//
// A block computes a tile of C. Slices of A and B, DEPTH deep, go through shared memory, two of
// each: while one is multiplied, the next is on its way through registers. Threads hold their
// part of the tile in registers from the first k to the last, so no sum is ever split; and the
// last slice stops at k exactly, because fma(0, 0, -0) is not -0.
//
// A warp covers 16*QM rows and 32*QN columns with lanes 4 x 8; a thread has QM x QN squares of 4x4.
struct matmul_arguments {
    const void *a, *b;
    void *c;
    i64 m, n, k;
    i64 a_row, a_col, b_row, b_col, c_row;  // steps in elements; those of C's columns are 1
    i64 batches;
    i64 sizes[6], a_step[6], b_step[6], c_step[6];
};

struct __align__(16) quad {
    float x[4];
};

INLINE int at_most(i64 x, int limit) { return x < limit ? (int)x : limit; }

// Where the matrices of one tile begin, and the tile's first row and column. Tiles of one block of
// eight rows of tiles follow one another, so that what they read is still in the L2 cache.
struct tile_place {
    i64 a, b, c, row, column;
};
INLINE tile_place find_tile(const matmul_arguments &g, i64 tile, int rows, int columns) {
    const i64 band = 8;
    i64 down = (g.m + rows - 1) / rows, across = (g.n + columns - 1) / columns;
    i64 batch = tile / (down * across), inside = tile % (down * across);
    i64 first = inside / (band * across) * band;
    i64 height = down - first < band ? down - first : band;
    i64 rest = inside - first * across;
    tile_place p = {0, 0, 0, (first + rest % height) * rows, rest / height * columns};
#pragma unroll
    for (int axis = 5; axis >= 0; axis--) {
        i64 at = batch % g.sizes[axis];
        batch /= g.sizes[axis];
        p.a += at * g.a_step[axis];
        p.b += at * g.b_step[axis];
        p.c += at * g.c_step[axis];
    }
    return p;
}

// One slice of an operand on its way to shared memory: `LINES` rows of A (columns of B), `DEPTH`
// steps of k. ALONG_K: neighbours in memory differ in k, else in the line. WIDE: 16 bytes at once.
template <int LINES, int DEPTH, int THREADS, bool ALONG_K, bool WIDE> struct f32_slice {
    static const int QUADS = LINES * DEPTH / 4 / THREADS, STRIDE = LINES + 4;
    quad held[QUADS];

    INLINE static void where(int number, int *line, int *depth) {
        if (ALONG_K) *line = number / (DEPTH / 4), *depth = number % (DEPTH / 4) * 4;
        else *line = number % (LINES / 4) * 4, *depth = number / (LINES / 4);
    }
    // `corner` is the slice's first element; of what lies past `lines` and `depths`, the ends of the
    // matrix, 0 is taken, and nobody stores what is made of it.
    INLINE void fetch(const float *corner, int lines, i64 line_step, int depths, i64 k_step) {
#pragma unroll
        for (int i = 0; i < QUADS; i++) {
            int line, depth;
            where(i * THREADS + (int)threadIdx.x, &line, &depth);
            const float *first = corner + line * line_step + depth * k_step;
            bool whole = ALONG_K ? line < lines && depth + 3 < depths
                                 : line + 3 < lines && depth < depths;
            if (WIDE && whole) {
                held[i] = *(const quad *)first;
                continue;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int lj = ALONG_K ? line : line + j, dj = ALONG_K ? depth + j : depth;
                bool inside = lj < lines && dj < depths;
                held[i].x[j] = inside ? first[j * (ALONG_K ? k_step : line_step)] : 0.0f;
            }
        }
    }
    INLINE void keep(float (*shared)[STRIDE]) const {
#pragma unroll
        for (int i = 0; i < QUADS; i++) {
            int line, depth;
            where(i * THREADS + (int)threadIdx.x, &line, &depth);
            if (ALONG_K) {
#pragma unroll
                for (int j = 0; j < 4; j++) shared[depth + j][line] = held[i].x[j];
            } else {
                *(quad *)&shared[depth][line] = held[i];
            }
        }
    }
};

template <int QM, int QN, int ROWS, int COLUMNS>
INLINE void multiply_step(float (&acc)[4 * QM][4 * QN], const float (&a)[ROWS],
                          const float (&b)[COLUMNS], int row, int column) {
    quad x[QM], y[QN];
#pragma unroll
    for (int i = 0; i < QM; i++) x[i] = *(const quad *)&a[row + 16 * i];
#pragma unroll
    for (int j = 0; j < QN; j++) y[j] = *(const quad *)&b[column + 32 * j];
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
#pragma unroll
        for (int j = 0; j < 4 * QN; j++)
            acc[i][j] = FMA(x[i / 4].x[i % 4], y[j / 4].x[j % 4], acc[i][j]);
    }
}

template <int WARPS_M, int WARPS_N, int QM, int QN, int DEPTH, bool A_ALONG_K, bool A_WIDE,
          bool B_ALONG_K, bool B_WIDE>
INLINE void matmul_f32(const matmul_arguments &g) {
    const int ROWS = WARPS_M * 16 * QM, COLUMNS = WARPS_N * 32 * QN;
    const int THREADS = WARPS_M * WARPS_N * 32;
    __shared__ __align__(16) float a_shared[2][DEPTH][ROWS + 4];
    __shared__ __align__(16) float b_shared[2][DEPTH][COLUMNS + 4];
    const tile_place p = find_tile(g, blockIdx.x, ROWS, COLUMNS);
    const float *a = (const float *)g.a + p.a + p.row * g.a_row;
    const float *b = (const float *)g.b + p.b + p.column * g.b_col;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / WARPS_N * 16 * QM + lane / 8 * 4;
    const int column = warp % WARPS_N * 32 * QN + lane % 8 * 4;

    float acc[4 * QM][4 * QN];
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
#pragma unroll
        for (int j = 0; j < 4 * QN; j++) acc[i][j] = 0.0f;
    }
    const int rows = at_most(g.m - p.row, ROWS), columns = at_most(g.n - p.column, COLUMNS);
    f32_slice<ROWS, DEPTH, THREADS, A_ALONG_K, A_WIDE> next_a;
    f32_slice<COLUMNS, DEPTH, THREADS, B_ALONG_K, B_WIDE> next_b;
    i64 left = g.k;  // from the slice that is multiplied on
    next_a.fetch(a, rows, g.a_row, at_most(left, DEPTH), g.a_col);
    next_b.fetch(b, columns, g.b_col, at_most(left, DEPTH), g.b_row);
    next_a.keep(a_shared[0]);
    next_b.keep(b_shared[0]);
    __syncthreads();
    int now = 0;
    for (; left > DEPTH; left -= DEPTH, now ^= 1) {
        a += DEPTH * g.a_col;
        b += DEPTH * g.b_row;
        next_a.fetch(a, rows, g.a_row, at_most(left - DEPTH, DEPTH), g.a_col);
        next_b.fetch(b, columns, g.b_col, at_most(left - DEPTH, DEPTH), g.b_row);
#pragma unroll
        for (int d = 0; d < DEPTH; d++)
            multiply_step<QM, QN>(acc, a_shared[now][d], b_shared[now][d], row, column);
        // The other slice was read before the barrier that ended the turn before.
        next_a.keep(a_shared[now ^ 1]);
        next_b.keep(b_shared[now ^ 1]);
        __syncthreads();
    }
    for (int d = 0; d < (int)left; d++)
        multiply_step<QM, QN>(acc, a_shared[now][d], b_shared[now][d], row, column);

    float *c = (float *)g.c + p.c;
#pragma unroll
    for (int i = 0; i < 4 * QM; i++) {
        i64 r = p.row + row + i / 4 * 16 + i % 4;
#pragma unroll
        for (int j = 0; j < 4 * QN; j++) {
            i64 s = p.column + column + j / 4 * 32 + j % 4;
            if (r < g.m && s < g.n) c[r * g.c_row + s] = CANON(acc[i][j]);
        }
    }
}

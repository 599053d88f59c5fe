// C = A B of 8-bit integers: exact products, wrapping 32-bit sums, so any order gives the same
// bits. Integer tensor cores from compute capability 8.0 on, dp4a before (the host chooses).
//
// Shared memory holds lines of A (rows) and B (columns) with k ascending, 64 bytes and 16 bytes of
// padding each: the eight lines and four words that a warp reads at once lie in 32 banks. Past the
// end of k there are zeros, which add nothing.
#define I8_DEPTH 64
#define I8_STRIDE (I8_DEPTH + 16)

struct __align__(16) chunk {
    u32 word[4];
};

// WIDE: k is contiguous and every line begins at a multiple of 16 bytes.
template <int LINES, int THREADS, bool WIDE> struct i8_slice {
    static const int CHUNKS = LINES * (I8_DEPTH / 16) / THREADS;
    chunk held[CHUNKS];

    INLINE void fetch(const u8 *corner, int lines, i64 line_step, int depths, i64 k_step) {
#pragma unroll
        for (int i = 0; i < CHUNKS; i++) {
            int number = i * THREADS + (int)threadIdx.x;
            int line = number / (I8_DEPTH / 16), depth = number % (I8_DEPTH / 16) * 16;
            const u8 *first = corner + line * line_step + depth * k_step;
            if (WIDE && line < lines && depth + 15 < depths) {
                held[i] = *(const chunk *)first;
                continue;
            }
#pragma unroll
            for (int w = 0; w < 4; w++) {
                u32 word = 0;
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    int at = 4 * w + j;
                    bool inside = line < lines && depth + at < depths;
                    word |= (inside ? (u32)first[at * k_step] : 0u) << 8 * j;
                }
                held[i].word[w] = word;
            }
        }
    }
    INLINE void keep(u8 (*shared)[I8_STRIDE]) const {
#pragma unroll
        for (int i = 0; i < CHUNKS; i++) {
            int number = i * THREADS + (int)threadIdx.x;
            *(chunk *)&shared[number / (I8_DEPTH / 16)][number % (I8_DEPTH / 16) * 16] = held[i];
        }
    }
};

INLINE u32 word_at(const u8 *p) { return *(const u32 *)p; }

#define I8_WARPS(WARPS_M, WARPS_N, TM, TN)                                     \
    const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, four = threadIdx.x % 4; \
    const int row = warp / WARPS_N * 16 * TM + group, column = warp % WARPS_N * 8 * TN

// The slices of a tile, multiplied one after the other by `Multiply`, which holds the sums.
template <class Multiply, int ROWS, int COLUMNS, int THREADS, bool A_WIDE, bool B_WIDE>
INLINE void matmul_i8(const matmul_arguments &g) {
    __shared__ __align__(16) u8 a_shared[2][ROWS][I8_STRIDE];
    __shared__ __align__(16) u8 b_shared[2][COLUMNS][I8_STRIDE];
    const tile_place p = find_tile(g, blockIdx.x, ROWS, COLUMNS);
    const u8 *a = (const u8 *)g.a + p.a + p.row * g.a_row;
    const u8 *b = (const u8 *)g.b + p.b + p.column * g.b_col;
    const int rows = at_most(g.m - p.row, ROWS), columns = at_most(g.n - p.column, COLUMNS);
    Multiply sums;
    sums.start();
    i8_slice<ROWS, THREADS, A_WIDE> next_a;
    i8_slice<COLUMNS, THREADS, B_WIDE> next_b;
    i64 left = g.k;  // from the slice that is multiplied on
    next_a.fetch(a, rows, g.a_row, at_most(left, I8_DEPTH), g.a_col);
    next_b.fetch(b, columns, g.b_col, at_most(left, I8_DEPTH), g.b_row);
    next_a.keep(a_shared[0]);
    next_b.keep(b_shared[0]);
    __syncthreads();
    int now = 0;
    for (; left > I8_DEPTH; left -= I8_DEPTH, now ^= 1) {
        a += I8_DEPTH * g.a_col;
        b += I8_DEPTH * g.b_row;
        next_a.fetch(a, rows, g.a_row, at_most(left - I8_DEPTH, I8_DEPTH), g.a_col);
        next_b.fetch(b, columns, g.b_col, at_most(left - I8_DEPTH, I8_DEPTH), g.b_row);
        sums.step(a_shared[now], b_shared[now]);
        next_a.keep(a_shared[now ^ 1]);
        next_b.keep(b_shared[now ^ 1]);
        __syncthreads();
    }
    sums.step(a_shared[now], b_shared[now]);
    sums.store((i32 *)g.c + p.c, p.row, p.column, g);
}

// A warp multiplies TM x TN tensor tiles of 16x8.
template <class Signs, int WARPS_M, int WARPS_N, int TM, int TN> struct tensor_cores {
    i32 acc[TM][TN][4];

    INLINE void start() {
#pragma unroll
        for (int i = 0; i < TM * TN * 4; i++) acc[i / 4 / TN][i / 4 % TN][i % 4] = 0;
    }
    INLINE void step(const u8 (*a)[I8_STRIDE], const u8 (*b)[I8_STRIDE]) {
        I8_WARPS(WARPS_M, WARPS_N, TM, TN);
        __syncwarp();  // reading the next slice may have parted the lanes; mma wants them together
#pragma unroll
        for (int k = 0; k < I8_DEPTH; k += 32) {
            u32 x[TM][4], y[TN][2];
#pragma unroll
            for (int i = 0; i < TM; i++) {
#pragma unroll
                for (int r = 0; r < 4; r++)
                    x[i][r] = word_at(&a[row + 16 * i + 8 * (r % 2)][k + 16 * (r / 2) + 4 * four]);
            }
#pragma unroll
            for (int j = 0; j < TN; j++) {
#pragma unroll
                for (int r = 0; r < 2; r++)
                    y[j][r] = word_at(&b[column + 8 * j + group][k + 16 * r + 4 * four]);
            }
#pragma unroll
            for (int i = 0; i < TM; i++) {
#pragma unroll
                for (int j = 0; j < TN; j++) Signs::mma(acc[i][j], x[i], y[j]);
            }
        }
    }
    INLINE void store(i32 *c, i64 first_row, i64 first_column, const matmul_arguments &g) {
        I8_WARPS(WARPS_M, WARPS_N, TM, TN);
#pragma unroll
        for (int i = 0; i < TM; i++) {
#pragma unroll
            for (int j = 0; j < TN; j++) {
#pragma unroll
                for (int r = 0; r < 4; r++) {
                    i64 at = first_row + row + 16 * i + 8 * (r / 2);
                    i64 s = first_column + column + 8 * j + 2 * four + r % 2;
                    if (at < g.m && s < g.n) c[at * g.c_row + s] = acc[i][j][r];
                }
            }
        }
    }
};

// 16 x 16 threads, each with every sixteenth row and column of the tile.
template <class Signs, int ROWS, int COLUMNS> struct dot_products {
    i32 acc[ROWS / 16][COLUMNS / 16];

    INLINE void start() {
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) acc[i][j] = 0;
        }
    }
    INLINE void step(const u8 (*a)[I8_STRIDE], const u8 (*b)[I8_STRIDE]) {
        const int row = threadIdx.x / 16, column = threadIdx.x % 16;
#pragma unroll 4
        for (int k = 0; k < I8_DEPTH; k += 4) {
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
                for (int j = 0; j < COLUMNS / 16; j++)
                    acc[i][j] = Signs::dot4(word_at(&a[row + 16 * i][k]),
                                            word_at(&b[column + 16 * j][k]), acc[i][j]);
            }
        }
    }
    INLINE void store(i32 *c, i64 first_row, i64 first_column, const matmul_arguments &g) {
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                i64 r = first_row + threadIdx.x / 16 + 16 * i;
                i64 s = first_column + threadIdx.x % 16 + 16 * j;
                if (r < g.m && s < g.n) c[r * g.c_row + s] = acc[i][j];
            }
        }
    }
};

#if defined(AIVM_EMULATOR) || __CUDA_ARCH__ >= 800
#define MMA_OF(signs) \
    INLINE static void mma(i32 d[4], const u32 a[4], const u32 b[2]) { mma_##signs(d, a, b); }
#else
#define MMA_OF(signs)
#endif
#define SIGNS(signs)                                                                            \
    struct signs {                                                                              \
        MMA_OF(signs)                                                                           \
        INLINE static i32 dot4(u32 a, u32 b, i32 acc) { return dot4_##signs(a, b, acc); } \
    };
SIGNS(s8s8)
SIGNS(s8u8)
SIGNS(u8s8)
SIGNS(u8u8)

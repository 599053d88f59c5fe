// How a kernel finds its operands and its share of the work.

// The arguments of a generated kernel: where its operands and results begin.
template <int N> struct addresses {
    char *at[N];
};

// All launches are one-dimensional (the other dimensions of a grid end at 65535 blocks), and every
// loop over results goes on until all are done, however few blocks there are.
INLINE i64 first_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
INLINE i64 index_step() { return (i64)gridDim.x * blockDim.x; }

// What memory may hold of a result: no NaN but the canonical one.
INLINE float stored(float x) { return CANON(x); }
template <class T> INLINE T stored(T x) { return x; }

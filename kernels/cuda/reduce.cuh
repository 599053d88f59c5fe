// Reductions, as accumulators. F32 SUM is 16 interleaved lanes and a halving tree; sixteen threads
// take one lane each. What is associative (everything but F32 SUM and PROD) may share them too.
#define LANES 16
#define ALL_LANES 0xffffffffu

// Sixteen threads exchange: each gets the value of the thread whose number differs in one bit.
template <class T> INLINE T other_lane(T x, int distance) {
    if (sizeof(T) == 8) {
        u64 word = (u64)x;
        u32 low = __shfl_xor_sync(ALL_LANES, (u32)word, distance, LANES);
        u32 high = __shfl_xor_sync(ALL_LANES, (u32)(word >> 32), distance, LANES);
        return (T)((u64)high << 32 | low);
    }
    return (T)__shfl_xor_sync(ALL_LANES, (u32)x, distance, LANES);
}
INLINE float other_lane(float x, int distance) {
    return AS_F(__shfl_xor_sync(ALL_LANES, AS_I(x), distance, LANES));
}

// An accumulator takes elements in ascending order, then joins the lanes: in lane i, `join` first
// takes in lane i + 8, then i + 4, i + 2, i + 1. Addition commutes, so every lane ends alike.
#define JOIN \
    for (int distance = LANES / 2; distance > 0; distance /= 2)

template <class T> struct Sum {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = (T)0; }
    INLINE void take(T x, i64) { value = int_add(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <> struct Sum<float> {
    typedef float result;
    static const bool ordered = false;  // its order is that of the lanes
    float value;
    INLINE void start() { value = 0.0f; }
    INLINE void take(float x, i64) { value = ADD(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <class T> struct Prod {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = (T)1; }
    INLINE void take(T x, i64) { value = int_mul(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <> struct Prod<float> {
    typedef float result;
    static const bool ordered = true;  // one chain: each thread walks all of it
    float value;
    INLINE void start() { value = 1.0f; }
    INLINE void take(float x, i64) { value = MUL(value, x); }
    INLINE void join() {}
};

template <class T> INLINE T smallest_of() {
    return is_signed<T>::value ? (T)(1ull << (8 * sizeof(T) - 1)) : (T)0;
}
template <class T> INLINE T largest_of() { return (T)~(u64)smallest_of<T>(); }
template <> INLINE float smallest_of<float>() { return AS_F(0xff800000u); }
template <> INLINE float largest_of<float>() { return AS_F(0x7f800000u); }
template <class T> INLINE T greater_of(T a, T b) { return int_max(a, b); }
template <class T> INLINE T lesser_of(T a, T b) { return int_min(a, b); }
INLINE float greater_of(float a, float b) { return MAX(a, b); }
INLINE float lesser_of(float a, float b) { return MIN(a, b); }

template <class T> struct Max {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = smallest_of<T>(); }
    INLINE void take(T x, i64) { value = greater_of(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};
template <class T> struct Min {
    typedef T result;
    static const bool ordered = false;
    T value;
    INLINE void start() { value = largest_of<T>(); }
    INLINE void take(T x, i64) { value = lesser_of(value, x); }
    INLINE void join() { JOIN take(other_lane(value, distance), 0); }
};

// Strictly before in the order of ARG_MAX: NaN first, then greater, among equals the lower index.
// That order is total, so any way of joining finds the same element.
INLINE bool is_nan_of(float x) { return IS_NAN(x); }
template <class T> INLINE bool is_nan_of(T) { return false; }
template <class T, bool GREATEST> struct Arg {
    typedef i64 result;
    static const bool ordered = false;
    T best;
    i64 value;  // -1: nothing yet
    INLINE void start() { best = (T)0, value = -1; }
    INLINE void take(T x, i64 index) {
        if (index < 0) return;
        bool nan = is_nan_of(x), best_nan = is_nan_of(best);
        bool equal = nan || best_nan ? nan == best_nan : x == best;
        bool better = nan || best_nan ? nan : GREATEST ? best < x : x < best;
        if (value < 0 || (equal ? index < value : better)) best = x, value = index;
    }
    INLINE void join() {
        JOIN {
            T x = other_lane(best, distance);
            take(x, other_lane(value, distance));
        }
    }
};
template <class T> struct ArgMax : Arg<T, true> {};
template <class T> struct ArgMin : Arg<T, false> {};

// A reduction over the middle axis where neighbouring results lie side by side: one thread a
// result, neighbours read neighbours. F32 SUM keeps its sixteen lanes in registers.
struct columns_arguments {
    void *out;
    const void *source;
    i64 outer, length, inner, outer_step, length_step, inner_step;  // steps in elements
};

template <class Accumulator, class T>
INLINE typename Accumulator::result reduce_column(const T *source, i64 length, i64 step) {
    Accumulator acc;
    acc.start();
    for (i64 k = 0; k < length; k++) acc.take(source[k * step], k);
    return acc.value;
}
INLINE float sum_column(const float *source, i64 length, i64 step) {
    float lane[LANES];
#pragma unroll
    for (int i = 0; i < LANES; i++) lane[i] = 0.0f;
    for (i64 k = 0; k < length; k += LANES) {
#pragma unroll
        for (int i = 0; i < LANES; i++)
            if (k + i < length) lane[i] = ADD(lane[i], source[(k + i) * step]);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) lane[i] = ADD(lane[i], lane[i + 8]);
#pragma unroll
    for (int i = 0; i < 4; i++) lane[i] = ADD(lane[i], lane[i + 4]);
    lane[0] = ADD(lane[0], lane[2]);
    lane[1] = ADD(lane[1], lane[3]);
    return ADD(lane[0], lane[1]);
}
template <class Accumulator> struct Column {
    template <class T>
    INLINE static typename Accumulator::result of(const T *source, i64 length, i64 step) {
        return reduce_column<Accumulator>(source, length, step);
    }
};
template <> struct Column<Sum<float> > {
    INLINE static float of(const float *source, i64 length, i64 step) {
        return sum_column(source, length, step);
    }
};

template <class Accumulator, class T> INLINE void columns(const columns_arguments &a) {
    for (i64 i = first_index(); i < a.outer * a.inner; i += index_step()) {
        const T *source = (const T *)a.source;
        source += i / a.inner * a.outer_step + i % a.inner * a.inner_step;
        typename Accumulator::result value =
            Column<Accumulator>::of(source, a.length, a.length_step);
        ((typename Accumulator::result *)a.out)[i] = stored(value);
    }
}

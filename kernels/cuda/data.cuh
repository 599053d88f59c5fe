// Kernels that choose, order and make elements: one thread a result, so that nothing is raced for.
// Words are unsigned integers of the elements' width; arithmetic views them as their own type.

// What a run reports to the host: the earliest instruction, plus one, that met a bad index.
INLINE void report_fault(u64 *fault, i64 instruction) {
    atomicMin(fault, (u64)instruction + 1);
}

// Where an index points on an axis; negative ones count from the end. False: outside.
INLINE bool place_on_axis(i64 index, i64 size, i64 *position) {
    *position = index < 0 ? index + size : index;
    return index >= -size && index < size;
}

struct gather_arguments {
    void *out;
    const void *data, *index;
    u64 *fault;
    i64 instruction, outer, size, count, inner;
};
template <class Word, class Index> INLINE void gather(const gather_arguments &a) {
    i64 total = a.outer * a.count * a.inner;
    for (i64 f = first_index(); f < total; f += index_step()) {
        i64 column = f % a.inner, pair = f / a.inner, position;
        bool inside =
            place_on_axis(((const Index *)a.index)[pair % a.count], a.size, &position);
        i64 row = pair / a.count * a.size + position;
        ((Word *)a.out)[f] = inside ? ((const Word *)a.data)[row * a.inner + column] : (Word)0;
        if (!inside) report_fault(a.fault, a.instruction);
    }
}

struct Replace {
    template <class T> INLINE static T of(T, T update) { return update; }
};
struct Add {
    template <class T> INLINE static T of(T x, T update) { return int_add(x, update); }
    INLINE static float of(float x, float update) { return ADD(x, update); }
};
struct Mul {
    template <class T> INLINE static T of(T x, T update) { return int_mul(x, update); }
    INLINE static float of(float x, float update) { return MUL(x, update); }
};
struct Greatest {
    template <class T> INLINE static T of(T x, T update) { return greater_of(x, update); }
};
struct Least {
    template <class T> INLINE static T of(T x, T update) { return lesser_of(x, update); }
};

struct scatter_arguments {
    void *out;
    const void *data, *index, *updates;
    u64 *fault;
    i64 instruction, outer, size, count, inner;
};
// One thread walks all updates of one line, in their order.
template <class Way, class T, class Index> INLINE void scatter_lines(const scatter_arguments &a) {
    for (i64 f = first_index(); f < a.outer * a.inner; f += index_step()) {
        i64 outer = f / a.inner, column = f % a.inner, position;
        T *line = (T *)a.out + outer * a.size * a.inner + column;
        const T *data = (const T *)a.data + outer * a.size * a.inner + column;
        const T *updates = (const T *)a.updates + outer * a.count * a.inner + column;
        for (i64 k = 0; k < a.size; k++) line[k * a.inner] = data[k * a.inner];
        for (i64 j = 0; j < a.count; j++) {
            if (place_on_axis(((const Index *)a.index)[j], a.size, &position)) {
                T *place = line + position * a.inner;
                *place = Way::of(*place, updates[j * a.inner]);
            } else {
                report_fault(a.fault, a.instruction);
            }
        }
        for (i64 k = 0; k < a.size; k++) line[k * a.inner] = stored(line[k * a.inner]);
    }
}
// One thread looks through all updates for those of one element, in their order: more work, but
// enough threads where lines are few.
template <class Way, class T, class Index> INLINE void scatter_elements(const scatter_arguments &a) {
    for (i64 f = first_index(); f < a.outer * a.size * a.inner; f += index_step()) {
        i64 column = f % a.inner, outer = f / (a.size * a.inner), here = f / a.inner % a.size;
        const T *updates = (const T *)a.updates + outer * a.count * a.inner + column;
        T value = ((const T *)a.data)[f];
        for (i64 j = 0; j < a.count; j++) {
            i64 position;
            bool inside = place_on_axis(((const Index *)a.index)[j], a.size, &position);
            if (!inside) report_fault(a.fault, a.instruction);
            if (inside && position == here) value = Way::of(value, updates[j * a.inner]);
        }
        ((T *)a.out)[f] = stored(value);
    }
}

struct rank_arguments {
    i64 *out;
    const void *source;
    i64 outer, length, inner;
};
// Whether x comes before y in ascending order: NaNs are alike, and greater than every number.
template <class T> INLINE bool is_less(T x, T y) { return x < y; }
INLINE bool is_less(float x, float y) { return IS_NAN(y) ? !IS_NAN(x) : x < y; }

template <bool DESCENDING, class T> INLINE void rank(const rank_arguments &a) {
    i64 total = a.outer * a.length * a.inner;
    for (i64 f = first_index(); f < total; f += index_step()) {
        i64 here = f / a.inner % a.length, before = 0;
        const T *line = (const T *)a.source + (f - here * a.inner);
        T value = line[here * a.inner];
        for (i64 k = 0; k < a.length; k++) {
            T other = line[k * a.inner];
            bool ahead = DESCENDING ? is_less(value, other) : is_less(other, value);
            bool behind = DESCENDING ? is_less(other, value) : is_less(value, other);
            before += ahead || (!behind && k < here);
        }
        a.out[f] = before;
    }
}

struct iota_arguments {
    void *out;
    i64 total, length, inner, start, step;
};
template <class T> INLINE void iota(const iota_arguments &a) {
    for (i64 f = first_index(); f < a.total; f += index_step()) {
        u64 position = (u64)(f / a.inner % a.length);
        ((T *)a.out)[f] = (T)((u64)a.start + (u64)a.step * position);
    }
}

struct random_arguments {
    u32 *out;
    const u64 *seed;  // key, stream
    i64 total;
};
// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): element j is word j mod 4 of block j div 4.
INLINE void random_words(const random_arguments &a) {
    for (i64 block = first_index(); block < (a.total + 3) / 4; block += index_step()) {
        u32 key0 = (u32)a.seed[0], key1 = (u32)(a.seed[0] >> 32);
        u32 word[4] = {(u32)block, (u32)((u64)block >> 32), (u32)a.seed[1],
                       (u32)(a.seed[1] >> 32)};
#pragma unroll
        for (int round = 0; round < 10; round++) {
            u64 first = (u64)word[0] * 0xD2511F53u, second = (u64)word[2] * 0xCD9E8D57u;
            word[0] = (u32)(second >> 32) ^ word[1] ^ key0;
            word[2] = (u32)(first >> 32) ^ word[3] ^ key1;
            word[1] = (u32)second;
            word[3] = (u32)first;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (block * 4 + i < a.total) a.out[block * 4 + i] = word[i];
    }
}

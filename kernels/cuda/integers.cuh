// Integer functions of every width, and of BOOL held as 0 and 1: results wrap, division is total.
//
// Arithmetic goes through 64-bit unsigned words, where wrapping is defined; compilers narrow it.
template <class T>
struct is_signed {
    static const bool value = (T)-1 < (T)0;
};

template <class T> INLINE T int_add(T a, T b) { return (T)((u64)a + (u64)b); }
template <class T> INLINE T int_sub(T a, T b) { return (T)((u64)a - (u64)b); }
template <class T> INLINE T int_mul(T a, T b) { return (T)((u64)a * (u64)b); }
template <class T> INLINE T int_neg(T a) { return (T)(0 - (u64)a); }
template <class T> INLINE T int_abs(T a) { return a < (T)0 ? int_neg(a) : a; }
template <class T> INLINE T int_sign(T a) { return (T)((a > (T)0) - (a < (T)0)); }
template <class T> INLINE T int_not(T a) { return (T)~(u64)a; }
template <class T> INLINE T int_and(T a, T b) { return (T)(a & b); }
template <class T> INLINE T int_or(T a, T b) { return (T)(a | b); }
template <class T> INLINE T int_xor(T a, T b) { return (T)(a ^ b); }
template <class T> INLINE T int_min(T a, T b) { return b < a ? b : a; }
template <class T> INLINE T int_max(T a, T b) { return a < b ? b : a; }
template <class T> INLINE u8 int_equal(T a, T b) { return a == b; }
template <class T> INLINE u8 int_less(T a, T b) { return a < b; }
template <class T> INLINE u8 int_less_equal(T a, T b) { return a <= b; }

// By a negative count, or by the width or more, everything is shifted out; the sign stays.
template <class T> INLINE T int_shift_left(T a, T count) {
    return (u64)count < 64 ? (T)((u64)a << (u64)count) : (T)0;
}
template <class T> INLINE T int_shift_right(T a, T count) {
    u64 by = (u64)count < 64 ? (u64)count : 63;
    return is_signed<T>::value ? (T)((i64)a >> by) : (u64)count < 64 ? (T)((u64)a >> by) : (T)0;
}
INLINE u8 bool_not(u8 a) { return a ^ 1; }

// Truncated toward zero; 0 where b = 0; the most negative number over -1 wraps to itself.
template <class T> INLINE T int_div(T a, T b) {
    if (b == (T)0) return (T)0;
    if (is_signed<T>::value && b == (T)-1) return int_neg(a);
    return (T)(a / b);
}
// The remainder with the sign of the dividend; 0 where b = 0.
template <class T> INLINE T int_fmod(T a, T b) {
    if (b == (T)0 || (is_signed<T>::value && b == (T)-1)) return (T)0;
    return (T)(a % b);
}
// The remainder with the sign of the divisor; 0 where b = 0.
template <class T> INLINE T int_mod(T a, T b) {
    T rest = int_fmod(a, b);
    return rest != (T)0 && (rest < (T)0) != (b < (T)0) ? (T)(rest + b) : rest;
}

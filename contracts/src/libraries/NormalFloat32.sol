// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Sums and products of normal binary32 numbers and zeros, in little gas
/// @dev A result is what `Float32` gives: the exact value as an integer, rounded once. Where an operand or the result is
/// of another kind (a subnormal number, an infinity, a NaN) there is none, and `Float32` has to be asked. So this is
/// the short way and `Float32` says where it leads to. Operands must be below 2^32.
///
/// A sum is computed in two parts: its exact value `total`, in units whose exponent field would be
/// `exponent` (below 0, modulo 2^256), with the sign of `word`; and `round` of them. Where `total` is 0, `word` is the
/// result, or NONE.
library NormalFloat32 {
    /// No word.
    uint256 internal constant NONE = 0x100000000;

    // Assembly takes no other constants than literals.
    uint256 private constant SIGN = 0x80000000;
    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant FRACTION = 0x7fffff;
    uint256 private constant HIDDEN = 0x800000;
    uint256 private constant FRACTION_BITS = 23;
    /// The exponent fields of normal numbers are those from 1 on, this many.
    uint256 private constant NORMAL = 254;
    /// The exponent field of 1.
    uint256 private constant ONE = 127;

    /// Where the lowest bit of a product of 24 bits by 24 is put, so that its highest bit is 186 or 187; and that of a
    /// single significand, so that its highest bit is 186. Sums of two are below 2^189.
    uint256 private constant PRODUCT_UP = 140;
    uint256 private constant SINGLE_UP = 163;
    /// Bits 184 to 188 of a sum are a number n, by which this table says how many bits to cut off so that 24 remain:
    /// byte n, counted from the highest, is 184 + floor(log2(n)) - 23. It is 0 for n = 0, where terms have cancelled.
    uint256 private constant TOP = 184;
    uint256 private constant CUTS = 0x00a1a2a2a3a3a3a3a4a4a4a4a4a4a4a4a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5;
    /// Terms that cancel so far differ by a factor below 4: no bit below this one is set in their difference, which is
    /// below 2^46 of it.
    uint256 private constant CANCELLED = 138;
    uint256 private constant CANCELLED_CUT = 115; // CANCELLED - 23
    /// From this distance of exponents on, the sum of two numbers is the greater one.
    uint256 private constant NEGLIGIBLE = 30;
    /// Byte n, counted from the highest, is floor(log2(n)), for 0 < n < 16.
    uint256 private constant LOG2 = 0x0000010102020202030303030303030300000000000000000000000000000000;

    /// a + b
    function add(uint256 a, uint256 b) internal pure returns (uint256 word, uint256 total, uint256 exponent) {
        assembly ("memory-safe") {
            word := a
            if lt(and(a, MAGNITUDE), and(b, MAGNITUDE)) {
                word := b
                b := a
            }
            exponent := and(shr(FRACTION_BITS, word), 0xff)
            let lesser := and(shr(FRACTION_BITS, b), 0xff)
            switch or(iszero(lesser), eq(exponent, 0xff))
            case 0 {
                let distance := sub(exponent, lesser)
                // of what is lost at the end, only that it is not zero matters
                total := shr(distance, shl(SINGLE_UP, or(and(b, FRACTION), HIDDEN)))
                total := or(total, gt(distance, SINGLE_UP))
                if shr(31, xor(word, b)) { total := sub(0, total) }
                total := add(total, shl(SINGLE_UP, or(and(word, FRACTION), HIDDEN)))
                exponent := sub(exponent, SINGLE_UP)
                if iszero(total) { word := 0 }
            }
            default {
                // a zero leaves a normal number as it is; +0 + +0 = +0
                if or(and(b, MAGNITUDE), gt(iszero(iszero(or(word, b))), lt(sub(exponent, 1), NORMAL))) {
                    word := NONE
                }
            }
        }
    }

    /// a * b, or NONE
    function mul(uint256 a, uint256 b) internal pure returns (uint256 product) {
        assembly ("memory-safe") {
            let exponent := and(shr(FRACTION_BITS, a), 0xff)
            let exponentB := and(shr(FRACTION_BITS, b), 0xff)
            product := NONE
            switch and(lt(sub(exponent, 1), NORMAL), lt(sub(exponentB, 1), NORMAL))
            case 1 {
                let exact := mul(or(and(a, FRACTION), HIDDEN), or(and(b, FRACTION), HIDDEN)) // 47 or 48 bits
                let cut := add(FRACTION_BITS, shr(47, exact))
                let less := sub(add(add(exponent, exponentB), cut), 151) // the exponent field less one
                if lt(less, NORMAL) {
                    let half := add(sub(shl(sub(cut, 1), 1), 1), and(shr(cut, exact), 1))
                    // the hidden bit adds one to the exponent field; so does a carry
                    product := add(shl(FRACTION_BITS, less), shr(cut, add(exact, half)))
                    product := or(product, and(xor(a, b), SIGN))
                }
            }
            default {
                // of a zero by anything finite
                let isFinite := iszero(or(eq(exponent, 0xff), eq(exponentB, 0xff)))
                if gt(isFinite, mul(and(a, MAGNITUDE), and(b, MAGNITUDE))) { product := and(xor(a, b), SIGN) }
            }
        }
    }

    /// a * b + c
    function fma(uint256 a, uint256 b, uint256 c)
        internal
        pure
        returns (uint256 word, uint256 total, uint256 exponent)
    {
        assembly ("memory-safe") {
            exponent := and(shr(FRACTION_BITS, a), 0xff)
            let exponentB := and(shr(FRACTION_BITS, b), 0xff)
            let exponentC := and(shr(FRACTION_BITS, c), 0xff)
            let isProduct := and(lt(sub(exponent, 1), NORMAL), lt(sub(exponentB, 1), NORMAL))
            let isTerm := lt(sub(exponentC, 1), NORMAL)
            switch and(isProduct, isTerm)
            case 1 {
                word := xor(a, b)
                total := shl(PRODUCT_UP, mul(or(and(a, FRACTION), HIDDEN), or(and(b, FRACTION), HIDDEN)))
                exponent := sub(add(exponent, exponentB), ONE)
                let term := shl(SINGLE_UP, or(and(c, FRACTION), HIDDEN))
                let distance := sub(exponent, exponentC)
                // of what is lost at the end, only that it is not zero matters
                switch slt(distance, 0)
                case 0 { term := or(shr(distance, term), gt(distance, SINGLE_UP)) }
                default {
                    distance := sub(0, distance)
                    total := or(shr(distance, total), gt(distance, PRODUCT_UP))
                    exponent := exponentC
                }
                exponent := sub(exponent, SINGLE_UP)
                switch shr(31, xor(word, c))
                case 0 { total := add(total, term) }
                default {
                    total := sub(total, term)
                    if slt(total, 1) {
                        total := sub(0, total)
                        word := c
                        if iszero(total) { word := 0 }
                    }
                }
            }
            default {
                word := NONE
                switch isProduct
                case 1 {
                    // the product alone, where the term is a zero
                    if iszero(and(c, MAGNITUDE)) {
                        word := xor(a, b)
                        total := shl(PRODUCT_UP, mul(or(and(a, FRACTION), HIDDEN), or(and(b, FRACTION), HIDDEN)))
                        exponent := sub(add(exponent, exponentB), 290) // ONE + SINGLE_UP
                    }
                }
                default {
                    // the term alone, where it is a normal number and the product a zero
                    let isFinite := iszero(or(eq(exponent, 0xff), eq(exponentB, 0xff)))
                    let isZero := iszero(mul(and(a, MAGNITUDE), and(b, MAGNITUDE)))
                    if and(and(isFinite, isZero), isTerm) { word := c }
                }
            }
        }
    }

    /// The number of 24 bits next to `total`, or `word` where that is 0. NONE where it overflows or is subnormal.
    function round(uint256 word, uint256 total, uint256 exponent) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := word
            if total {
                let cut := byte(shr(TOP, total), CUTS)
                if iszero(cut) {
                    let rest := shr(CANCELLED, total)
                    cut := shl(5, lt(0xffffffff, rest))
                    cut := or(cut, shl(4, lt(0xffff, shr(cut, rest))))
                    cut := or(cut, shl(3, lt(0xff, shr(cut, rest))))
                    cut := or(cut, shl(2, lt(0xf, shr(cut, rest))))
                    cut := add(or(cut, byte(shr(cut, rest), LOG2)), CANCELLED_CUT)
                }
                let less := add(exponent, sub(cut, 1)) // the exponent field less one
                result := NONE
                if lt(less, NORMAL) {
                    let half := add(sub(shl(sub(cut, 1), 1), 1), and(shr(cut, total), 1))
                    // the hidden bit adds one to the exponent field; so does a carry
                    result := add(shl(FRACTION_BITS, less), shr(cut, add(total, half)))
                    result := or(result, and(word, SIGN))
                }
            }
        }
    }

    /// @notice A fused multiply-add for each coefficient: value * x + coefficient is the next value. Or NONE.
    /// @param coefficients Up to eight, of four bytes, from the highest on. Each is above 2^-40 and below 2^40.
    function polynomial(uint256 value, uint256 x, uint256 coefficients) internal pure returns (uint256 result) {
        assembly ("memory-safe") {
            result := NONE
            let exponent := and(shr(FRACTION_BITS, value), 0xff)
            let exponentX := and(shr(FRACTION_BITS, x), 0xff)
            switch and(lt(sub(exponent, 1), NORMAL), lt(sub(exponentX, 1), NORMAL))
            case 1 {
                let sign := value
                value := or(and(value, FRACTION), HIDDEN)
                for {} coefficients { coefficients := shl(32, coefficients) } {
                    // as in `fma` and `round`
                    let c := shr(224, coefficients)
                    let total := shl(PRODUCT_UP, mul(value, or(and(x, FRACTION), HIDDEN)))
                    let term := shl(SINGLE_UP, or(and(c, FRACTION), HIDDEN))
                    exponent := sub(add(exponent, exponentX), ONE)
                    sign := xor(sign, x)
                    let distance := sub(exponent, and(shr(FRACTION_BITS, c), 0xff))
                    switch slt(distance, 0)
                    case 0 { term := or(shr(distance, term), gt(distance, SINGLE_UP)) }
                    default {
                        exponent := sub(exponent, distance)
                        distance := sub(0, distance)
                        total := or(shr(distance, total), gt(distance, PRODUCT_UP))
                    }
                    switch shr(31, xor(sign, c))
                    case 0 { total := add(total, term) }
                    default {
                        total := sub(total, term)
                        if slt(total, 0) {
                            total := sub(0, total)
                            sign := c
                        }
                    }
                    let cut := byte(shr(TOP, total), CUTS)
                    exponent := add(exponent, sub(cut, SINGLE_UP))
                    // terms that cancel are not usual in a polynomial
                    if or(iszero(cut), gt(sub(exponent, 1), 0xfc)) {
                        exponent := 0
                        break
                    }
                    total := add(total, and(shr(cut, total), 1))
                    value := shr(cut, add(total, sub(shl(sub(cut, 1), 1), 1)))
                    if shr(24, value) {
                        value := HIDDEN
                        exponent := add(exponent, 1)
                    }
                }
                if exponent {
                    // the hidden bit adds one to the exponent field
                    result := or(add(shl(FRACTION_BITS, sub(exponent, 1)), value), and(sign, SIGN))
                }
            }
            default {
                // |x| < 2^-126 changes no coefficient, as long as `value` is below 2^20
                if and(iszero(exponentX), lt(sub(exponent, 1), 146)) {
                    for {} coefficients { coefficients := shl(32, coefficients) } { result := shr(224, coefficients) }
                }
            }
        }
    }

    /// @notice a + b rounded, and what it lost: together they are exactly a + b.
    /// @dev What the sums of Dekker and of Knuth give. Both are NONE where there is none.
    /// @param isOrdered Whether to answer only if |a| >= |b|, or a is a zero, which Dekker's sum requires.
    function twoSum(uint256 a, uint256 b, bool isOrdered) internal pure returns (uint256 sum, uint256 lost) {
        assembly ("memory-safe") {
            sum := NONE
            lost := NONE
            let isSwapped := lt(and(a, MAGNITUDE), and(b, MAGNITUDE))
            if isSwapped {
                let greater := b
                b := a
                a := greater
            }
            let exponent := and(shr(FRACTION_BITS, a), 0xff)
            let lesser := and(shr(FRACTION_BITS, b), 0xff)
            switch or(iszero(lesser), eq(exponent, 0xff))
            case 0 {
                let distance := sub(exponent, lesser)
                switch or(gt(distance, NEGLIGIBLE), and(isSwapped, isOrdered))
                case 0 {
                    let total := or(and(b, FRACTION), HIDDEN)
                    if shr(31, xor(a, b)) { total := sub(0, total) }
                    total := add(total, shl(distance, or(and(a, FRACTION), HIDDEN))) // below 2^55
                    let bits := shl(5, lt(0xffffffff, total))
                    bits := or(bits, shl(4, lt(0xffff, shr(bits, total))))
                    bits := or(bits, shl(3, lt(0xff, shr(bits, total))))
                    bits := or(bits, shl(2, lt(0xf, shr(bits, total))))
                    bits := or(bits, byte(shr(bits, total), LOG2))
                    let less := sub(add(lesser, bits), 24) // the exponent field of the sum, less one
                    if lt(less, 0xfd) {
                        let cut := sub(bits, FRACTION_BITS)
                        switch sgt(cut, 0)
                        case 0 {
                            sum := shl(sub(0, cut), total)
                            lost := 0
                        }
                        default {
                            let half := add(sub(shl(sub(cut, 1), 1), 1), and(shr(cut, total), 1))
                            sum := shr(cut, add(total, half))
                            lost := sub(total, shl(cut, sum))
                        }
                        sum := or(add(shl(FRACTION_BITS, less), sum), and(a, SIGN))
                        if lost {
                            let sign := and(a, SIGN)
                            if slt(lost, 0) {
                                lost := sub(0, lost)
                                sign := xor(sign, SIGN)
                            }
                            bits := shl(4, lt(0xffff, lost)) // below 2^31
                            bits := or(bits, shl(3, lt(0xff, shr(bits, lost))))
                            bits := or(bits, shl(2, lt(0xf, shr(bits, lost))))
                            bits := or(bits, byte(shr(bits, lost), LOG2))
                            less := sub(add(lesser, bits), 24)
                            // it has no more than 24 bits between its highest and its lowest
                            lost := or(add(shl(FRACTION_BITS, less), shr(17, shl(sub(40, bits), lost))), sign)
                            if slt(less, 0) { sum := NONE }
                        }
                    }
                    if iszero(total) {
                        sum := 0
                        lost := 0
                    }
                }
                default {
                    if gt(gt(distance, NEGLIGIBLE), and(isSwapped, isOrdered)) {
                        sum := a
                        lost := b
                    }
                }
            }
            default {
                // with a zero, in whatever order, nothing is lost; +0 + +0 = +0
                if iszero(or(and(b, MAGNITUDE), gt(iszero(iszero(or(a, b))), lt(sub(exponent, 1), NORMAL)))) {
                    sum := a
                    lost := 0
                }
            }
        }
    }
}

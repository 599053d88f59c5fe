// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "../../src/libraries/Float32.sol";
import {FloatSteps} from "../../src/libraries/FloatSteps.sol";
import {Test} from "../support/Test.sol";

/// @notice The short ways lead where `Float32` does: on any words, on numbers of like size, and where terms cancel.
contract FloatStepsTest is Test {
    uint256 private constant SIGN = 0x80000000;
    uint256 private constant ONE = 0x3f800000;
    uint256 private constant NAN = 0x7fc00000;

    function testFuzz_anyWords(uint32 a, uint32 b, uint32 c) public pure {
        _compare(a, b, c);
    }

    /// Exponents as near as in a function: within 2^8 of 1, or of each other wherever they are.
    function testFuzz_numbersOfLikeSize(uint32 a, uint32 b, uint32 c, uint8 exponent) public pure {
        _compare(_near(a, 127), _near(b, 127), _near(c, 127));
        _compare(_near(a, exponent), _near(b, 127), _near(c, exponent));
        _compare(_near(a, exponent), _near(b, exponent), _near(c, exponent));
    }

    /// Few bits: exact results, ties, and neighbours of powers of two.
    function testFuzz_fewBits(uint32 a, uint32 b, uint32 c, uint8 bits) public pure {
        uint256 mask = ~((uint256(1) << (bits % 24)) - 1);
        _compare(_near(a, 127) & mask, _near(b, 127) & mask, _near(c, 127) & mask);
        _compare((_near(a, 127) & mask) - 1, (_near(b, 127) & mask) - 1, (_near(c, 127) & mask) - 1);
    }

    function testFuzz_termsThatCancel(uint32 a, uint32 b, uint8 change, bool isNear) public pure {
        (uint256 x, uint256 y) = isNear ? (_near(a, 127), _near(b, 127)) : (uint256(a), uint256(b));
        unchecked {
            uint256 product = uint32(Float32.mul(x, y) + (change % 8) - 3);
            _compare(x, y, product ^ SIGN);
            _compare(x, uint32(x + (change % 8) - 3) ^ SIGN, y);
            _compare(x, uint32(x - (uint256(change) << 20)) ^ SIGN, y);
        }
    }

    function testFuzz_zeros(uint32 a, uint32 b, bool sign, bool otherSign) public pure {
        (uint256 zero, uint256 otherZero) = (sign ? SIGN : 0, otherSign ? SIGN : 0);
        _compare(zero, a, b);
        _compare(a, zero, b);
        _compare(a, b, zero);
        _compare(zero, otherZero, a);
        _compare(zero, a, otherZero);
        _compare(zero, otherZero, zero);
    }

    function testFuzz_choices(uint32 a, uint32 b) public pure {
        assertEq(FloatSteps.select(1, a, b), a, "then");
        assertEq(FloatSteps.select(0, a, b), b, "otherwise");
        assertEq(FloatSteps.sar(a, b % 32), uint256(uint32(int32(a) >> (b % 32))), "sar");
    }

    function testFuzz_polynomials(uint32 value, uint32 x, uint32 first, uint32 second, bool isNear) public pure {
        (uint256 start, uint256 factor) = isNear ? (_near(value, 127), _near(x, 120)) : (uint256(value), uint256(x));
        _polynomial(start, factor, _near(first, 127), _near(second, 127));
        _polynomial(start, SIGN, _near(first, 127), _near(second, 127));
        _polynomial(start, x & 0x807fffff, _near(first, 127), _near(second, 127)); // subnormal
        // the second step cancels
        uint256 once = Float32.fma(start, factor, _near(first, 127));
        uint256 product = Float32.mul(once, factor);
        if (_isCoefficient(product)) _polynomial(start, factor, _near(first, 127), product ^ SIGN);
    }

    function _polynomial(uint256 value, uint256 x, uint256 first, uint256 second) private pure {
        uint256 expected = Float32.fma(Float32.fma(value, x, first), x, second);
        assertEq(FloatSteps.polynomial(value, x, (first << 224) | (second << 192)), expected, "polynomial");
    }

    function _compare(uint256 a, uint256 b, uint256 c) private pure {
        assertEq(FloatSteps.add(a, b), Float32.add(a, b), "add");
        assertEq(FloatSteps.sub(a, b), Float32.sub(a, b), "sub");
        assertEq(FloatSteps.mul(a, b), Float32.mul(a, b), "mul");
        assertEq(FloatSteps.fma(a, b, c), Float32.fma(a, b, c), "fma");
        assertEq(FloatSteps.less(a, b), Float32.less(a, b) ? 1 : 0, "less");
        assertEq(FloatSteps.lessEqual(a, b), Float32.lessEqual(a, b) ? 1 : 0, "less or equal");
        assertEq(FloatSteps.equal(a, b), Float32.equal(a, b) ? 1 : 0, "equal");
        assertEq(FloatSteps.equal(a, a), Float32.isNaN(a) ? 0 : 1, "equal to itself");
        _compareTwoSums(a, b);
    }

    function _compareTwoSums(uint256 a, uint256 b) private pure {
        uint256 expected = Float32.add(a, b);
        (uint256 sum, uint256 lost) = FloatSteps.fastTwoSum(a, b);
        assertEq(sum, expected, "sum");
        assertEq(lost, Float32.add(Float32.sub(a, sum), b), "what it lost, by Dekker");
        (sum, lost) = FloatSteps.twoSum(a, b);
        assertEq(sum, expected, "sum");
        uint256 partB = Float32.sub(sum, a);
        uint256 lostA = Float32.sub(a, Float32.sub(sum, partB));
        assertEq(lost, Float32.add(lostA, Float32.sub(b, partB)), "what it lost, by Knuth");
    }

    /// The word with an exponent field within 8 of `exponent`, as far as there are such.
    function _near(uint32 word, uint256 exponent) private pure returns (uint256) {
        uint256 field = exponent + ((word >> 23) & 0xf);
        return (word & 0x807fffff) | ((field < 8 ? 0 : field - 8 > 255 ? 255 : field - 8) << 23);
    }

    /// Whether a generated function could have it in a polynomial.
    function _isCoefficient(uint256 word) private pure returns (bool) {
        uint256 field = (word >> 23) & 0xff;
        return field >= 87 && field <= 166;
    }
}

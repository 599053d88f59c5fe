// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "../../src/libraries/Float32.sol";
import {Test} from "../support/Test.sol";

/// @notice The rules at the edges, and laws that hold for all words. Values of ordinary arithmetic are compared with the
/// specification, a million at a time, by tests/unit/contracts.
contract Float32Test is Test {
    uint256 private constant ONE = 0x3f800000;
    uint256 private constant TWO = 0x40000000;
    uint256 private constant LARGEST = 0x7f7fffff;
    uint256 private constant SMALLEST_NORMAL = 0x00800000;
    uint256 private constant INFINITY = 0x7f800000;
    uint256 private constant NAN = 0x7fc00000;
    uint256 private constant MINUS = 0x80000000;

    uint256[8] private signaling =
        [uint256(0x7f800001), 0xff800001, 0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff, 0x7fa00000, 0xffabcdef];

    function test_sumsOfZeros() public pure {
        assertEq(Float32.add(0, 0), 0, "0 + 0");
        assertEq(Float32.add(MINUS, 0), 0, "-0 + 0");
        assertEq(Float32.add(MINUS, MINUS), MINUS, "-0 + -0");
        assertEq(Float32.sub(0, 0), 0, "0 - 0");
        assertEq(Float32.sub(MINUS, 0), MINUS, "-0 - 0");
        assertEq(Float32.fma(MINUS, ONE, MINUS), MINUS, "-0 * 1 + -0");
        assertEq(Float32.fma(MINUS, ONE, 0), 0, "-0 * 1 + 0");
        assertEq(Float32.fma(LARGEST, 0, 1), 1, "x * 0 + tiny");
        assertEq(Float32.fma(LARGEST, MINUS, MINUS | 1), MINUS | 1, "x * -0 - tiny");
    }

    function test_infinities() public pure {
        assertEq(Float32.add(INFINITY, MINUS | INFINITY), NAN, "inf - inf");
        assertEq(Float32.add(INFINITY, MINUS | LARGEST), INFINITY, "inf - x");
        assertEq(Float32.mul(INFINITY, MINUS), NAN, "inf * -0");
        assertEq(Float32.mul(MINUS | INFINITY, TWO), MINUS | INFINITY, "-inf * 2");
        assertEq(Float32.div(INFINITY, INFINITY), NAN, "inf / inf");
        assertEq(Float32.div(MINUS, 0), NAN, "-0 / 0");
        assertEq(Float32.div(ONE, MINUS), MINUS | INFINITY, "1 / -0");
        assertEq(Float32.div(ONE, MINUS | INFINITY), MINUS, "1 / -inf");
        assertEq(Float32.sqrt(INFINITY), INFINITY, "sqrt inf");
        assertEq(Float32.fma(INFINITY, 0, NAN), NAN, "inf * 0 + nan");
        assertEq(Float32.fma(INFINITY, ONE, MINUS | INFINITY), NAN, "inf - inf by fma");
        assertEq(
            Float32.fma(LARGEST, LARGEST, MINUS | INFINITY), MINUS | INFINITY, "overflow does not come before -inf"
        );
    }

    function test_squareRootsBelowZero() public pure {
        assertEq(Float32.sqrt(MINUS), MINUS, "sqrt -0");
        assertEq(Float32.sqrt(MINUS | 1), NAN, "sqrt of a negative subnormal");
        assertEq(Float32.sqrt(MINUS | INFINITY), NAN, "sqrt -inf");
        assertEq(Float32.sqrt(1), 0x1a3504f3, "sqrt 2^-149 = 2^-74.5");
    }

    function test_roundsTiesToEven() public pure {
        uint256 half = 0x33800000; // 2^-24: half of the last bit of 1
        assertEq(Float32.add(ONE, half), ONE, "down to even");
        assertEq(Float32.add(ONE + 1, half), ONE + 2, "up to even");
        assertEq(Float32.add(ONE, half + 1), ONE + 1, "just above the tie");
        assertEq(Float32.fma(ONE, ONE, half), ONE, "fma: down to even");
        assertEq(Float32.fma(half + 1, ONE, ONE), ONE + 1, "fma: just above the tie");
        assertEq(Float32.sub(ONE, half >> 1), ONE, "below one the last bit is half as large");
    }

    /// A tie is decided by a term that lies far below both operands' bits.
    function test_fmaSeesTheLeastBitOfAFarTerm() public pure {
        uint256 product = Float32.mul(ONE + 1, ONE + 1); // rounded; the exact one has 2^-46 besides
        assertEq(Float32.fma(ONE + 1, ONE + 1, MINUS | product), 0x28800000, "2^-46");
        assertEq(Float32.fma(0x33800000, ONE, ONE), ONE, "a tie alone");
        assertEq(Float32.fma(0x33800000, 0x3f800001, ONE), ONE + 1, "a tie and a little");
        uint256 oneAndAHalf = 0x3fc00000; // times 1 + 2^-23 it is a tie
        assertEq(Float32.fma(ONE + 1, oneAndAHalf, 0), oneAndAHalf + 2, "to even");
        assertEq(Float32.fma(ONE + 1, oneAndAHalf, 1), oneAndAHalf + 2, "the least number of all, upward");
        assertEq(Float32.fma(ONE + 1, oneAndAHalf, MINUS | 1), oneAndAHalf + 1, "and downward");
    }

    function test_overflowAndUnderflow() public pure {
        assertEq(Float32.add(LARGEST, LARGEST), INFINITY, "largest + largest");
        assertEq(Float32.add(LARGEST, 0x73000000), INFINITY, "half a last bit more rounds to infinity");
        assertEq(Float32.add(LARGEST, 0x72ffffff), LARGEST, "less does not");
        assertEq(Float32.mul(SMALLEST_NORMAL, 0x3f000000), 0x00400000, "a subnormal");
        assertEq(Float32.mul(1, 0x3f000000), 0, "half of the smallest: to even, 0");
        assertEq(Float32.mul(MINUS | 1, 0x3f000000), MINUS, "its sign stays");
        assertEq(Float32.mul(1, 0x3f000001), 1, "a little more than half of it");
        assertEq(Float32.mul(1, MINUS | 1), MINUS, "all gone");
        assertEq(Float32.sub(SMALLEST_NORMAL, 1), 0x007fffff, "from normal to subnormal");
        assertEq(Float32.add(0x007fffff, 1), SMALLEST_NORMAL, "and back");
        assertEq(Float32.div(LARGEST, 1), INFINITY, "largest / smallest");
        assertEq(Float32.div(1, LARGEST), 0, "smallest / largest");
        assertEq(Float32.div(0x00ffffff, 1), 0x4b7fffff, "a quotient of subnormals");
    }

    function testFuzz_everyNaNGivesTheOne(uint32 a, uint32 b, uint8 choice) public view {
        uint256 nan = signaling[choice % 8];
        assertEq(Float32.add(nan, a), NAN, "add");
        assertEq(Float32.sub(a, nan), NAN, "sub");
        assertEq(Float32.mul(nan, a), NAN, "mul");
        assertEq(Float32.div(a, nan), NAN, "div");
        assertEq(Float32.sqrt(nan), NAN, "sqrt");
        assertEq(Float32.fma(nan, a, b), NAN, "fma");
        assertEq(Float32.fma(a, b, nan), NAN, "fma");
        assertEq(Float32.min(nan, a), NAN, "min");
        assertEq(Float32.max(a, nan), NAN, "max");
        assertEq(Float32.canonical(nan), NAN, "canonical");
        assertTrue(!Float32.equal(nan, nan) && !Float32.less(nan, a) && !Float32.lessEqual(a, nan), "compared");
    }

    function testFuzz_sumsAndProductsCommute(uint32 a, uint32 b, uint32 c) public pure {
        assertEq(Float32.add(a, b), Float32.add(b, a), "add");
        assertEq(Float32.mul(a, b), Float32.mul(b, a), "mul");
        assertEq(Float32.fma(a, b, c), Float32.fma(b, a, c), "fma");
        assertEq(Float32.min(a, b), Float32.min(b, a), "min");
        assertEq(Float32.max(a, b), Float32.max(b, a), "max");
    }

    function testFuzz_fmaIsSumAndProduct(uint32 a, uint32 b) public pure {
        assertEq(Float32.fma(a, ONE, b), Float32.add(a, b), "a * 1 + b");
        uint256 zero = (a ^ b) & MINUS; // of the product's sign, so that a zero keeps it
        assertEq(Float32.fma(a, b, zero), Float32.mul(a, b), "a * b + 0");
    }

    function testFuzz_signsAreSymmetric(uint32 a, uint32 b) public pure {
        if (Float32.isNaN(a) || Float32.isNaN(b)) return;
        uint256 product = Float32.mul(a, b);
        assertEq(Float32.mul(a ^ MINUS, b), product == NAN ? NAN : product ^ MINUS, "mul");
        uint256 quotient = Float32.div(a, b);
        assertEq(Float32.div(a, b ^ MINUS), quotient == NAN ? NAN : quotient ^ MINUS, "div");
        assertEq(Float32.max(a ^ MINUS, b ^ MINUS), Float32.min(a, b) ^ MINUS, "max");
    }

    function testFuzz_orderIsTotalButForNaN(uint32 a, uint32 b) public pure {
        if (Float32.isNaN(a) || Float32.isNaN(b)) return;
        uint256 holding = (Float32.less(a, b) ? 1 : 0) + (Float32.less(b, a) ? 1 : 0) + (Float32.equal(a, b) ? 1 : 0);
        assertEq(holding, 1, "one of three");
        assertTrue(Float32.lessEqual(a, b) == !Float32.less(b, a), "lessEqual");
        bool different = Float32.sub(a, b) & 0x7fffffff != 0 && Float32.sub(a, b) != NAN;
        if (different) assertTrue(Float32.less(a, b) == (Float32.sub(a, b) >= MINUS), "by difference");
    }

    function test_zerosAreEqualButOrdered() public pure {
        assertTrue(Float32.equal(0, MINUS) && Float32.lessEqual(0, MINUS) && !Float32.less(MINUS, 0), "equal");
        assertEq(Float32.min(0, MINUS), MINUS, "min");
        assertEq(Float32.max(MINUS, 0), 0, "max");
    }

    /// What is exact comes out exactly.
    function testFuzz_rootsOfSquares(uint16 a) public pure {
        uint256 number = _fromInteger(a);
        if (a < 4096) assertEq(Float32.sqrt(Float32.mul(number, number)), number, "sqrt(a * a), exact");
        assertEq(Float32.div(Float32.mul(number, TWO), TWO), number, "a * 2 / 2");
    }

    function _fromInteger(uint256 value) private pure returns (uint256) {
        // 2^23 + value has the value's bits in its low end
        return Float32.sub(0x4b000000 | value, 0x4b000000);
    }
}

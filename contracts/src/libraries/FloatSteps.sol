// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {NormalFloat32} from "./NormalFloat32.sol";

/// @title The steps that the generated functions take
/// @dev The base operations of `aivm.numerics.machine` on binary32 words (truths are 0 and 1), and three that do several
/// of them at once. What is not `NormalFloat32`'s goes to `Float32`. All results are those of `Float32`.
library FloatSteps {
    uint256 private constant NONE = NormalFloat32.NONE;
    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant INFINITY = 0x7f800000;

    function add(uint256 a, uint256 b) internal pure returns (uint256 sum) {
        (uint256 word, uint256 total, uint256 exponent) = NormalFloat32.add(a, b);
        sum = NormalFloat32.round(word, total, exponent);
        if (sum == NONE) sum = Float32.add(a, b);
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ Float32.SIGN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256 product) {
        product = NormalFloat32.mul(a, b);
        if (product == NONE) product = Float32.mul(a, b);
    }

    function fma(uint256 a, uint256 b, uint256 c) internal pure returns (uint256 sum) {
        (uint256 word, uint256 total, uint256 exponent) = NormalFloat32.fma(a, b, c);
        sum = NormalFloat32.round(word, total, exponent);
        if (sum == NONE) sum = Float32.fma(a, b, c);
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        return Float32.div(a, b);
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        return Float32.sqrt(a);
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return Float32.min(a, b);
    }

    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        return Float32.max(a, b);
    }

    function less(uint256 a, uint256 b) internal pure returns (uint256 truth) {
        assembly ("memory-safe") {
            let magnitudeA := and(a, MAGNITUDE)
            let magnitudeB := and(b, MAGNITUDE)
            let minusA := sub(0, shr(31, a))
            let minusB := sub(0, shr(31, b))
            // between integers that sort as the numbers do, with 0 for both zeros
            truth := slt(sub(xor(magnitudeA, minusA), minusA), sub(xor(magnitudeB, minusB), minusB))
            truth := gt(truth, or(gt(magnitudeA, INFINITY), gt(magnitudeB, INFINITY)))
        }
    }

    function lessEqual(uint256 a, uint256 b) internal pure returns (uint256 truth) {
        assembly ("memory-safe") {
            let magnitudeA := and(a, MAGNITUDE)
            let magnitudeB := and(b, MAGNITUDE)
            let minusA := sub(0, shr(31, a))
            let minusB := sub(0, shr(31, b))
            truth := sgt(sub(xor(magnitudeA, minusA), minusA), sub(xor(magnitudeB, minusB), minusB))
            truth := iszero(or(truth, or(gt(magnitudeA, INFINITY), gt(magnitudeB, INFINITY))))
        }
    }

    function equal(uint256 a, uint256 b) internal pure returns (uint256 truth) {
        assembly ("memory-safe") {
            let magnitudes := and(or(a, b), MAGNITUDE)
            truth := or(eq(a, b), iszero(magnitudes))
            if gt(magnitudes, INFINITY) {
                truth := gt(truth, or(gt(and(a, MAGNITUDE), INFINITY), gt(and(b, MAGNITUDE), INFINITY)))
            }
        }
    }

    function select(uint256 truth, uint256 a, uint256 b) internal pure returns (uint256 chosen) {
        assembly ("memory-safe") {
            chosen := xor(b, mul(truth, xor(a, b)))
        }
    }

    /// Shifted right by `count`, copies of bit 31 coming in.
    function sar(uint256 a, uint256 count) internal pure returns (uint256 shifted) {
        assembly ("memory-safe") {
            shifted := and(sar(count, signextend(3, a)), 0xffffffff)
        }
    }

    /// @notice A fused multiply-add for each coefficient: value * x + coefficient is the next value.
    /// @param coefficients Up to eight, of four bytes, from the highest on; see `NormalFloat32.polynomial`.
    function polynomial(uint256 value, uint256 x, uint256 coefficients) internal pure returns (uint256 result) {
        result = NormalFloat32.polynomial(value, x, coefficients);
        if (result == NONE) {
            for (result = value; coefficients != 0; coefficients <<= 32) {
                result = Float32.fma(result, x, coefficients >> 224);
            }
        }
    }

    /// @return sum a + b
    /// @return lost (a - sum) + b, by Dekker the rest of it where |a| >= |b|.
    function fastTwoSum(uint256 a, uint256 b) internal pure returns (uint256 sum, uint256 lost) {
        (sum, lost) = NormalFloat32.twoSum(a, b, true);
        if (sum == NONE) {
            sum = Float32.add(a, b);
            lost = Float32.add(Float32.sub(a, sum), b);
        }
    }

    /// @return sum a + b
    /// @return lost (a - (sum - (sum - a))) + (b - (sum - a)), by Knuth the rest of it.
    function twoSum(uint256 a, uint256 b) internal pure returns (uint256 sum, uint256 lost) {
        (sum, lost) = NormalFloat32.twoSum(a, b, false);
        if (sum == NONE) {
            sum = Float32.add(a, b);
            uint256 partB = Float32.sub(sum, a);
            uint256 partA = Float32.sub(sum, partB);
            lost = Float32.add(Float32.sub(a, partA), Float32.sub(b, partB));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "../../src/libraries/Float32.sol";
import {Remainder} from "../../src/libraries/Remainder.sol";
import {Test} from "../support/Test.sol";

/// @notice Edges and laws; tests/unit/contracts/test_numerics.py compares values with the specification.
contract RemainderTest is Test {
    uint256 private constant MINUS = 0x80000000;
    uint256 private constant LARGEST = 0x7f7fffff;

    function test_values() public pure {
        assertEq(Remainder.fmod(0x40e00000, 0x40400000), 0x3f800000, "7 mod 3 = 1");
        assertEq(Remainder.fmod(0xc0e00000, 0x40400000), 0xbf800000, "-7 mod 3 = -1");
        assertEq(Remainder.fmod(0x40e00000, 0xc0400000), 0x3f800000, "7 mod -3 = 1");
        assertEq(Remainder.fmod(MINUS | 0x40c00000, 0x40400000), MINUS, "-6 mod 3 = -0");
        assertEq(Remainder.fmod(LARGEST, 1), 0, "all is a multiple of the least number");
        assertEq(Remainder.fmod(LARGEST - 1, 3), 1, "(2^24 - 2) 2^253 mod 3");
        assertEq(Remainder.fmod(0x00800001, 0x00800000), 1, "a subnormal rest");
    }

    function testFuzz_specials(uint32 x, uint32 nan, bool sign) public pure {
        nan = uint32(0x7f800001 + (nan % 0x7fffff));
        uint256 xSign = x & MINUS;
        assertEq(Remainder.fmod(x, sign ? MINUS : 0), Float32.NAN | xSign, "by zero");
        assertEq(Remainder.fmod(x, nan), Float32.NAN | xSign, "by NaN");
        assertEq(Remainder.fmod(nan, x), Float32.NAN, "of NaN");
        assertEq(Remainder.fmod(MINUS | Float32.INFINITY, x), Float32.NAN | MINUS, "of infinity");
        uint256 byInfinity = (x & 0x7fffffff) < Float32.INFINITY ? x : Float32.NAN | xSign;
        assertEq(Remainder.fmod(x, Float32.INFINITY), byInfinity, "by infinity");
    }

    /// It is below the divisor, has the sign of the dividend, and is its own remainder.
    function testFuzz_laws(uint32 x, uint32 y) public pure {
        if ((x & 0x7fffffff) >= Float32.INFINITY || y & 0x7fffffff == 0 || (y & 0x7fffffff) > Float32.INFINITY) return;
        uint256 rest = Remainder.fmod(x, y);
        assertTrue((rest & 0x7fffffff) < (y & 0x7fffffff), "below the divisor");
        assertEq(rest & MINUS, x & MINUS, "sign");
        assertEq(Remainder.fmod(rest, y), rest, "again");
        assertEq(Remainder.fmod(x, y ^ MINUS), rest, "the divisor's sign does not matter");
    }
}

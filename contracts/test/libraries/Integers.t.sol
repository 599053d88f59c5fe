// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DTypeCode, FunctionCode} from "../../src/libraries/Functions.gen.sol";
import {Integers} from "../../src/libraries/Integers.sol";
import {Test} from "../support/Test.sol";

contract IntegersTest is Test {
    function test_widthsAndRanges() public pure {
        uint8[9] memory bits = [1, 8, 8, 16, 16, 32, 32, 64, 64];
        for (uint256 i = 0; i < 9; ++i) {
            uint256 dtype = DTypeCode.BOOL + i;
            assertEq(Integers.width(dtype), bits[i], "width");
            bool signed = i > 0 && i % 2 == 0;
            assertTrue(Integers.isSigned(dtype) == signed, "sign");
            assertTrue(Integers.smallest(dtype) == (signed ? -int256(2 ** (bits[i] - 1)) : int256(0)), "smallest");
            assertTrue(Integers.largest(dtype) == int256(2 ** (bits[i] - (signed ? 1 : 0))) - 1, "largest");
        }
    }

    function testFuzz_wrapAndValueAreInverse(int256 value, uint8 choice) public pure {
        uint256 dtype = DTypeCode.BOOL + choice % 9;
        uint256 word = Integers.wrap(dtype, value);
        int256 found = Integers.valueOf(dtype, word);
        assertEq(Integers.wrap(dtype, found), word, "word");
        assertTrue(found >= Integers.smallest(dtype) && found <= Integers.largest(dtype), "in range");
        unchecked {
            assertEq(uint256(value - found) % (1 << Integers.width(dtype)), 0, "congruent");
        }
    }

    function testFuzz_divisionIsTotal(uint64 a, uint8 choice) public pure {
        uint256 dtype = DTypeCode.U8 + choice % 8;
        uint256 word = Integers.wrap(dtype, int256(uint256(a)));
        assertEq(Integers.evaluate(FunctionCode.DIV, dtype, word, 0), 0, "div by 0");
        assertEq(Integers.evaluate(FunctionCode.MOD, dtype, word, 0), 0, "mod by 0");
        assertEq(Integers.evaluate(FunctionCode.FMOD, dtype, word, 0), 0, "fmod by 0");
        uint256 least = Integers.wrap(dtype, Integers.smallest(dtype));
        uint256 minusOne = Integers.wrap(dtype, -1);
        if (!Integers.isSigned(dtype)) return;
        assertEq(Integers.evaluate(FunctionCode.DIV, dtype, least, minusOne), least, "the most negative by -1");
        assertEq(Integers.evaluate(FunctionCode.ABS, dtype, least, 0), least, "its absolute value");
    }

    function testFuzz_divisionAndRemainderFitTogether(uint64 a, uint64 b, uint8 choice) public pure {
        uint256 dtype = DTypeCode.U8 + choice % 8;
        (uint256 x, uint256 y) = (Integers.wrap(dtype, int256(uint256(a))), Integers.wrap(dtype, int256(uint256(b))));
        if (y == 0) return;
        uint256 quotient = Integers.evaluate(FunctionCode.DIV, dtype, x, y);
        uint256 product = Integers.evaluate(FunctionCode.MUL, dtype, quotient, y);
        uint256 rest = Integers.evaluate(FunctionCode.FMOD, dtype, x, y);
        assertEq(Integers.evaluate(FunctionCode.ADD, dtype, product, rest), x, "quotient * divisor + rest");
        int256 floored = Integers.valueOf(dtype, Integers.evaluate(FunctionCode.MOD, dtype, x, y));
        assertTrue(floored == 0 || (floored < 0) == (Integers.valueOf(dtype, y) < 0), "the divisor's sign");
    }

    function test_shiftsByTheWidthOrMore() public pure {
        for (uint256 dtype = DTypeCode.U8; dtype <= DTypeCode.I64; ++dtype) {
            uint256 all = Integers.wrap(dtype, -1);
            uint256 filled = Integers.isSigned(dtype) ? all : 0;
            uint256[4] memory counts = [Integers.width(dtype), 127, Integers.wrap(dtype, Integers.largest(dtype)), all]; // all: -1 if signed
            for (uint256 i = 0; i < 4; ++i) {
                assertEq(Integers.evaluate(FunctionCode.SHIFT_LEFT, dtype, all, counts[i]), 0, "left");
                assertEq(Integers.evaluate(FunctionCode.SHIFT_RIGHT, dtype, all, counts[i]), filled, "right");
            }
            assertEq(Integers.evaluate(FunctionCode.SHIFT_LEFT, dtype, 1, 7), 128, "left by 7");
            assertEq(Integers.evaluate(FunctionCode.SHIFT_RIGHT, dtype, 64, 6), 1, "right by 6");
        }
    }

    function test_truths() public pure {
        for (uint256 i = 0; i < 4; ++i) {
            (uint256 a, uint256 b) = (i & 1, i >> 1);
            assertEq(_bool(FunctionCode.NOT, a, b), 1 - a, "not");
            assertEq(_bool(FunctionCode.AND, a, b), a & b, "and");
            assertEq(_bool(FunctionCode.OR, a, b), a | b, "or");
            assertEq(_bool(FunctionCode.XOR, a, b), a ^ b, "xor");
            assertEq(_bool(FunctionCode.EQUAL, a, b), a == b ? 1 : 0, "equal");
            assertEq(_bool(FunctionCode.LESS, a, b), a < b ? 1 : 0, "less");
        }
    }

    function _bool(uint256 code, uint256 a, uint256 b) private pure returns (uint256) {
        return Integers.evaluate(code, DTypeCode.BOOL, a, b);
    }
}

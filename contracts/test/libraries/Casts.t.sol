// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Casts} from "../../src/libraries/Casts.sol";
import {DTypeCode} from "../../src/libraries/Functions.gen.sol";
import {Integers} from "../../src/libraries/Integers.sol";
import {Test} from "../support/Test.sol";

contract CastsTest is Test {
    uint256 private constant F32 = DTypeCode.F32;

    /// Every F16 and BF16 is an F32; there and back changes only NaNs.
    function testFuzz_wideningIsExact(uint16 word, bool brain) public pure {
        uint256 narrow = brain ? DTypeCode.BF16 : DTypeCode.F16;
        uint256 back = Casts.cast(F32, narrow, Casts.cast(narrow, F32, word));
        assertEq(back, Casts.canonical(narrow, word), "there and back");
    }

    function testFuzz_bfloatIsTheUpperHalf(uint16 word) public pure {
        uint256 wide = Casts.cast(DTypeCode.BF16, F32, word);
        assertEq(wide, Casts.canonical(F32, uint256(word) << 16), "the same exponents");
    }

    function test_roundsOnceToHalves() public pure {
        uint256 half = DTypeCode.F16;
        assertEq(Casts.cast(F32, half, 0x477fefff), 0x7bff, "65519.996 is the largest");
        assertEq(Casts.cast(F32, half, 0x477ff000), 0x7c00, "65520 is a tie, and infinity");
        assertEq(Casts.cast(F32, half, 0x33000000), 0, "2^-25 is a tie, and 0");
        assertEq(Casts.cast(F32, half, 0xb3000001), 0x8001, "a little more is not");
        assertEq(Casts.cast(DTypeCode.I32, half, 2049), 0x6800, "2049 is a tie, and even");
        assertEq(Casts.cast(DTypeCode.U64, half, type(uint64).max), 0x7c00, "overflow");
    }

    function test_roundsOnceFromIntegers() public pure {
        // a tie that binary64 would make by rounding first
        assertEq(Casts.cast(DTypeCode.I64, F32, 0x4000004000000001), 0x5e800001, "2^62 + 2^38 + 1");
        assertEq(Casts.cast(DTypeCode.I64, F32, 0x4000004000000000), 0x5e800000, "2^62 + 2^38");
        assertEq(Casts.cast(DTypeCode.I64, F32, 1 << 63), 0xdf000000, "-2^63");
        assertEq(Casts.cast(DTypeCode.U64, F32, type(uint64).max), 0x5f800000, "2^64 - 1");
    }

    function test_truncatesAndSaturates() public pure {
        for (uint256 dtype = DTypeCode.U8; dtype <= DTypeCode.I64; ++dtype) {
            uint256 least = Integers.wrap(dtype, Integers.smallest(dtype));
            uint256 most = Integers.wrap(dtype, Integers.largest(dtype));
            assertEq(Casts.cast(F32, dtype, 0x7f800000), most, "infinity");
            assertEq(Casts.cast(F32, dtype, 0xff800000), least, "-infinity");
            assertEq(Casts.cast(F32, dtype, 0x7f7fffff), most, "the largest number");
            assertEq(Casts.cast(F32, dtype, 0xff7fffff), least, "the smallest number");
            assertEq(Casts.cast(F32, dtype, 0x7fc00000), 0, "NaN");
            assertEq(Casts.cast(F32, dtype, 0x40ffffff), 7, "7.9999995");
            assertEq(Casts.cast(F32, dtype, 0xbf7fffff), 0, "-0.99999994");
            assertEq(Casts.cast(DTypeCode.F16, dtype, 0x7c00), most, "infinity, not 65536");
        }
    }

    function test_truths() public pure {
        uint256 truth = DTypeCode.BOOL;
        assertEq(Casts.cast(F32, truth, 0x80000000), 0, "-0");
        assertEq(Casts.cast(F32, truth, 0x7fc00000), 1, "NaN");
        assertEq(Casts.cast(F32, truth, 1), 1, "a subnormal");
        assertEq(Casts.cast(DTypeCode.I64, truth, 1 << 63), 1, "an integer");
        assertEq(Casts.cast(truth, F32, 1), 0x3f800000, "1.0");
        assertEq(Casts.cast(truth, DTypeCode.I8, 1), 1, "1");
    }
}

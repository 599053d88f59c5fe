// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Split} from "../../src/libraries/Split.sol";
import {Test} from "../support/Test.sol";

contract SplitTest is Test {
    function test_splitsExactly() public pure {
        (uint256 toProvider, uint256 toPublisher, uint256 toTreasury) = Split.between(0, 10_000, 1_000, 250);
        assertEq(toPublisher, 1_000, "publisher");
        assertEq(toTreasury, 250, "treasury");
        assertEq(toProvider, 8_750, "provider");
    }

    function test_withoutSharesAllGoesToTheProvider() public pure {
        (uint256 toProvider, uint256 toPublisher, uint256 toTreasury) = Split.between(5, 12, 0, 0);
        assertEq(toProvider, 7, "provider");
        assertEq(toPublisher + toTreasury, 0, "others");
    }

    function test_oneShareAlone() public pure {
        (, uint256 toPublisher, uint256 toTreasury) = Split.between(0, 1e18, 3_000, 0);
        assertEq(toPublisher, 0.3e18, "publisher");
        assertEq(toTreasury, 0, "treasury");
        (, toPublisher, toTreasury) = Split.between(0, 1e18, 0, 1_000);
        assertEq(toPublisher, 0, "publisher");
        assertEq(toTreasury, 0.1e18, "treasury");
    }

    function testFuzz_neitherLosesNorMakesMoney(uint128 a, uint128 b, uint16 royalty, uint16 fee) public pure {
        (royalty, fee) = _shares(royalty, fee);
        if (a > b) (a, b) = (b, a);
        (uint256 toProvider, uint256 toPublisher, uint256 toTreasury) = Split.between(a, b, royalty, fee);
        assertEq(toProvider + toPublisher + toTreasury, uint256(b) - a, "sum");
    }

    /// Whatever the steps, the same totals: dust payments gain nothing.
    function testFuzz_doesNotDependOnTheSteps(uint8[24] memory steps, uint120 start, uint16 royalty, uint16 fee)
        public
        pure
    {
        (royalty, fee) = _shares(royalty, fee);
        uint256[3] memory sums;
        uint256 total = start;
        for (uint256 i = 0; i < steps.length; ++i) {
            (uint256 p, uint256 q, uint256 r) = Split.between(total, total + steps[i], royalty, fee);
            (sums[0], sums[1], sums[2]) = (sums[0] + p, sums[1] + q, sums[2] + r);
            total += steps[i];
        }
        (uint256 toProvider, uint256 toPublisher, uint256 toTreasury) = Split.between(start, total, royalty, fee);
        assertEq(sums[0], toProvider, "provider");
        assertEq(sums[1], toPublisher, "publisher");
        assertEq(sums[2], toTreasury, "treasury");
    }

    /// The exact share is missed by less than two base units, and never to the provider's disadvantage.
    function testFuzz_isClose(uint120 total, uint16 royalty, uint16 fee) public pure {
        (royalty, fee) = _shares(royalty, fee);
        (uint256 toProvider, uint256 toPublisher, uint256 toTreasury) = Split.between(0, total, royalty, fee);
        uint256 whole = uint256(total) * 10_000;
        assertTrue(toProvider * 10_000 >= uint256(total) * (10_000 - royalty - fee), "provider loses");
        assertTrue(toPublisher * 10_000 <= uint256(total) * royalty, "publisher gains");
        assertTrue(toPublisher * 10_000 + 20_000 > uint256(total) * royalty, "publisher loses much");
        assertTrue(toTreasury * 10_000 + 20_000 > uint256(total) * fee, "treasury loses much");
        assertTrue(toTreasury * 10_000 < uint256(total) * fee + 10_000, "treasury gains much");
        assertEq((toProvider + toPublisher + toTreasury) * 10_000, whole, "sum");
    }

    function _shares(uint16 royalty, uint16 fee) private pure returns (uint16, uint16) {
        return (royalty % 3_001, fee % 1_001);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Version} from "../../src/libraries/Version.sol";
import {Test} from "../support/Test.sol";
import {vm} from "../support/Vm.sol";

contract VersionTest is Test {
    function test_refuses() public pure {
        string[16] memory bad = [
            "",
            "1",
            "1.",
            "1.2",
            "1.2.",
            "1.2.3.",
            "1.2.3.4",
            "01.2.3",
            "1.02.3",
            "1.2.00",
            ".1.2",
            "1..2",
            "v1.2.3",
            "1.2.3-rc1",
            " 1.2.3",
            "1.2.1000000000"
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            (bool valid,) = Version.parse(bytes(bad[i]));
            assertTrue(!valid, bad[i]);
        }
    }

    function testFuzz_ordersByMajorThenMinorThenPatch(uint256 a, uint256 b, uint256 c) public pure {
        (a, b, c) = (bound(a, 0, 999_999_999), bound(b, 0, 999_999_999), bound(c, 0, 999_999_999));
        (bool valid, uint96 order) = Version.parse(bytes(_write(a, b, c)));
        assertTrue(valid, "valid");
        assertEq(uint256(order), (a << 64) + (b << 32) + c, "order");
    }

    function testFuzz_hasOneSpelling(bytes memory text) public pure {
        bytes memory alphabet = "0123456789..";
        for (uint256 i = 0; i < text.length; ++i) {
            text[i] = alphabet[uint8(text[i]) % alphabet.length];
        }
        (bool valid, uint96 order) = Version.parse(text);
        if (!valid) return;
        uint256 sum = order;
        assertEq(string(text), _write(sum >> 64, (sum >> 32) % 2 ** 32, sum % 2 ** 32), "written again");
    }

    function _write(uint256 a, uint256 b, uint256 c) private pure returns (string memory) {
        return string.concat(vm.toString(a), ".", vm.toString(b), ".", vm.toString(c));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelName} from "../../src/libraries/ModelName.sol";
import {Test} from "../support/Test.sol";

contract ModelNameTest is Test {
    string private constant SIXTY_FOUR = "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd";

    function test_accepts() public pure {
        assertEq(ModelName.slashOf("demo/minilm"), 4, "plain");
        assertEq(ModelName.slashOf("a/b"), 1, "shortest");
        assertEq(ModelName.slashOf("0a-b_c./9.-_z"), 7, "all kinds of characters");
        assertEq(ModelName.slashOf(bytes(string.concat(SIXTY_FOUR, "/", SIXTY_FOUR))), 64, "longest");
    }

    function test_refuses() public pure {
        string[19] memory bad = [
            "",
            "/",
            "a",
            "a/",
            "/a",
            "a//b",
            "a/b/c",
            "a/b/",
            "A/b",
            "a/B",
            "a b/c",
            ".a/b",
            "a/.b",
            "a/..",
            "-a/b",
            "a/_b",
            unicode"ä/b",
            string.concat(SIXTY_FOUR, "a/b"),
            string.concat("a/", SIXTY_FOUR, "a")
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            assertEq(ModelName.slashOf(bytes(bad[i])), 0, bad[i]);
        }
    }

    /// Against the rule written down character by character.
    function testFuzz_agreesWithTheRule(bytes memory name, uint256 seed) public pure {
        bytes memory alphabet = "az09-_./AZ`{:@,^ ~";
        if (seed % 4 != 0) {
            for (uint256 i = 0; i < name.length; ++i) {
                name[i] = alphabet[uint8(name[i]) % alphabet.length];
            }
        }
        if (seed % 2 == 0 && name.length > 2) name[name.length / 2] = "/";
        (bool good, uint256 slash) = _rule(name);
        assertEq(ModelName.slashOf(name), good ? slash : 0, "slash");
    }

    function _rule(bytes memory name) private pure returns (bool good, uint256 slash) {
        uint256 slashes = 0;
        for (uint256 i = 0; i < name.length; ++i) {
            if (name[i] == "/") (slash, slashes) = (i, slashes + 1);
        }
        good = slashes == 1 && _part(name, 0, slash) && _part(name, slash + 1, name.length);
    }

    function _part(bytes memory name, uint256 start, uint256 end) private pure returns (bool) {
        if (end <= start || end - start > 64) return false;
        for (uint256 i = start; i < end; ++i) {
            bytes1 c = name[i];
            bool alphanumeric = (c >= "a" && c <= "z") || (c >= "0" && c <= "9");
            if (!alphanumeric && (i == start || (c != "-" && c != "_" && c != "."))) return false;
        }
        return true;
    }
}

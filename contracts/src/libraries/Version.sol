// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Syntax and order of `major.minor.patch`
/// @dev Three decimal numbers of at most nine digits, without leading zeros: one spelling for each version.
library Version {
    uint256 private constant MAX_DIGITS = 9;

    /// @return valid Whether `version` is well-formed.
    /// @return order Ascending with the version: major * 2^64 + minor * 2^32 + patch.
    function parse(bytes memory version) internal pure returns (bool valid, uint96 order) {
        uint256 start = 0;
        uint256 sum = 0;
        for (uint256 part = 0; part < 3; ++part) {
            (uint256 number, uint256 end) = _number(version, start);
            if (end == start) return (false, 0);
            if (part < 2 && (end == version.length || version[end] != ".")) return (false, 0);
            sum = (sum << 32) | number;
            start = end + 1;
        }
        return (start == version.length + 1, uint96(sum)); // three numbers below 10^9 < 2^32
    }

    /// @return number What the digits from `start` on mean.
    /// @return end Index behind the last digit; `start` if they are malformed.
    function _number(bytes memory text, uint256 start) private pure returns (uint256 number, uint256 end) {
        end = start;
        while (end < text.length && text[end] >= "0" && text[end] <= "9") {
            if (end - start == MAX_DIGITS) return (0, start);
            number = number * 10 + uint8(text[end]) - 48;
            ++end;
        }
        if (end - start > 1 && text[start] == "0") return (0, start);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Syntax of `owner/name`
/// @dev Both parts: 1-64 characters of `a-z 0-9 - _ .`, the first one a letter or digit. So a name can be used as a
/// path without escaping, never contains `..` as a part, and has one spelling only.
library ModelName {
    uint256 internal constant MAX_PART = 64;

    // Bit c is set if the ASCII character c may stand there.
    uint256 private constant ALPHANUMERIC = (0x3ffffff << 97) | (0x3ff << 48);
    uint256 private constant ALLOWED = ALPHANUMERIC | (1 << 45) | (1 << 46) | (1 << 95);

    /// @return slash Index of the slash, or 0 if `name` is malformed.
    function slashOf(bytes memory name) internal pure returns (uint256 slash) {
        uint256 length = name.length;
        if (length > 2 * MAX_PART + 1) return 0;
        uint256 start = 0; // of the part that is being read
        for (uint256 i = 0; i < length; ++i) {
            uint8 character = uint8(name[i]);
            if (character == 0x2f && slash == 0 && i > 0) {
                slash = i;
                start = i + 1;
            } else if (!_in(i == start ? ALPHANUMERIC : ALLOWED, character) || i - start >= MAX_PART) {
                return 0;
            }
        }
        if (start == length) return 0; // nothing behind the slash, or nothing at all
    }

    function _in(uint256 set, uint8 character) private pure returns (bool) {
        return (set >> character) & 1 == 1; // a shift by 128-255 gives a zero: only ASCII is in a set
    }
}

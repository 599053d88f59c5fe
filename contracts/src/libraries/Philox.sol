// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Philox 4x32-10, the counter-based generator behind every random number of numerics 1
/// @dev The mirror of `aivm.numerics.philox`; Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2,
/// 3", SC'11.
library Philox {
    uint256 private constant ROUNDS = 10;
    uint256 private constant MULTIPLIER_A = 0xD2511F53;
    uint256 private constant MULTIPLIER_B = 0xCD9E8D57;
    uint256 private constant KEY_STEP_A = 0x9E3779B9; // the golden ratio
    uint256 private constant KEY_STEP_B = 0xBB67AE85; // the square root of 3 less 1
    uint256 private constant WORD = 0xffffffff;

    /// @notice Element `index` of the stream `stream` under a key (all three U64): a U32.
    function element(uint256 key, uint256 stream, uint256 index) internal pure returns (uint256) {
        uint256 counter = (stream << 64) | (index >> 2);
        return (block_(counter, key) >> (32 * (index & 3))) & WORD;
    }

    /// @notice The block of four words of a counter of 128 bits under a key of 64 bits; the lowest word comes first
    /// (has the lowest bits) in all three.
    function block_(uint256 counter, uint256 key) internal pure returns (uint256) {
        (uint256 a, uint256 b) = (counter & WORD, (counter >> 32) & WORD);
        (uint256 c, uint256 d) = ((counter >> 64) & WORD, (counter >> 96) & WORD);
        (uint256 keyA, uint256 keyB) = (key & WORD, (key >> 32) & WORD);
        unchecked {
            for (uint256 round = 0; round < ROUNDS; ++round) {
                (uint256 productA, uint256 productB) = (a * MULTIPLIER_A, c * MULTIPLIER_B);
                (a, b) = ((productB >> 32) ^ b ^ keyA, productB & WORD);
                (c, d) = ((productA >> 32) ^ d ^ keyB, productA & WORD);
                (keyA, keyB) = ((keyA + KEY_STEP_A) & WORD, (keyB + KEY_STEP_B) & WORD);
            }
        }
        return a | (b << 32) | (c << 64) | (d << 96);
    }
}

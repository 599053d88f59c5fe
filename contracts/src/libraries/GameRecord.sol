// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the rules of a game look at in a program's records that are no instructions
/// @dev `aivm.isa.records` has the layout.
library GameRecord {
    uint256 private constant BYTES = 256;
    uint256 private constant CONSTANT = 0x02;
    uint256 private constant OUTPUT = 0x03;
    /// @dev Opcode 0, seven zeros, "AIVMPROG", format 1.
    bytes20 private constant HEADER = hex"00000000000000004149564d50524f4700000001";

    error WrongRecord();

    /// @notice Numerics version, and how many inputs, constants, instructions and outputs a program has.
    function counts(bytes calldata record)
        internal
        pure
        returns (uint256 numerics, uint256 inputs, uint256 constants, uint256 instructions, uint256 outputs)
    {
        if (record.length != BYTES || bytes20(record[:20]) != HEADER) revert WrongRecord();
        return (_u32(record, 20), _u32(record, 32), _u32(record, 36), _u32(record, 40), _u32(record, 44));
    }

    function constantRoot(bytes calldata record) internal pure returns (bytes32) {
        if (uint8(record[0]) != CONSTANT) revert WrongRecord();
        return bytes32(record[64:96]);
    }

    function outputValue(bytes calldata record) internal pure returns (uint256) {
        if (uint8(record[0]) != OUTPUT) revert WrongRecord();
        return _u32(record, 8);
    }

    function _u32(bytes calldata record, uint256 offset) private pure returns (uint256) {
        return uint32(bytes4(record[offset:offset + 4]));
    }
}

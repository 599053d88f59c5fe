// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TensorType} from "../types/Claim.sol";

/// @title What the rules of a game look at in a program's record
/// @dev `aivm.isa.records` has the layout; what a step means is the judge's affair.
library GameRecord {
    uint256 private constant BYTES = 256;
    uint256 private constant CONSTANT = 0x02;
    uint256 private constant OUTPUT = 0x03;
    uint256 private constant MATMUL = 0x11;
    uint256 private constant REDUCE = 0x12;
    uint256 private constant SCATTER = 0x19;
    uint256 private constant RANK = 0x1a;
    uint256 private constant SUM = 0x01;
    uint256 private constant ARG_MAX = 0x05;
    uint256 private constant ARG_MIN = 0x06;
    uint256 private constant F32 = 1;
    /// @dev Opcode 0, seven zeros, "AIVMPROG", format 1.
    bytes20 private constant HEADER = hex"00000000000000004149564d50524f4700000001";

    uint256 internal constant NO_SLOT = type(uint256).max;

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

    function operands(bytes calldata record) internal pure returns (uint256) {
        return uint8(record[4]);
    }

    function operand(bytes calldata record, uint256 slot) internal pure returns (uint256) {
        return _u32(record, 8 + 4 * slot);
    }

    /// @notice The type of the result.
    function typeOf(bytes calldata record) internal pure returns (TensorType memory type_) {
        type_.dtype = uint8(record[2]);
        type_.shape = new uint32[](uint8(record[3]));
        for (uint256 i = 0; i < type_.shape.length; ++i) {
            type_.shape[i] = uint32(_u32(record, 32 + 4 * i));
        }
    }

    /// @notice The operand whose type says how long the chain is; `NO_SLOT` where the record itself says it.
    function sizingSlot(bytes calldata record) internal pure returns (uint256) {
        uint256 opcode = uint8(record[0]);
        return opcode == MATMUL ? 0 : opcode == SCATTER ? 1 : NO_SLOT;
    }

    /// @notice How many steps the chain of an element has; 0 for families without one. `sizing` is the type of the
    /// operand `sizingSlot`, if there is one.
    function chainLength(bytes calldata record, TensorType memory sizing) internal pure returns (uint256 length) {
        uint256 opcode = uint8(record[0]);
        if (opcode == REDUCE || opcode == RANK) return uint64(bytes8(record[72:80]));
        uint256 rank = sizing.shape.length;
        if (opcode == MATMUL) return sizing.shape[rank - (uint8(record[5]) & 1 == 1 ? 2 : 1)];
        if (opcode != SCATTER) return 0;
        length = 1;
        for (uint256 i = 0; i < rank; ++i) {
            length *= sizing.shape[i];
        }
    }

    function isFloatSum(bytes calldata record) internal pure returns (bool) {
        return uint8(record[0]) == REDUCE && uint8(record[1]) == SUM && uint8(record[2]) == F32;
    }

    function isArg(bytes calldata record) internal pure returns (bool) {
        return uint8(record[0]) == REDUCE && (uint8(record[1]) == ARG_MAX || uint8(record[1]) == ARG_MIN);
    }

    function _u32(bytes calldata record, uint256 offset) private pure returns (uint256) {
        return uint32(bytes4(record[offset:offset + 4]));
    }
}

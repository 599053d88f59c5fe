// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TensorType} from "../types/Claim.sol";
import {RecordOffset} from "./Instructions.gen.sol";

/// @title Fields of a program record of 256 bytes
/// @dev Nothing is validated but the length: a record that a program root commits to is valid, or nobody gives receipts
/// for the program.
library Record {
    uint256 internal constant BYTES = 256;

    error NoRecord(uint256 length);

    function demandLength(bytes memory record) internal pure {
        if (record.length != BYTES) revert NoRecord(record.length);
    }

    function opcode(bytes memory record) internal pure returns (uint256) {
        return byteAt(record, RecordOffset.OPCODE);
    }

    /// The Function of a MAP, the Reduction of a REDUCE, the Scattering of a SCATTER.
    function functionCode(bytes memory record) internal pure returns (uint256) {
        return byteAt(record, RecordOffset.FUNCTION);
    }

    /// The dtype of the result.
    function dtype(bytes memory record) internal pure returns (uint256) {
        return byteAt(record, RecordOffset.DTYPE);
    }

    /// The type of the result.
    function kind(bytes memory record) internal pure returns (TensorType memory) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return TensorType(uint8(dtype(record)), shape(record));
    }

    /// How many operands an instruction has.
    function operands(bytes memory record) internal pure returns (uint256) {
        return byteAt(record, RecordOffset.OPERANDS);
    }

    /// The value id of operand `slot`.
    function operand(bytes memory record, uint256 slot) internal pure returns (uint256) {
        return u32At(record, RecordOffset.OPERAND + 4 * slot);
    }

    /// Whether bit `bit` of the flags is set.
    function flag(bytes memory record, uint256 bit) internal pure returns (bool) {
        return (byteAt(record, RecordOffset.FLAGS) >> bit) & 1 == 1;
    }

    /// The result's shape.
    function shape(bytes memory record) internal pure returns (uint32[] memory dims) {
        return shapeAt(record, RecordOffset.SHAPE, byteAt(record, RecordOffset.RANK));
    }

    function shapeAt(bytes memory record, uint256 offset, uint256 rank) internal pure returns (uint32[] memory dims) {
        dims = new uint32[](rank);
        for (uint256 axis = 0; axis < rank; ++axis) {
            // forge-lint: disable-next-line(unsafe-typecast)
            dims[axis] = uint32(u32At(record, offset + 4 * axis));
        }
    }

    function byteAt(bytes memory record, uint256 offset) internal pure returns (uint256) {
        return uint256(_wordAt(record, offset) >> 248);
    }

    function i8At(bytes memory record, uint256 offset) internal pure returns (int256) {
        return int256(uint256(_wordAt(record, offset))) >> 248;
    }

    function u32At(bytes memory record, uint256 offset) internal pure returns (uint256) {
        return uint256(_wordAt(record, offset) >> 224);
    }

    function u64At(bytes memory record, uint256 offset) internal pure returns (uint256) {
        return uint256(_wordAt(record, offset) >> 192);
    }

    function i64At(bytes memory record, uint256 offset) internal pure returns (int256) {
        return int256(uint256(_wordAt(record, offset))) >> 192;
    }

    /// The 32 bytes from `offset` on; what lies behind the record is cut off by the callers' widths.
    function _wordAt(bytes memory record, uint256 offset) private pure returns (bytes32 found) {
        assembly ("memory-safe") {
            found := mload(add(add(record, 32), offset))
        }
    }
}

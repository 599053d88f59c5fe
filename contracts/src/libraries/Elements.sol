// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOneStep} from "../interfaces/IOneStep.sol";
import {FunctionCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";
import {Record} from "./Record.sol";
import {Opcode, RecordOffset} from "./Instructions.gen.sol";
import {Shape} from "./Shape.sol";
import {Step, Steps} from "./Step.sol";

/// @title One element of a family without chains
/// @dev The mirror of `aivm.isa.recipes`.
library Elements {
    using Record for bytes;
    using Steps for Step;

    /// @notice The word of the claim's element, its NaN not canonical yet.
    function element(Step memory step) internal view returns (uint256) {
        uint256 opcode = step.claim.record.opcode();
        if (opcode == Opcode.MAP) return _map(step);
        if (opcode == Opcode.MOVE) return _move(step);
        if (opcode == Opcode.GATHER) return _gather(step);
        if (opcode == Opcode.CONCAT) return _concat(step);
        if (opcode == Opcode.CAST) return _cast(step);
        if (opcode == Opcode.IOTA) return _iota(step);
        if (opcode == Opcode.FILL) return step.claim.record.u64At(RecordOffset.FILL_BITS);
        if (opcode == Opcode.RANDOM) return _random(step);
        revert IOneStep.NoInstruction(opcode);
    }

    function _map(Step memory step) private view returns (uint256) {
        bytes memory record = step.claim.record;
        uint32[] memory target = record.shape();
        uint256 count = step.claim.types.length;
        uint256[3] memory words;
        for (uint256 slot = 0; slot < count; ++slot) {
            words[slot] = step.read(slot, Shape.broadcastIndex(step.claim.element, target, step.shapeOf(slot), 0));
        }
        // the operands' dtype, but for a SELECT's condition
        uint256 dtype = step.dtypeOf(count - 1);
        return step.numerics.evaluate(record.functionCode(), dtype, words[0], words[1], words[2]);
    }

    function _move(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 axes = record.byteAt(RecordOffset.MOVE_SOURCE_RANK);
        int256[] memory coordinates = _coordinates(step, axes);
        uint256 position = 0;
        for (uint256 axis = 0; axis < axes; ++axis) {
            uint256 size = record.u32At(RecordOffset.MOVE_SOURCE + 4 * axis);
            if (coordinates[axis] < 0 || coordinates[axis] >= int256(size)) {
                return record.u64At(RecordOffset.MOVE_FILL);
            }
            position = position * size + uint256(coordinates[axis]);
        }
        return step.read(0, position);
    }

    /// Where the element lies on each of the source's axes, inside or not.
    function _coordinates(Step memory step, uint256 axes) private pure returns (int256[] memory coordinates) {
        bytes memory record = step.claim.record;
        uint32[] memory target = record.shape();
        coordinates = new int256[](axes);
        for (uint256 axis = 0; axis < axes; ++axis) {
            coordinates[axis] = record.i64At(RecordOffset.MOVE_ORIGINS + 8 * axis);
        }
        uint256 rest = step.claim.element;
        for (uint256 left = target.length; left > 0; --left) {
            int256 axis = record.i8At(RecordOffset.MOVE_AXES + left - 1);
            int256 index = int256(rest % target[left - 1]);
            rest /= target[left - 1];
            if (axis >= 0) {
                coordinates[uint256(axis)] += index * record.i64At(RecordOffset.MOVE_STEPS + 8 * (left - 1));
            }
        }
    }

    function _gather(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 size = record.u64At(RecordOffset.GATHER_SIZE);
        uint256 inner = record.u64At(RecordOffset.GATHER_INNER);
        uint256 count = Shape.elements(step.shapeOf(1));
        uint256 index = step.claim.element;
        uint256 chosen = step.read(1, index / inner % count);
        (uint256 position, bool inside) = step.position(1, chosen, size);
        if (!inside) return 0;
        return step.read(0, (index / (inner * count) * size + position) * inner + index % inner);
    }

    function _concat(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 inner = record.u64At(RecordOffset.CONCAT_INNER);
        uint256 joined = 0;
        for (uint256 operand = 0; operand < step.claim.types.length; ++operand) {
            joined += record.u64At(RecordOffset.CONCAT_LENGTHS + 8 * operand);
        }
        uint256 index = step.claim.element;
        uint256 middle = index / inner % joined;
        uint256 slot = 0;
        uint256 length = record.u64At(RecordOffset.CONCAT_LENGTHS);
        while (middle >= length) {
            middle -= length;
            length = record.u64At(RecordOffset.CONCAT_LENGTHS + 8 * ++slot);
        }
        return step.read(slot, (index / (inner * joined) * length + middle) * inner + index % inner);
    }

    function _cast(Step memory step) private pure returns (uint256) {
        uint256 word = step.read(0, step.claim.element);
        return step.numerics.cast(step.dtypeOf(0), step.claim.record.dtype(), word);
    }

    function _iota(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 length = record.u64At(RecordOffset.IOTA_LENGTH);
        uint256 index = step.claim.element / record.u64At(RecordOffset.IOTA_INNER) % length;
        int256 walked = int256(index) * record.i64At(RecordOffset.IOTA_STEP);
        return Integers.wrap(record.dtype(), record.i64At(RecordOffset.IOTA_START) + walked);
    }

    function _random(Step memory step) private pure returns (uint256) {
        (uint256 key, uint256 stream) = (step.read(0, 0), step.read(0, 1));
        return step.numerics.random(key, stream, step.claim.element);
    }
}

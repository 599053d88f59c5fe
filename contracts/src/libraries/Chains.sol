// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOneStep} from "../interfaces/IOneStep.sol";
import {Stage, TensorType} from "../types/Claim.sol";
import {Casts} from "./Casts.sol";
import {Float32} from "./Float32.sol";
import {DTypeCode, FunctionCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";
import {Record} from "./Record.sol";
import {ChainTable, Flag, Opcode, RecordOffset, ReductionCode, ScatteringCode} from "./Instructions.gen.sol";
import {Shape} from "./Shape.sol";
import {Step, Steps} from "./Step.sol";

/// @title One step of an accumulation chain: MATMUL, REDUCE, SCATTER, RANK
/// @dev The mirror of `aivm.isa.chains`, but for the float sum: of its 16 lanes a step touches one, so that one is its
/// state, and its first 16 steps begin lanes.
library Chains {
    using Record for bytes;
    using Steps for Step;

    uint256 private constant ONE = 0x3f800000;
    uint256 private constant INFINITY = 0x7f800000;
    uint256 private constant MINUS_INFINITY = 0xff800000;

    function isChained(uint256 opcode) internal pure returns (bool) {
        return opcode == Opcode.MATMUL || opcode == Opcode.REDUCE || opcode == Opcode.SCATTER || opcode == Opcode.RANK;
    }

    /// @notice How many steps every chain of a chained instruction has.
    function length(bytes memory record, TensorType[] memory types) internal pure returns (uint256) {
        uint256 opcode = record.opcode();
        if (opcode == Opcode.REDUCE) return record.u64At(RecordOffset.REDUCE_LENGTH);
        if (opcode == Opcode.RANK) return record.u64At(RecordOffset.RANK_LENGTH);
        if (opcode == Opcode.SCATTER) return Shape.elements(types[1].shape);
        uint32[] memory a = types[0].shape;
        return a[a.length - (record.flag(Flag.MATMUL_TRANSPOSE_A) ? 2 : 1)];
    }

    /// @notice The words that follow from the claim of a chained instruction: a state, or an element.
    function judge(Step memory step) internal view returns (uint64[] memory words) {
        Stage stage = step.claim.stage;
        uint256 count = length(step.claim.record, step.claim.types);
        if (stage == Stage.STEP ? step.claim.step >= count : step.claim.step != 0) revert IOneStep.NoSuchStage();
        if (stage == Stage.FINISH) return _words(step, _finish(step, count));
        if (stage == Stage.ELEMENT && count != 0) revert IOneStep.NoSuchStage();
        (uint256 word, uint256 place) = _before(step);
        if (stage == Stage.ELEMENT) return _words(step, word);
        if (isArg(step.claim.record)) return _arg(step, word, place);
        return _words(step, _next(step, word));
    }

    /// The state that the stage begins with; `place` is the second word of an ARG_MAX or ARG_MIN.
    function _before(Step memory step) private pure returns (uint256 word, uint256 place) {
        bytes memory record = step.claim.record;
        uint64[] memory given = step.claim.before;
        bool hasPlace = isArg(record);
        uint256 expected = hasPlace ? 2 : 1;
        if (step.claim.step < (isFloatSum(record) ? ChainTable.SUM_LANES : 1)) expected = 0;
        if (given.length != expected) revert IOneStep.WrongState(given.length, expected);
        if (expected == 0) return (_start(step), 0);
        (word, place) = (given[0], hasPlace ? given[1] : 0);
        Steps.demandFit(hasPlace ? step.dtypeOf(0) : record.dtype(), word);
    }

    function _start(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 opcode = record.opcode();
        if (opcode == Opcode.SCATTER) return step.read(0, step.claim.element);
        return opcode == Opcode.REDUCE ? neutral(record.functionCode(), step.dtypeOf(0)) : 0;
    }

    /// @notice What a reduction starts from: 0, 1, or the extreme that nothing fails to reach.
    function neutral(uint256 reduction, uint256 dtype) internal pure returns (uint256) {
        if (reduction == ReductionCode.SUM) return 0;
        bool isFloat = dtype == DTypeCode.F32;
        if (reduction == ReductionCode.PROD) return isFloat ? ONE : 1;
        if (reduction == ReductionCode.MAX || reduction == ReductionCode.ARG_MAX) {
            return isFloat ? MINUS_INFINITY : Integers.wrap(dtype, Integers.smallest(dtype));
        }
        return isFloat ? INFINITY : Integers.wrap(dtype, Integers.largest(dtype));
    }

    /// One step from a state of one word.
    function _next(Step memory step, uint256 word) private view returns (uint256) {
        uint256 opcode = step.claim.record.opcode();
        if (opcode == Opcode.MATMUL) return _matmul(step, word);
        if (opcode == Opcode.SCATTER) return _scatter(step, word);
        if (opcode == Opcode.RANK) return _rank(step, word);
        uint256 code = ChainTable.scalarOfReduction(step.claim.record.functionCode());
        return step.numerics.evaluate(code, step.dtypeOf(0), word, _reduced(step), 0);
    }

    function _matmul(Step memory step, uint256 sum) private pure returns (uint256) {
        uint256 a = step.read(0, _inA(step));
        uint256 b = step.read(1, _inB(step));
        (uint256 aDtype, uint256 bDtype) = (step.dtypeOf(0), step.dtypeOf(1));
        if (aDtype == DTypeCode.F32) return Float32.fma(a, b, sum);
        unchecked {
            // of eight bits each; modulo 2^256, of which the sum keeps 32 bits
            int256 product = Integers.valueOf(aDtype, a) * Integers.valueOf(bDtype, b);
            return Integers.wrap(DTypeCode.I32, int256(sum) + product);
        }
    }

    /// Which element of a the step reads: [..., row, k], or [..., k, row].
    function _inA(Step memory step) private pure returns (uint256) {
        uint32[] memory shape = step.claim.record.shape();
        (uint256 rows, uint256 columns) = (shape[shape.length - 2], shape[shape.length - 1]);
        uint256 depth = length(step.claim.record, step.claim.types);
        uint256 index = step.claim.element;
        uint256 matrix = Shape.broadcastIndex(index / (rows * columns), shape, step.shapeOf(0), 2);
        (uint256 row, uint256 k) = (index / columns % rows, step.claim.step);
        bool transposed = step.claim.record.flag(Flag.MATMUL_TRANSPOSE_A);
        return matrix * (rows * depth) + (transposed ? k * rows + row : row * depth + k);
    }

    /// Which element of b the step reads: [..., k, column], or [..., column, k].
    function _inB(Step memory step) private pure returns (uint256) {
        uint32[] memory shape = step.claim.record.shape();
        (uint256 rows, uint256 columns) = (shape[shape.length - 2], shape[shape.length - 1]);
        uint256 depth = length(step.claim.record, step.claim.types);
        uint256 index = step.claim.element;
        uint256 matrix = Shape.broadcastIndex(index / (rows * columns), shape, step.shapeOf(1), 2);
        (uint256 column, uint256 k) = (index % columns, step.claim.step);
        bool transposed = step.claim.record.flag(Flag.MATMUL_TRANSPOSE_B);
        return matrix * (depth * columns) + (transposed ? column * depth + k : k * columns + column);
    }

    /// The element of the line that a REDUCE takes in.
    function _reduced(Step memory step) private pure returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 inner = record.u64At(RecordOffset.REDUCE_INNER);
        uint256 first = _line(step.claim.element, record.u64At(RecordOffset.REDUCE_LENGTH), inner);
        return step.read(0, first + step.claim.step * inner);
    }

    /// The first element of the line (o, :, i) of (outer, length, inner), for index = (o, i).
    function _line(uint256 index, uint256 length_, uint256 inner) private pure returns (uint256) {
        return index / inner * (length_ * inner) + index % inner;
    }

    /// Equals keep the earlier, a NaN beats numbers, and nothing replaces a NaN.
    function _arg(Step memory step, uint256 best, uint256 place) private view returns (uint64[] memory words) {
        uint256 dtype = step.dtypeOf(0);
        uint256 word = _reduced(step);
        bool isMax = step.claim.record.functionCode() == ReductionCode.ARG_MAX;
        bool keep = isMax ? _atMost(step, dtype, word, best) : _atMost(step, dtype, best, word);
        if (dtype == DTypeCode.F32 && Float32.isNaN(best)) keep = true;
        words = new uint64[](2);
        // forge-lint: disable-next-item(unsafe-typecast)
        words[0] = uint64(Casts.canonical(dtype, keep ? best : word));
        // forge-lint: disable-next-item(unsafe-typecast)
        words[1] = uint64(keep ? place : step.claim.step);
    }

    /// Whether low <= high; false where either is a NaN.
    function _atMost(Step memory step, uint256 dtype, uint256 low, uint256 high) private view returns (bool) {
        return step.numerics.evaluate(FunctionCode.LESS_EQUAL, dtype, low, high, 0) != 0;
    }

    /// An update for another row changes nothing, so that it is not even read.
    function _scatter(Step memory step, uint256 word) private view returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 size = record.u64At(RecordOffset.SCATTER_SIZE);
        uint256 inner = record.u64At(RecordOffset.SCATTER_INNER);
        uint256 index = step.claim.element;
        (uint256 position, bool inside) = step.position(1, step.read(1, step.claim.step), size);
        if (!inside || position != index / inner % size) return word;
        uint256 count = Shape.elements(step.shapeOf(1));
        uint256 first = index / (size * inner) * (count * inner) + index % inner;
        uint256 update = step.read(2, first + step.claim.step * inner);
        if (record.functionCode() == ScatteringCode.REPLACE) return update;
        uint256 code = ChainTable.scalarOfScattering(record.functionCode());
        return step.numerics.evaluate(code, record.dtype(), word, update, 0);
    }

    /// Counts the element of the line that the step looks at, if it comes before the claim's own.
    function _rank(Step memory step, uint256 count) private view returns (uint256) {
        bytes memory record = step.claim.record;
        uint256 inner = record.u64At(RecordOffset.RANK_INNER);
        uint256 place = step.claim.element / inner % record.u64At(RecordOffset.RANK_LENGTH);
        uint256 own = step.read(0, step.claim.element);
        if (step.claim.step == place) return count; // not before itself
        uint256 other = step.read(0, step.claim.element + step.claim.step * inner - place * inner);
        bool descending = record.flag(Flag.RANK_DESCENDING);
        (uint256 low, uint256 high) = descending ? (own, other) : (other, own);
        bool isEarlier = step.claim.step < place;
        bool comes = isEarlier ? _inOrder(step, low, high) : !_inOrder(step, high, low);
        return comes ? count + 1 : count;
    }

    /// Whether low <= high, where every number is at most a NaN.
    function _inOrder(Step memory step, uint256 low, uint256 high) private view returns (bool) {
        uint256 dtype = step.dtypeOf(0);
        if (dtype == DTypeCode.F32 && Float32.isNaN(high)) return true;
        return _atMost(step, dtype, low, high);
    }

    /// Of a float sum: lane i takes in lane i + 8, then i + 4, i + 2, i + 1.
    function _finish(Step memory step, uint256 count) private pure returns (uint256) {
        uint64[] memory lanes = step.claim.before;
        if (!isFloatSum(step.claim.record) || count == 0) revert IOneStep.NoSuchStage();
        if (lanes.length != ChainTable.SUM_LANES) revert IOneStep.WrongState(lanes.length, ChainTable.SUM_LANES);
        for (uint256 lane = 0; lane < ChainTable.SUM_LANES; ++lane) {
            Steps.demandFit(DTypeCode.F32, lanes[lane]);
        }
        for (uint256 half = ChainTable.SUM_LANES / 2; half > 0; half /= 2) {
            for (uint256 lane = 0; lane < half; ++lane) {
                // forge-lint: disable-next-item(unsafe-typecast)
                lanes[lane] = uint64(Float32.add(lanes[lane], lanes[lane + half]));
            }
        }
        return lanes[0];
    }

    /// Whether a state has two words: the best so far, and where it was.
    function isArg(bytes memory record) internal pure returns (bool) {
        uint256 reduction = record.functionCode();
        return
            record.opcode() == Opcode.REDUCE
                && (reduction == ReductionCode.ARG_MAX || reduction == ReductionCode.ARG_MIN);
    }

    /// Whether the chain is sixteen, the lanes of a float sum.
    function isFloatSum(bytes memory record) internal pure returns (bool) {
        return record.opcode() == Opcode.REDUCE && record.functionCode() == ReductionCode.SUM
            && record.dtype() == DTypeCode.F32;
    }

    /// One word of the result's dtype, its NaN made canonical.
    function _words(Step memory step, uint256 word) private pure returns (uint64[] memory words) {
        words = new uint64[](1);
        // forge-lint: disable-next-item(unsafe-typecast)
        words[0] = uint64(Casts.canonical(step.claim.record.dtype(), word)); // a word has at most 64 bits
    }
}

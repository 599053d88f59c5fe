// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OneStep} from "../src/OneStep.sol";
import {IOneStep} from "../src/interfaces/IOneStep.sol";
import {DTypeCode, FunctionCode} from "../src/libraries/Functions.gen.sol";
import {Opcode, RecordOffset, ReductionCode} from "../src/libraries/Instructions.gen.sol";
import {Record} from "../src/libraries/Record.sol";
import {Claim, Read, Stage, TensorType} from "../src/types/Claim.sol";
import {newNumerics} from "./support/NewNumerics.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice One claim of each shape by hand; tests/unit/contracts/test_one_step.py compares all of them with Python.
contract OneStepTest is Test {
    uint64 private constant ONE = 0x3f800000;
    uint64 private constant TWO = 0x40000000;
    uint64 private constant THREE = 0x40400000;

    OneStep private immutable judge = new OneStep(newNumerics());

    function test_map() public view {
        assertEq(_only(_sum()), THREE, "1 + 2");
    }

    function test_matmulStep() public view {
        Claim memory claim = _matmul();
        assertEq(_only(claim), 0x40e00000, "1 + 2 * 3");
        assertEq(judge.chainLength(claim.record, claim.types), 4, "chain length");
    }

    function test_floatSumAddsItsLanesUp() public view {
        Claim memory claim = _floatSum();
        claim.stage = Stage.FINISH;
        claim.step = 0;
        claim.before = new uint64[](16);
        for (uint256 lane = 0; lane < 16; ++lane) {
            claim.before[lane] = ONE;
        }
        claim.reads = new Read[](0);
        assertEq(_only(claim), 0x41800000, "16");
    }

    function test_floatSumBeginsSixteenLanes() public {
        Claim memory claim = _floatSum();
        assertEq(_only(claim), TWO, "lane 15 begins");
        claim.step = 16;
        claim.reads[0].element = 16;
        vm.expectRevert(abi.encodeWithSelector(IOneStep.WrongState.selector, 0, 1));
        judge.judge(claim);
        claim.before = _one(ONE);
        assertEq(_only(claim), THREE, "lane 0 goes on");
    }

    function test_refusesOtherReads() public {
        Claim memory claim = _sum();
        claim.reads[1].element = 1;
        vm.expectRevert(abi.encodeWithSelector(IOneStep.WrongReads.selector));
        judge.judge(claim);
    }

    function test_refusesReadsTooMany() public {
        Claim memory claim = _sum();
        claim.reads = new Read[](3);
        claim.reads[0] = Read(0, 2, ONE);
        claim.reads[1] = Read(1, 2, TWO);
        vm.expectRevert(abi.encodeWithSelector(IOneStep.WrongReads.selector));
        judge.judge(claim);
    }

    function test_refusesWideWords() public {
        Claim memory claim = _sum();
        claim.reads[0].word = uint64(1) << 32;
        vm.expectRevert(abi.encodeWithSelector(IOneStep.WordTooWide.selector, uint64(1) << 32, DTypeCode.F32));
        judge.judge(claim);
    }

    function test_refusesStepsPastTheEnd() public {
        Claim memory claim = _matmul();
        claim.step = 4;
        vm.expectRevert(abi.encodeWithSelector(IOneStep.NoSuchStage.selector));
        judge.judge(claim);
    }

    function test_refusesOtherFamiliesThanInstructions() public {
        Claim memory claim = _sum();
        claim.record[RecordOffset.OPCODE] = bytes1(uint8(Opcode.INPUT));
        vm.expectRevert(abi.encodeWithSelector(IOneStep.NoInstruction.selector, Opcode.INPUT));
        judge.judge(claim);
    }

    function test_refusesTypesThatAreNotOneAnOperand() public {
        Claim memory claim = _sum();
        claim.types = _types(1, _shape(3));
        vm.expectRevert(abi.encodeWithSelector(IOneStep.WrongTypes.selector, 1, 2));
        judge.judge(claim);
    }

    function test_refusesShortRecords(uint256 length) public {
        Claim memory claim = _sum();
        claim.record = new bytes(bound(length, 0, 255));
        vm.expectRevert(abi.encodeWithSelector(Record.NoRecord.selector, claim.record.length));
        judge.judge(claim);
    }

    /// No bytes make the judge do anything but answer or revert: it has no state, and asks nobody but `Numerics`.
    function test_anyRecordIsAnsweredOrRefused(bytes32[8] calldata words, uint64 element, uint64 step) public view {
        Claim memory claim = _matmul();
        claim.record = abi.encodePacked(words);
        (claim.element, claim.step) = (element, step);
        try judge.judge(claim) returns (uint64[] memory answer, bool) {
            assertTrue(answer.length == 1 || answer.length == 2, "one or two words");
        } catch {}
    }

    /// Element 2 of ADD of two F32[3].
    function _sum() private pure returns (Claim memory claim) {
        claim.record = _record(Opcode.MAP, FunctionCode.ADD, 2, _shape(3));
        claim.types = _types(2, _shape(3));
        claim.element = 2;
        claim.reads = new Read[](2);
        claim.reads[0] = Read(0, 2, ONE);
        claim.reads[1] = Read(1, 2, TWO);
    }

    /// Step 1 of the element (1, 1) of a product of two F32[4, 4].
    function _matmul() private pure returns (Claim memory claim) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (4, 4);
        claim.record = _record(Opcode.MATMUL, 0, 2, shape);
        claim.types = _types(2, shape);
        (claim.element, claim.stage, claim.step) = (5, Stage.STEP, 1);
        claim.before = _one(ONE);
        claim.reads = new Read[](2);
        claim.reads[0] = Read(0, 5, TWO);
        claim.reads[1] = Read(1, 5, THREE);
    }

    /// Step 15 of the sum of an F32[20].
    function _floatSum() private pure returns (Claim memory claim) {
        claim.record = _record(Opcode.REDUCE, ReductionCode.SUM, 1, new uint32[](0));
        claim.record[RecordOffset.REDUCE_OUTER + 7] = bytes1(uint8(1));
        claim.record[RecordOffset.REDUCE_LENGTH + 7] = bytes1(uint8(20));
        claim.record[RecordOffset.REDUCE_INNER + 7] = bytes1(uint8(1));
        claim.types = _types(1, _shape(20));
        (claim.stage, claim.step) = (Stage.STEP, 15);
        claim.reads = new Read[](1);
        claim.reads[0] = Read(0, 15, TWO);
    }

    /// The fields that all records share, of an F32 result; every dimension is below 256.
    function _record(uint256 opcode, uint256 code, uint256 operands, uint32[] memory shape)
        private
        pure
        returns (bytes memory record)
    {
        record = new bytes(Record.BYTES);
        record[RecordOffset.OPCODE] = bytes1(uint8(opcode));
        record[RecordOffset.FUNCTION] = bytes1(uint8(code));
        record[RecordOffset.DTYPE] = bytes1(uint8(DTypeCode.F32));
        record[RecordOffset.RANK] = bytes1(uint8(shape.length));
        record[RecordOffset.OPERANDS] = bytes1(uint8(operands));
        for (uint256 axis = 0; axis < shape.length; ++axis) {
            record[RecordOffset.SHAPE + 4 * axis + 3] = bytes1(uint8(shape[axis]));
        }
    }

    function _types(uint256 count, uint32[] memory shape) private pure returns (TensorType[] memory types) {
        types = new TensorType[](count);
        for (uint256 slot = 0; slot < count; ++slot) {
            types[slot] = TensorType(uint8(DTypeCode.F32), shape);
        }
    }

    function _shape(uint32 dim) private pure returns (uint32[] memory shape) {
        shape = new uint32[](1);
        shape[0] = dim;
    }

    function _one(uint64 word) private pure returns (uint64[] memory words) {
        words = new uint64[](1);
        words[0] = word;
    }

    function _only(Claim memory claim) private view returns (uint256) {
        (uint64[] memory words, bool fault) = judge.judge(claim);
        assertTrue(words.length == 1 && !fault, "one word, no fault");
        return words[0];
    }
}

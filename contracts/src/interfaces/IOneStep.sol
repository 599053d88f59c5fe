// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, TensorType} from "../types/Claim.sol";
import {ElementPick, Evidence, PackedState, StepPick, Work} from "../types/Game.sol";
import {Receipt} from "../types/Receipt.sol";

/// @title What one scalar step of a tensor program gives
/// @notice Numerics 1 and the instruction set, as far as a dispute needs them. Has no state and no money.
/// The mirror of `aivm.isa.recipes` and `aivm.isa.chains`; `aivm.dispute.claims` makes claims that fit.
interface IOneStep {
    /// @notice The reads of the claim are not those that the step depends on.
    error WrongReads();
    /// @notice The claim does not bring the type of each operand.
    error WrongTypes(uint256 given, uint256 expected);
    /// @notice The stage does not exist: ELEMENT of a chain with steps, a step past the end, FINISH of another family.
    error NoSuchStage();
    /// @notice The state before has not the words that the stage begins with.
    error WrongState(uint256 given, uint256 expected);
    /// @notice A word has bits outside the width of its dtype.
    error WordTooWide(uint256 word, uint256 dtype);
    /// @notice No instruction has this opcode.
    error NoInstruction(uint256 opcode);

    /// @notice Computes the step of a claim.
    /// @dev Computes by itself which operand elements the step reads, and reverts unless the claim has exactly those.
    /// The record is taken as one of a valid program, the types as those of its operands, the element as one that exists.
    /// @return words The state after the step (1 word; 2 for ARG_MAX and ARG_MIN: best, position), or the element.
    /// @return fault The step meets an index outside its axis: such a run has no result, whatever `words` says.
    function judge(Claim calldata claim) external view returns (uint64[] memory words, bool fault);

    /// @notice How many steps the chain of each element has; 0 for a family without chains.
    /// @param types Of the operands. Only MATMUL's first and SCATTER's second are looked at.
    function chainLength(bytes calldata record, TensorType[] calldata types) external pure returns (uint256);

    // --- what the dispute game forwards; it has looked after phase, sender and time, and errors are its own ----------

    /// @return wrong Whether the step that is left gives something else than the provider says.
    function prove(
        PackedState calldata packed,
        Receipt calldata receipt,
        Work calldata work,
        Evidence calldata evidence
    ) external view returns (bool wrong);

    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata choice,
        Evidence calldata evidence
    ) external view returns (bool wrong);

    function proveStep(
        PackedState calldata packed,
        Receipt calldata receipt,
        StepPick calldata choice,
        Work calldata work,
        Evidence calldata evidence
    ) external view returns (bool wrong);

    function proveFinish(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata lanes,
        Work calldata work,
        Evidence calldata evidence
    ) external view returns (bool wrong);
}

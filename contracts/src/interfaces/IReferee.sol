// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ElementPick, OpenedRecord, OutputProof, PackedState, ShownType, StepPick} from "../types/Game.sol";
import {Receipt} from "../types/Receipt.sol";
import {IOneStep} from "./IOneStep.sol";

/// @title What proves the ends of a trace false, and the rules of a game's last rounds: from a leaf to one scalar step
/// @notice The dispute game forwards its calls, so the functions have the signatures of `IDisputeGame`. It has looked
/// after phase, sender and time. Moves that the rules do not allow revert, with the errors of `IDisputeGame`.
/// @dev A contract of its own because both together exceed the size that the EVM allows.
interface IReferee {
    /// @return differs Whether the receipt's output is another than the trace's.
    function proveOutput(PackedState calldata packed, Receipt calldata receipt, OutputProof calldata proof)
        external
        view
        returns (bool differs);

    /// @return differs Whether the receipt's input is another than the trace's.
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32 root, bytes32[] calldata path)
        external
        view
        returns (bool differs);

    /// @return differs Whether the program's constant is another than the trace's.
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata constant_)
        external
        view
        returns (bool differs);

    /// @return differs Whether the program gives the value another type than the provider.
    function proveType(
        PackedState calldata packed,
        Receipt calldata receipt,
        ShownType calldata shown,
        OpenedRecord calldata instruction
    ) external view returns (bool differs);

    /// @return narrowed The state after the move; the clocks in it do not count.
    function pickElement(PackedState calldata packed, Receipt calldata receipt, ElementPick calldata choice)
        external
        view
        returns (PackedState memory narrowed);

    function revealLanes(PackedState calldata packed, bytes calldata lanes)
        external
        view
        returns (PackedState memory narrowed);

    function pickLane(PackedState calldata packed, uint8 lane, bytes calldata lanes)
        external
        view
        returns (PackedState memory narrowed);

    function revealStates(PackedState calldata packed, bytes calldata states)
        external
        view
        returns (PackedState memory narrowed);

    function pickStep(PackedState calldata packed, StepPick calldata choice)
        external
        view
        returns (PackedState memory narrowed);

    function oneStep() external view returns (IOneStep);
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ElementPick, Evidence, OpenedRecord, OutputProof, PackedState, Phase} from "../types/Game.sol";
import {Receipt} from "../types/Receipt.sol";
import {IOneStep} from "./IOneStep.sol";

/// @title What proves a receipt false, and the rules of a game's last rounds: from a data leaf to one scalar step
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

    /// @return next What comes next.
    /// @return narrowed The state after the move; phase and clocks in it do not count.
    function revealTensor(
        PackedState calldata packed,
        Receipt calldata receipt,
        OpenedRecord calldata instruction,
        bytes32[] calldata nodes
    ) external view returns (Phase next, PackedState memory narrowed);

    function revealLeaf(PackedState calldata packed, bytes calldata data)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    function pickElement(PackedState calldata packed, ElementPick calldata choice)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    function revealLanes(PackedState calldata packed, bytes calldata lanes)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    function pickLane(PackedState calldata packed, uint8 lane, bytes calldata lanes)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    function revealStates(PackedState calldata packed, bytes calldata states)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    function pickStep(PackedState calldata packed, uint32 segment, bytes calldata states)
        external
        view
        returns (Phase next, PackedState memory narrowed);

    /// @return differs Whether the step gives something else than the provider says.
    function prove(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata record,
        Evidence calldata evidence
    ) external view returns (bool differs);

    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata choice,
        Evidence calldata evidence
    ) external view returns (bool differs);

    function proveStep(
        PackedState calldata packed,
        Receipt calldata receipt,
        uint32 segment,
        bytes calldata states,
        bytes calldata record,
        Evidence calldata evidence
    ) external view returns (bool differs);

    function proveFinish(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata lanes,
        bytes calldata record,
        Evidence calldata evidence
    ) external view returns (bool differs);

    function oneStep() external view returns (IOneStep);
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IOneStep} from "./interfaces/IOneStep.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {GameRecord} from "./libraries/GameRecord.sol";
import {Narrowing} from "./libraries/Narrowing.sol";
import {Openings} from "./libraries/Openings.sol";
import {PackedGame} from "./libraries/PackedGame.sol";
import {Record} from "./libraries/Record.sol";
import {TensorRoot} from "./libraries/TensorRoot.sol";
import {ElementPick, OpenedRecord, OutputProof, PackedState, Phase, ShownType, StepPick} from "./types/Game.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title Referee
/// @dev Has no state: what it is told of a game has been checked by the dispute game.
contract Referee is IReferee {
    using GameRecord for bytes;
    using Narrowing for PackedState;
    using Openings for PackedState;
    using PackedGame for PackedState;
    using Record for bytes;

    /// @inheritdoc IReferee
    IOneStep public immutable oneStep;

    constructor(IOneStep oneStep_) {
        oneStep = oneStep_;
    }

    /// @inheritdoc IReferee
    function proveOutput(PackedState calldata packed, Receipt calldata receipt, OutputProof calldata proof)
        external
        view
        returns (bool)
    {
        PackedState memory state = packed.read();
        uint256 position = 1 + state.values() + proof.output;
        state.demandRecord(receipt.program, position, proof.record.record, proof.record.path);
        Openings.demand(receipt.outputs, proof.root, proof.output, state.outputs(), proof.rootPath);
        uint256 value = proof.record.record.outputValue();
        Openings.demand(state.opened, proof.valueRoot, value, state.values(), proof.valuePath);
        return proof.root != proof.valueRoot;
    }

    /// @inheritdoc IReferee
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32 root, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        PackedState memory state = packed.read();
        Openings.demand(receipt.inputs, root, state.value(), state.inputs(), path);
        return root != state.node;
    }

    /// @inheritdoc IReferee
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata constant_)
        external
        view
        returns (bool)
    {
        PackedState memory state = packed.read();
        state.demandRecord(receipt.program, 1 + state.value(), constant_.record, constant_.path);
        return constant_.record.constantRoot() != state.node;
    }

    /// @inheritdoc IReferee
    function proveType(
        PackedState calldata packed,
        Receipt calldata receipt,
        ShownType calldata shown,
        OpenedRecord calldata instruction
    ) external view returns (bool) {
        PackedState memory state = packed.read();
        if (TensorRoot.shownHash(shown.trace, shown.kind) != state.opened) revert IDisputeGame.WrongOpening();
        state.demandRecord(receipt.program, 1 + state.value(), instruction.record, instruction.path);
        bytes memory record = instruction.record;
        return TensorRoot.shownHash(shown.trace, record.kind()) != state.opened;
    }

    /// @inheritdoc IReferee
    function pickElement(PackedState calldata packed, Receipt calldata receipt, ElementPick calldata choice)
        external
        view
        returns (PackedState memory)
    {
        PackedState memory state = packed.read();
        return _answer(state, state.pickElement(receipt.program, choice));
    }

    /// @inheritdoc IReferee
    function revealLanes(PackedState calldata packed, bytes calldata lanes) external view returns (PackedState memory) {
        PackedState memory state = packed.read();
        state.postLanes(lanes);
        return _answer(state, Phase.PICK_LANE);
    }

    /// @inheritdoc IReferee
    function pickLane(PackedState calldata packed, uint8 lane, bytes calldata lanes)
        external
        view
        returns (PackedState memory)
    {
        PackedState memory state = packed.read();
        return _answer(state, state.pickLane(lane, lanes));
    }

    /// @inheritdoc IReferee
    function revealStates(PackedState calldata packed, bytes calldata states)
        external
        view
        returns (PackedState memory)
    {
        PackedState memory state = packed.read();
        state.postStates(states);
        return _answer(state, Phase.PICK_STEP);
    }

    /// @inheritdoc IReferee
    function pickStep(PackedState calldata packed, StepPick calldata choice)
        external
        view
        returns (PackedState memory)
    {
        PackedState memory state = packed.read();
        return _answer(state, state.pickStep(choice));
    }

    function _answer(PackedState memory state, Phase next) private pure returns (PackedState memory) {
        state.setPhase(next);
        return state;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IOneStep} from "./interfaces/IOneStep.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {GameRecord} from "./libraries/GameRecord.sol";
import {MerkleTree} from "./libraries/MerkleTree.sol";
import {Narrowing} from "./libraries/Narrowing.sol";
import {Openings} from "./libraries/Openings.sol";
import {PackedGame} from "./libraries/PackedGame.sol";
import {TensorRoot} from "./libraries/TensorRoot.sol";
import {Claim, Stage, TensorType} from "./types/Claim.sol";
import {ElementPick, Evidence, GameState, OpenedRecord, OutputProof, PackedState, Phase} from "./types/Game.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title Referee
/// @dev Has no state: what it is told of a game has been checked by the dispute game.
contract Referee is IReferee {
    using GameRecord for bytes;
    using Narrowing for GameState;
    using Openings for GameState;
    using PackedGame for GameState;
    using PackedGame for PackedState;

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
        GameState memory state = packed.unpack();
        state.demandRecord(receipt.program, 1 + state.values() + proof.output, proof.record);
        Openings.demand(receipt.outputs, proof.root, proof.output, state.outputs, proof.rootPath);
        uint256 value = proof.record.record.outputValue();
        Openings.demand(state.trace, proof.valueRoot, value, state.values(), proof.valuePath);
        return proof.root != proof.valueRoot;
    }

    /// @inheritdoc IReferee
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32 root, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        GameState memory state = packed.unpack();
        Openings.demand(receipt.inputs, root, state.value, state.inputs, path);
        return root != state.node;
    }

    /// @inheritdoc IReferee
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata constant_)
        external
        view
        returns (bool)
    {
        GameState memory state = packed.unpack();
        state.demandRecord(receipt.program, 1 + state.value, constant_);
        return constant_.record.constantRoot() != state.node;
    }

    /// @inheritdoc IReferee
    function revealTensor(
        PackedState calldata packed,
        Receipt calldata receipt,
        OpenedRecord calldata instruction,
        bytes32[] calldata nodes
    ) external view returns (Phase, PackedState memory) {
        GameState memory state = packed.unpack();
        state.demandRecord(receipt.program, 1 + state.value, instruction);
        TensorType memory kind = instruction.record.typeOf();
        (state.leaves, state.tail) = TensorRoot.leaves(kind);
        state.level = MerkleTree.depth(state.leaves);
        bytes32 dataRoot = state.frontierRoot(nodes, false);
        if (TensorRoot.root(kind, dataRoot) != state.node) revert IDisputeGame.WrongOpening();
        state.node = dataRoot;
        state.record = keccak256(instruction.record);
        return _answer(state, state.level == 0 ? Phase.REVEAL_LEAF : Phase.PICK_LEAF);
    }

    /// @inheritdoc IReferee
    function revealLeaf(PackedState calldata packed, bytes calldata data)
        external
        pure
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        uint256 expected = state.index == state.leaves - 1 ? state.tail : MerkleTree.LEAF_BYTES;
        if (data.length != expected) revert IDisputeGame.WrongCount(data.length, expected);
        if (MerkleTree.leafHash(data) != state.node) revert IDisputeGame.WrongOpening();
        return _answer(state, Phase.PICK_ELEMENT);
    }

    /// @inheritdoc IReferee
    function pickElement(PackedState calldata packed, ElementPick calldata choice)
        external
        view
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        return _answer(state, state.pickElement(choice));
    }

    /// @inheritdoc IReferee
    function revealLanes(PackedState calldata packed, bytes calldata lanes)
        external
        pure
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        state.postLanes(lanes);
        return _answer(state, Phase.PICK_LANE);
    }

    /// @inheritdoc IReferee
    function pickLane(PackedState calldata packed, uint8 lane, bytes calldata lanes)
        external
        pure
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        return _answer(state, state.pickLane(lane, lanes));
    }

    /// @inheritdoc IReferee
    function revealStates(PackedState calldata packed, bytes calldata states)
        external
        pure
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        state.postStates(states);
        return _answer(state, Phase.PICK_STEP);
    }

    /// @inheritdoc IReferee
    function pickStep(PackedState calldata packed, uint32 segment, bytes calldata states)
        external
        pure
        returns (Phase, PackedState memory)
    {
        GameState memory state = packed.unpack();
        return _answer(state, state.pickStep(segment, states));
    }

    /// @inheritdoc IReferee
    function prove(PackedState calldata packed, Receipt calldata, bytes calldata record, Evidence calldata evidence)
        external
        view
        returns (bool)
    {
        return _isStepWrong(packed.unpack(), record, evidence);
    }

    /// @inheritdoc IReferee
    function proveElement(
        PackedState calldata packed,
        Receipt calldata,
        ElementPick calldata choice,
        Evidence calldata evidence
    ) external view returns (bool) {
        GameState memory state = packed.unpack();
        if (state.pickElement(choice) != Phase.PROVE) revert IDisputeGame.NotNarrowed();
        return _isStepWrong(state, choice.record, evidence);
    }

    /// @inheritdoc IReferee
    function proveStep(
        PackedState calldata packed,
        Receipt calldata,
        uint32 segment,
        bytes calldata states,
        bytes calldata record,
        Evidence calldata evidence
    ) external view returns (bool) {
        GameState memory state = packed.unpack();
        if (state.pickStep(segment, states) != Phase.PROVE) revert IDisputeGame.NotNarrowed();
        return _isStepWrong(state, record, evidence);
    }

    /// @inheritdoc IReferee
    function proveFinish(
        PackedState calldata packed,
        Receipt calldata,
        bytes calldata lanes,
        bytes calldata record,
        Evidence calldata evidence
    ) external view returns (bool) {
        GameState memory state = packed.unpack();
        state.demandPosted(lanes);
        Claim memory claim = state.claimOf(record, evidence);
        claim.stage = Stage.FINISH;
        claim.before = Narrowing.wordsOf(lanes);
        return _isWrong(state, claim);
    }

    function _answer(GameState memory state, Phase next) private pure returns (Phase, PackedState memory) {
        return (next, state.pack());
    }

    function _isStepWrong(GameState memory state, bytes calldata record, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        Claim memory claim = state.claimOf(record, evidence);
        state.placeStep(claim);
        return _isWrong(state, claim);
    }

    function _isWrong(GameState memory state, Claim memory claim) private view returns (bool) {
        (uint64[] memory words, bool fault) = oneStep.judge(claim);
        return fault || !state.saysSo(words);
    }
}

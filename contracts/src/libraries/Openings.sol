// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {Claim, Read, TensorType} from "../types/Claim.sol";
import {Evidence, GameState, OpenedLeaf, OpenedRecord, OpenedTensor, Place} from "../types/Game.sol";
import {GameRecord} from "./GameRecord.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {TensorRoot} from "./TensorRoot.sol";

/// @title What players open: frontiers, tensors of the trace, and elements in them
library Openings {
    using GameRecord for bytes;

    /// @notice How many leaves the trace has.
    function values(GameState memory state) internal pure returns (uint256) {
        return state.inputs + state.constants + state.instructions;
    }

    /// @notice How many records the program has.
    function records(GameState memory state) internal pure returns (uint256) {
        return 1 + values(state) + state.outputs;
    }

    /// @notice What a frontier of the node in dispute hashes up to; at the leaves of the trace it is tensor roots.
    function frontierRoot(GameState memory state, bytes32[] calldata nodes, bool areValues)
        internal
        view
        returns (bytes32)
    {
        uint256 levels = MerkleTree.roundLevels(state.level);
        uint256 expected = MerkleTree.frontierSize(state.leaves, state.level, state.index, levels);
        if (nodes.length != expected) revert IDisputeGame.WrongCount(nodes.length, expected);
        return MerkleTree.hashUp(nodes, areValues);
    }

    /// @notice Reverts unless the 32 bytes `leaf` are number `position` of the `count` leaves under `root`.
    function demand(bytes32 root, bytes32 leaf, uint256 position, uint256 count, bytes32[] calldata path)
        internal
        view
    {
        bytes32 hash = MerkleTree.leafHash(abi.encode(leaf));
        if (MerkleTree.climb(hash, position, count, path) != root) revert IDisputeGame.WrongOpening();
    }

    /// @notice Reverts unless that is record `position` of the program.
    function demandRecord(GameState memory state, bytes32 program, uint256 position, OpenedRecord calldata opened)
        internal
        view
    {
        bytes32 hash = MerkleTree.leafHash(opened.record);
        if (MerkleTree.climb(hash, position, records(state), opened.path) != program) {
            revert IDisputeGame.WrongOpening();
        }
    }

    /// @notice Reverts unless the tensor is value `value` of the trace.
    function demandTensor(GameState memory state, OpenedTensor calldata tensor, uint256 value) internal view {
        bytes32 root = TensorRoot.root(tensor.kind, tensor.dataRoot);
        demand(state.trace, root, value, values(state), tensor.path);
    }

    /// @notice The opened operands and elements as a claim about the value in dispute; says nothing yet of a step.
    function claimOf(GameState memory state, bytes calldata record, Evidence calldata evidence)
        internal
        view
        returns (Claim memory claim)
    {
        if (keccak256(record) != state.record) revert IDisputeGame.WrongOpening();
        uint256 count = record.operands();
        if (evidence.operands.length != count) revert IDisputeGame.WrongCount(evidence.operands.length, count);
        claim.record = record;
        claim.element = uint64(state.element);
        claim.types = new TensorType[](count);
        for (uint256 slot = 0; slot < count; ++slot) {
            demandTensor(state, evidence.operands[slot], record.operand(slot));
            claim.types[slot] = evidence.operands[slot].kind;
        }
        for (uint256 i = 0; i < evidence.leaves.length; ++i) {
            _demandLeaf(evidence, claim.types, evidence.leaves[i]);
        }
        claim.reads = new Read[](evidence.reads.length);
        for (uint256 i = 0; i < evidence.reads.length; ++i) {
            claim.reads[i] = _read(evidence, claim.types, evidence.reads[i]);
        }
    }

    function _demandLeaf(Evidence calldata evidence, TensorType[] memory types, OpenedLeaf calldata leaf) private view {
        (uint256 count,) = TensorRoot.leaves(types[leaf.slot]);
        bytes32 root = evidence.operands[leaf.slot].dataRoot;
        if (MerkleTree.climb(MerkleTree.leafHash(leaf.data), leaf.index, count, leaf.path) != root) {
            revert IDisputeGame.WrongOpening();
        }
    }

    function _read(Evidence calldata evidence, TensorType[] memory types, Place calldata place)
        private
        pure
        returns (Read memory)
    {
        OpenedLeaf calldata leaf = evidence.leaves[place.leaf];
        TensorType memory kind = types[leaf.slot];
        uint64 word = elementIn(kind, leaf.data, leaf.index, place.element);
        return Read(leaf.slot, place.element, word);
    }

    /// @notice The word of an element, which must be in that data leaf.
    function elementIn(TensorType memory kind, bytes calldata data, uint256 leaf, uint256 element)
        internal
        pure
        returns (uint64)
    {
        uint256 size = TensorRoot.elementBytes(kind.dtype);
        bool isInside = element * size / MerkleTree.LEAF_BYTES == leaf && element < TensorRoot.elements(kind);
        if (!isInside) revert IDisputeGame.WrongOpening();
        return TensorRoot.wordIn(data, element, size);
    }
}

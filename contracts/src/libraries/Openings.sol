// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {Claim, Read, TensorType} from "../types/Claim.sol";
import {Evidence, OpenedLeaf, PackedState, Place, Work} from "../types/Game.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {PackedGame} from "./PackedGame.sol";
import {Record} from "./Record.sol";
import {TensorRoot} from "./TensorRoot.sol";

/// @notice An instruction that was opened, with its operands' types and tensor roots.
struct OpenedWork {
    bytes record;
    TensorType[] types;
    bytes32[] roots;
}

/// @title What players open: frontiers, tensors of the trace, and elements in them
library Openings {
    using PackedGame for PackedState;
    using Record for bytes;

    /// @notice How many leaves the trace has.
    function values(PackedState memory state) internal pure returns (uint256) {
        return state.inputs() + state.constants() + state.instructions();
    }

    /// @notice How many records the program has.
    function records(PackedState memory state) internal pure returns (uint256) {
        return 1 + values(state) + state.outputs();
    }

    /// @notice What a frontier `levels` below the node in dispute hashes up to; at the leaves of the trace it is tensor
    /// roots.
    function frontierRoot(PackedState memory state, bytes32[] calldata nodes, uint256 levels, bool areValues)
        internal
        view
        returns (bytes32)
    {
        uint256 expected = MerkleTree.frontierSize(state.leaves(), state.level(), state.index(), levels);
        if (nodes.length != expected) revert IDisputeGame.WrongCount(nodes.length, expected);
        return MerkleTree.hashUp(nodes, areValues);
    }

    /// @notice Reverts unless the 32 bytes `leaf` are number `position` of the `count` leaves under `root`.
    function demand(bytes32 root, bytes32 leaf, uint256 position, uint256 count, bytes32[] calldata path)
        internal
        view
    {
        if (MerkleTree.climb(MerkleTree.leafHash(leaf), position, count, path) != root) {
            revert IDisputeGame.WrongOpening();
        }
    }

    /// @notice Reverts unless that is record `position` of the program.
    function demandRecord(
        PackedState memory state,
        bytes32 program,
        uint256 position,
        bytes calldata record,
        bytes32[] calldata path
    ) internal view {
        if (MerkleTree.climb(MerkleTree.leafHash(record), position, records(state), path) != program) {
            revert IDisputeGame.WrongOpening();
        }
    }

    /// @notice An instruction with its operands' types and roots; whether they belong to the game is not yet said.
    function read(Work calldata work) internal pure returns (OpenedWork memory opened) {
        opened.record = work.record;
        opened.record.demandLength();
        uint256 count = opened.record.operands();
        if (work.operands.length != count) revert IDisputeGame.WrongCount(work.operands.length, count);
        opened.types = new TensorType[](count);
        opened.roots = new bytes32[](count);
        for (uint256 slot = 0; slot < count; ++slot) {
            opened.types[slot] = TensorRoot.kind(work.operands[slot]);
            opened.roots[slot] = TensorRoot.root(work.operands[slot]);
        }
    }

    /// @notice How a game names an instruction with its operands.
    function hash(OpenedWork memory opened) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(opened.record, opened.roots));
    }

    /// @notice The work in dispute and elements of its operands as a claim; says nothing yet of a step.
    function claimOf(PackedState memory state, Work calldata work, Evidence calldata evidence)
        internal
        view
        returns (Claim memory claim)
    {
        OpenedWork memory opened = read(work);
        if (hash(opened) != state.opened) revert IDisputeGame.WrongOpening();
        claim.record = opened.record;
        claim.types = opened.types;
        claim.element = uint64(state.element());
        for (uint256 i = 0; i < evidence.leaves.length; ++i) {
            _demandLeaf(work, claim.types, evidence.leaves[i]);
        }
        claim.reads = new Read[](evidence.reads.length);
        for (uint256 i = 0; i < evidence.reads.length; ++i) {
            claim.reads[i] = _read(evidence, claim.types, evidence.reads[i]);
        }
    }

    function _demandLeaf(Work calldata work, TensorType[] memory types, OpenedLeaf calldata leaf) private view {
        (uint256 count,) = TensorRoot.leaves(types[leaf.slot]);
        bytes32 root = work.operands[leaf.slot].dataRoot;
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

    /// @notice Which data leaf holds an element.
    function leafOf(TensorType memory kind, uint256 element) internal pure returns (uint256) {
        return element * TensorRoot.elementBytes(kind.dtype) / MerkleTree.LEAF_BYTES;
    }

    /// @notice The word of an element, which must be in that data leaf.
    function elementIn(TensorType memory kind, bytes calldata data, uint256 leaf, uint256 element)
        internal
        pure
        returns (uint64)
    {
        if (leafOf(kind, element) != leaf || element >= TensorRoot.elements(kind)) {
            revert IDisputeGame.WrongOpening();
        }
        return TensorRoot.wordIn(data, element, TensorRoot.elementBytes(kind.dtype));
    }
}

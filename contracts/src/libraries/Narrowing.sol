// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {Claim, Stage, TensorType} from "../types/Claim.sol";
import {ElementPick, Form, PackedState, Phase, StepPick} from "../types/Game.sol";
import {Chains} from "./Chains.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {OpenedWork, Openings} from "./Openings.sol";
import {PackedGame} from "./PackedGame.sol";
import {Record} from "./Record.sol";
import {TensorRoot} from "./TensorRoot.sol";

/// @title From a data leaf to one scalar step
/// @notice A chain of n steps is cut into segments; the provider posts the state after each, and the challenger picks the
/// first that ends wrongly. Its start is then agreed and its end is not. A float sum is 16 chains, its lanes. Posted states
/// are leaves of a tree, each with the state before it, so that a choice shows two states and not all.
/// `aivm.dispute.narrowing` is the same in Python.
library Narrowing {
    using Record for bytes;
    using Openings for PackedState;
    using PackedGame for PackedState;

    uint256 internal constant NO_LANE = 255;
    uint256 private constant LANES = 16;
    uint256 private constant MOST_POSTED_BYTES = 2048; // states in one round
    uint256 private constant CHUNK_BYTES = 128; // of posted states, in one leaf of the tree over them
    uint256 private constant NARROW_BYTES = 4;
    uint256 private constant WIDE_BYTES = 8;
    uint256 private constant MOST_STEPS = type(uint32).max;

    function isProviders(Phase phase) internal pure returns (bool) {
        return phase == Phase.COMMIT || phase == Phase.REVEAL_VALUES || phase == Phase.REVEAL_TENSOR
            || phase == Phase.REVEAL_NODES || phase == Phase.REVEAL_LEAVES || phase == Phase.REVEAL_LANES
            || phase == Phase.REVEAL_STATES;
    }

    /// @notice Puts an element of the shown leaves in dispute, and opens what makes it. Returns the next phase.
    function pickElement(PackedState memory state, bytes32 program, ElementPick calldata choice)
        internal
        view
        returns (Phase)
    {
        OpenedWork memory work = Openings.read(choice.work);
        TensorType memory kind = work.record.kind();
        if (TensorRoot.shownHash(choice.trace, kind) != state.opened) revert IDisputeGame.WrongOpening();
        state.demandRecord(program, 1 + state.value(), choice.work.record, choice.recordPath);
        _demandOperands(state, work, choice);
        uint256 leaf = Openings.leafOf(kind, choice.element);
        _demandLeaf(state, choice, leaf);
        state.opened = Openings.hash(work);
        state.setElement(choice.element);
        state.setAfterwards(Openings.elementIn(kind, choice.leaf, leaf, choice.element));
        if (!Chains.isChained(work.record.opcode())) return Phase.PROVE;
        uint256 length = Chains.length(work.record, work.types);
        if (length > MOST_STEPS) revert IDisputeGame.OutOfRange(length, 0, MOST_STEPS);
        if (length == 0) return Phase.PROVE;
        state.setEnd(length);
        if (Chains.isFloatSum(work.record)) return Phase.REVEAL_LANES;
        if (Chains.isArg(work.record)) state.setForm(Form.LAST_OF_TWO);
        else if (TensorRoot.elementBytes(kind.dtype) > NARROW_BYTES) state.setForm(Form.WIDE);
        return _narrowed(state);
    }

    function postLanes(PackedState memory state, bytes calldata lanes) internal view {
        uint256 expected = LANES * NARROW_BYTES;
        if (lanes.length != expected) revert IDisputeGame.WrongCount(lanes.length, expected);
        for (uint256 lane = state.end(); lane < LANES; ++lane) {
            if (_laneAt(lanes, lane) != 0) revert IDisputeGame.WrongEnd(); // nothing is added to it
        }
        state.node = MerkleTree.leafHash(lanes);
    }

    function pickLane(PackedState memory state, uint256 lane, bytes calldata lanes) internal view returns (Phase) {
        demandLanes(state, lanes);
        if (lane >= Math.min(LANES, state.end())) revert IDisputeGame.WrongOpening();
        state.setLane(lane);
        state.setAfterwards(_laneAt(lanes, lane));
        state.setEnd((state.end() - lane + LANES - 1) / LANES);
        return _narrowed(state);
    }

    function postStates(PackedState memory state, bytes calldata states) internal view {
        uint256 width = _width(state.form());
        (uint256 count,) = _segments(state, width);
        if (states.length != count * width) revert IDisputeGame.WrongCount(states.length, count * width);
        uint256 last = _stateAt(states, (count - 1) * width, width);
        uint256 known = state.form() == Form.TWO ? type(uint128).max : type(uint64).max;
        if ((last ^ state.afterwards()) & known != 0) revert IDisputeGame.WrongEnd();
        state.node = MerkleTree.hashUpData(states, CHUNK_BYTES, width);
    }

    function pickStep(PackedState memory state, StepPick calldata choice) internal view returns (Phase) {
        uint256 width = _width(state.form());
        uint256 segment = choice.segment;
        (uint256 count, uint256 steps) = _segments(state, width);
        if (segment >= count) revert IDisputeGame.WrongOpening();
        uint256 number = segment * width / CHUNK_BYTES;
        uint256 chunks = (count * width + CHUNK_BYTES - 1) / CHUNK_BYTES;
        if (MerkleTree.climb(MerkleTree.leafHash(choice.chunk), number, chunks, choice.path) != state.node) {
            revert IDisputeGame.WrongOpening();
        }
        uint256 place = segment * width % CHUNK_BYTES + (number == 0 ? 0 : width); // behind the state before them
        if (segment > 0) state.setBefore(_stateAt(choice.chunk, place - width, width));
        state.setAfterwards(_stateAt(choice.chunk, place, width));
        state.setStart(state.start() + segment * steps);
        state.setEnd(Math.min(state.end(), state.start() + steps));
        if (state.form() == Form.LAST_OF_TWO) state.setForm(Form.TWO);
        return _narrowed(state);
    }

    /// @notice Says of a claim which step of the element it is about: the one that is left.
    function placeStep(PackedState memory state, Claim memory claim) internal pure {
        if (state.end() == 0) return; // no chain, or a chain without steps: `Stage.ELEMENT`
        claim.stage = Stage.STEP;
        claim.step = uint64(state.lane() == NO_LANE ? state.start() : state.start() * LANES + state.lane());
        if (state.start() == 0) return;
        bool hasTwo = state.form() == Form.TWO;
        claim.before = new uint64[](hasTwo ? 2 : 1);
        if (hasTwo) claim.before[0] = uint64(state.before() >> 64);
        claim.before[claim.before.length - 1] = uint64(state.before());
    }

    /// @notice Whether the provider has said what the judge says.
    function saysSo(PackedState memory state, uint64[] memory words) internal pure returns (bool) {
        uint256 count = words.length;
        if (words[count - 1] != uint64(state.afterwards())) return false;
        return state.form() != Form.TWO || words[0] == uint64(state.afterwards() >> 64);
    }

    /// @notice Reverts unless these are the lanes that the provider posted last.
    function demandLanes(PackedState memory state, bytes calldata lanes) internal view {
        if (MerkleTree.leafHash(lanes) != state.node) revert IDisputeGame.WrongOpening();
    }

    /// @notice The words of posted lanes.
    function lanesOf(bytes calldata lanes) internal pure returns (uint64[] memory words) {
        words = new uint64[](LANES);
        for (uint256 i = 0; i < LANES; ++i) {
            words[i] = uint64(_laneAt(lanes, i));
        }
    }

    function _demandOperands(PackedState memory state, OpenedWork memory work, ElementPick calldata choice)
        private
        view
    {
        uint256 count = work.roots.length;
        bytes32[][] calldata paths = choice.operandPaths;
        if (paths.length != count) revert IDisputeGame.WrongCount(paths.length, count);
        for (uint256 slot = 0; slot < count; ++slot) {
            Openings.demand(choice.trace, work.roots[slot], work.record.operand(slot), state.values(), paths[slot]);
        }
    }

    function _demandLeaf(PackedState memory state, ElementPick calldata choice, uint256 leaf) private view {
        uint256 count = MerkleTree.frontierSize(state.leaves(), state.level(), state.index(), state.level());
        uint256 first = state.index() << state.level();
        if (leaf < first) revert IDisputeGame.WrongOpening();
        if (MerkleTree.climb(MerkleTree.leafHash(choice.leaf), leaf - first, count, choice.leafPath) != state.node) {
            revert IDisputeGame.WrongOpening();
        }
    }

    function _narrowed(PackedState memory state) private pure returns (Phase) {
        return state.end() - state.start() <= 1 ? Phase.PROVE : Phase.REVEAL_STATES;
    }

    /// Into how many segments the steps in dispute are cut, and how many steps each has (the last may have fewer).
    function _segments(PackedState memory state, uint256 width) private pure returns (uint256 count, uint256 each) {
        uint256 steps = state.end() - state.start();
        uint256 most = MOST_POSTED_BYTES / width;
        if (steps <= most) return (steps, 1);
        each = steps > most * most ? (steps + most - 1) / most : Math.sqrt(steps, Math.Rounding.Ceil); // two even rounds
        count = (steps + each - 1) / each;
    }

    /// Bytes of a posted state.
    function _width(Form form) private pure returns (uint256) {
        return form == Form.NARROW ? NARROW_BYTES : form == Form.WIDE ? WIDE_BYTES : 2 * WIDE_BYTES;
    }

    function _stateAt(bytes calldata states, uint256 offset, uint256 width) private pure returns (uint256) {
        return uint256(bytes32(states[offset:offset + width])) >> (256 - 8 * width);
    }

    function _laneAt(bytes calldata lanes, uint256 lane) private pure returns (uint256) {
        return _stateAt(lanes, NARROW_BYTES * lane, NARROW_BYTES);
    }
}

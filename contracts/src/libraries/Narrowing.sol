// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {Claim, Stage, TensorType} from "../types/Claim.sol";
import {ElementPick, Form, GameState, Phase} from "../types/Game.sol";
import {GameRecord} from "./GameRecord.sol";
import {MerkleTree} from "./MerkleTree.sol";
import {Openings} from "./Openings.sol";

/// @title From a data leaf to one scalar step
/// @notice A chain of n steps is cut into segments; the provider posts the state after each, and the challenger picks the
/// first that ends wrongly. Its start is then agreed and its end is not. A float sum is 16 chains, its lanes.
/// `aivm.dispute.narrowing` is the same in Python.
library Narrowing {
    using GameRecord for bytes;
    using Openings for GameState;

    uint256 internal constant NO_LANE = 255;
    uint256 private constant LANES = 16;
    uint256 private constant MAX_SEGMENTS = 48; // in one round
    uint256 private constant WORD_BYTES = 8;
    uint256 private constant MOST_STEPS = type(uint32).max;

    function isProviders(Phase phase) internal pure returns (bool) {
        return phase == Phase.COMMIT || phase == Phase.REVEAL_VALUES || phase == Phase.REVEAL_TENSOR
            || phase == Phase.REVEAL_NODES || phase == Phase.REVEAL_LEAF || phase == Phase.REVEAL_LANES
            || phase == Phase.REVEAL_STATES;
    }

    /// @notice Puts an element of the shown leaf in dispute. Returns the next phase.
    function pickElement(GameState memory state, ElementPick calldata choice) internal view returns (Phase) {
        bytes calldata record = choice.record;
        if (keccak256(record) != state.record) revert IDisputeGame.WrongOpening();
        if (MerkleTree.leafHash(choice.data) != state.node) revert IDisputeGame.WrongOpening();
        state.element = choice.element;
        state.afterwards = Openings.elementIn(record.typeOf(), choice.data, state.index, choice.element);
        state.end = _chainLength(state, choice);
        if (state.end == 0) return Phase.PROVE;
        if (record.isFloatSum()) return Phase.REVEAL_LANES;
        if (record.isArg()) state.form = Form.LAST_OF_TWO;
        return _narrowed(state);
    }

    function postLanes(GameState memory state, bytes calldata lanes) internal pure {
        if (lanes.length != LANES * WORD_BYTES) revert IDisputeGame.WrongCount(lanes.length, LANES * WORD_BYTES);
        for (uint256 lane = state.end; lane < LANES; ++lane) {
            if (_wordAt(lanes, lane) != 0) revert IDisputeGame.WrongEnd(); // nothing is added to it
        }
        state.node = keccak256(lanes);
    }

    function pickLane(GameState memory state, uint256 lane, bytes calldata lanes) internal pure returns (Phase) {
        demandPosted(state, lanes);
        if (lane >= Math.min(LANES, state.end)) revert IDisputeGame.WrongOpening();
        state.lane = lane;
        state.afterwards = _wordAt(lanes, lane);
        state.end = (state.end - lane + LANES - 1) / LANES;
        return _narrowed(state);
    }

    function postStates(GameState memory state, bytes calldata states) internal pure {
        uint256 width = _width(state);
        (uint256 count,) = _segments(state);
        if (states.length != count * width) revert IDisputeGame.WrongCount(states.length, count * width);
        uint256 last = _stateAt(states, (count - 1) * width, width);
        uint256 known = state.form == Form.TWO ? type(uint128).max : type(uint64).max;
        if ((last ^ state.afterwards) & known != 0) revert IDisputeGame.WrongEnd();
        state.node = keccak256(states);
    }

    function pickStep(GameState memory state, uint256 segment, bytes calldata states) internal pure returns (Phase) {
        demandPosted(state, states);
        uint256 width = _width(state);
        (uint256 count, uint256 steps) = _segments(state);
        if (segment >= count) revert IDisputeGame.WrongOpening();
        if (segment > 0) state.before = _stateAt(states, (segment - 1) * width, width);
        state.afterwards = _stateAt(states, segment * width, width);
        state.start += segment * steps;
        state.end = Math.min(state.end, state.start + steps);
        if (width > WORD_BYTES) state.form = Form.TWO;
        return _narrowed(state);
    }

    /// @notice Says of a claim which step of the element it is about: the one that is left.
    function placeStep(GameState memory state, Claim memory claim) internal pure {
        if (state.end == 0) return; // no chain, or a chain without steps: `Stage.ELEMENT`
        claim.stage = Stage.STEP;
        claim.step = uint64(state.lane == NO_LANE ? state.start : state.start * LANES + state.lane);
        if (state.start == 0) return;
        bool isWide = state.form != Form.ONE;
        claim.before = new uint64[](isWide ? 2 : 1);
        if (isWide) claim.before[0] = uint64(state.before >> 64);
        claim.before[claim.before.length - 1] = uint64(state.before);
    }

    /// @notice Whether the provider has said what the judge says.
    function saysSo(GameState memory state, uint64[] memory words) internal pure returns (bool) {
        uint256 count = words.length;
        if (words[count - 1] != uint64(state.afterwards)) return false;
        return state.form != Form.TWO || words[0] == uint64(state.afterwards >> 64);
    }

    /// @notice Reverts unless this is what the provider posted last.
    function demandPosted(GameState memory state, bytes calldata posted) internal pure {
        if (keccak256(posted) != state.node) revert IDisputeGame.WrongOpening();
    }

    /// @notice Posted words, 8 bytes each.
    function wordsOf(bytes calldata posted) internal pure returns (uint64[] memory words) {
        words = new uint64[](posted.length / WORD_BYTES);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] = _wordAt(posted, i);
        }
    }

    function _chainLength(GameState memory state, ElementPick calldata choice) private view returns (uint256 length) {
        uint256 slot = choice.record.sizingSlot();
        uint256 opened = slot == GameRecord.NO_SLOT ? 0 : 1;
        if (choice.sizing.length != opened) revert IDisputeGame.WrongCount(choice.sizing.length, opened);
        TensorType memory kind;
        if (opened == 1) {
            state.demandTensor(choice.sizing[0], choice.record.operand(slot));
            kind = choice.sizing[0].kind;
        }
        length = choice.record.chainLength(kind);
        if (length > MOST_STEPS) revert IDisputeGame.OutOfRange(length, 0, MOST_STEPS);
    }

    function _narrowed(GameState memory state) private pure returns (Phase) {
        return state.end - state.start <= 1 ? Phase.PROVE : Phase.REVEAL_STATES;
    }

    /// Into how many segments the steps in dispute are cut, and how many steps each has (the last may have fewer).
    function _segments(GameState memory state) private pure returns (uint256 count, uint256 each) {
        uint256 steps = state.end - state.start;
        if (steps <= MAX_SEGMENTS) return (steps, 1);
        each = steps > MAX_SEGMENTS * MAX_SEGMENTS
            ? (steps + MAX_SEGMENTS - 1) / MAX_SEGMENTS
            : Math.sqrt(steps, Math.Rounding.Ceil); // two even rounds
        count = (steps + each - 1) / each;
    }

    /// Bytes of a state.
    function _width(GameState memory state) private pure returns (uint256) {
        return state.form == Form.ONE ? WORD_BYTES : 2 * WORD_BYTES;
    }

    function _stateAt(bytes calldata states, uint256 offset, uint256 width) private pure returns (uint256) {
        return uint256(bytes32(states[offset:offset + width])) >> (256 - 8 * width);
    }

    function _wordAt(bytes calldata words, uint256 number) private pure returns (uint64) {
        return uint64(bytes8(words[WORD_BYTES * number:WORD_BYTES * (number + 1)]));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Form, PackedState, Phase} from "../types/Game.sol";

/// @title The eight words of a game, and the fields in three of them
/// @dev Fields are read and written in place: a struct with a word for each would cost more than all shifts here, and
/// eight words are what players send, events show and the contract hashes. `aivm.dispute.state.State` says what each field
/// means.
library PackedGame {
    uint256 private constant BYTES = 256;

    /// @notice A copy to work on. Whoever has not compared its hash must not trust its addresses to be clean.
    function read(PackedState calldata packed) internal pure returns (PackedState memory state) {
        assembly ("memory-safe") {
            calldatacopy(state, packed, BYTES)
        }
    }

    /// @notice The same, from what the referee answered.
    function read(bytes memory answer) internal pure returns (PackedState memory state) {
        assembly ("memory-safe") {
            state := add(answer, 32)
        }
    }

    /// @notice What the game's slot holds: keccak256(abi.encode(state)).
    function hash(PackedState memory state) internal pure returns (bytes32 hashed) {
        assembly ("memory-safe") {
            hashed := keccak256(state, BYTES)
        }
    }

    // --- people's time and the program's parts ---------------------------------------------------

    function phase(PackedState memory state) internal pure returns (Phase) {
        return Phase((state.progress >> 232) & 0xff);
    }

    function setPhase(PackedState memory state, Phase phase_) internal pure {
        state.progress = _put(state.progress, 232, 0xff, uint256(phase_));
    }

    function since(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 192) & 0xffffffffff;
    }

    function challengerLeft(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 160) & 0xffffffff;
    }

    function setChallengerLeft(PackedState memory state, uint256 challengerLeft_) internal pure {
        state.progress = _put(state.progress, 160, 0xffffffff, challengerLeft_);
    }

    function providerLeft(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 128) & 0xffffffff;
    }

    function setProviderLeft(PackedState memory state, uint256 providerLeft_) internal pure {
        state.progress = _put(state.progress, 128, 0xffffffff, providerLeft_);
    }

    function inputs(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 96) & 0xffffffff;
    }

    function constants(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 64) & 0xffffffff;
    }

    function instructions(PackedState memory state) internal pure returns (uint256) {
        return (state.progress >> 32) & 0xffffffff;
    }

    function outputs(PackedState memory state) internal pure returns (uint256) {
        return state.progress & 0xffffffff;
    }

    function setSince(PackedState memory state, uint256 since_) internal pure {
        state.progress = _put(state.progress, 192, 0xffffffffff, since_);
    }

    function setCounts(
        PackedState memory state,
        uint256 inputs_,
        uint256 constants_,
        uint256 instructions_,
        uint256 outputs_
    ) internal pure {
        uint256 counts = (inputs_ << 96) | (constants_ << 64) | (instructions_ << 32) | outputs_; // of 32 bits each
        state.progress = _put(state.progress, 0, type(uint128).max, counts);
    }

    // --- where in the trace, the tensor and the chain --------------------------------------------

    function value(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 216) & 0xffffffff;
    }

    function setValue(PackedState memory state, uint256 value_) internal pure {
        state.place = _put(state.place, 216, 0xffffffff, value_);
    }

    function level(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 208) & 0xff;
    }

    function setLevel(PackedState memory state, uint256 level_) internal pure {
        state.place = _put(state.place, 208, 0xff, level_);
    }

    function index(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 176) & 0xffffffff;
    }

    function setIndex(PackedState memory state, uint256 index_) internal pure {
        state.place = _put(state.place, 176, 0xffffffff, index_);
    }

    function leaves(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 144) & 0xffffffff;
    }

    function setLeaves(PackedState memory state, uint256 leaves_) internal pure {
        state.place = _put(state.place, 144, 0xffffffff, leaves_);
    }

    function tail(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 128) & 0xffff;
    }

    function setTail(PackedState memory state, uint256 tail_) internal pure {
        state.place = _put(state.place, 128, 0xffff, tail_);
    }

    function element(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 80) & 0xffffffffffff;
    }

    function setElement(PackedState memory state, uint256 element_) internal pure {
        state.place = _put(state.place, 80, 0xffffffffffff, element_);
    }

    function lane(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 72) & 0xff;
    }

    function setLane(PackedState memory state, uint256 lane_) internal pure {
        state.place = _put(state.place, 72, 0xff, lane_);
    }

    function form(PackedState memory state) internal pure returns (Form) {
        return Form((state.place >> 64) & 0xff);
    }

    function setForm(PackedState memory state, Form form_) internal pure {
        state.place = _put(state.place, 64, 0xff, uint256(form_));
    }

    function start(PackedState memory state) internal pure returns (uint256) {
        return (state.place >> 32) & 0xffffffff;
    }

    function setStart(PackedState memory state, uint256 start_) internal pure {
        state.place = _put(state.place, 32, 0xffffffff, start_);
    }

    function end(PackedState memory state) internal pure returns (uint256) {
        return state.place & 0xffffffff;
    }

    function setEnd(PackedState memory state, uint256 end_) internal pure {
        state.place = _put(state.place, 0, 0xffffffff, end_);
    }

    // --- the states around the steps in dispute --------------------------------------------------

    function before(PackedState memory state) internal pure returns (uint256) {
        return (state.words >> 128) & type(uint128).max;
    }

    function setBefore(PackedState memory state, uint256 before_) internal pure {
        state.words = _put(state.words, 128, type(uint128).max, before_);
    }

    function afterwards(PackedState memory state) internal pure returns (uint256) {
        return state.words & type(uint128).max;
    }

    function setAfterwards(PackedState memory state, uint256 afterwards_) internal pure {
        state.words = _put(state.words, 0, type(uint128).max, afterwards_);
    }

    /// What does not fit is cut off: nothing that is put here can be larger than its field.
    function _put(uint256 word, uint256 shift, uint256 mask, uint256 value_) private pure returns (uint256) {
        return (word & ~(mask << shift)) | ((value_ & mask) << shift);
    }
}

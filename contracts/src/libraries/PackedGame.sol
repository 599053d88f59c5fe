// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Form, GameState, PackedState, Phase} from "../types/Game.sol";

/// @title The nine words of a game, and their fields
/// @dev Packed, because every move sends them: unused bytes of fields of their own would cost more than all shifts here.
library PackedGame {
    function unpack(PackedState calldata packed) internal pure returns (GameState memory state) {
        state.receipt = packed.receipt;
        state.challenger = packed.challenger;
        state.defender = packed.defender;
        state.trace = packed.trace;
        state.node = packed.node;
        state.record = packed.record;
        uint256 progress = packed.progress;
        state.phase = Phase((progress >> 232) & 0xff);
        state.since = (progress >> 192) & 0xffffffffff;
        state.challengerLeft = (progress >> 160) & 0xffffffff;
        state.providerLeft = (progress >> 128) & 0xffffffff;
        state.inputs = (progress >> 96) & 0xffffffff;
        state.constants = (progress >> 64) & 0xffffffff;
        state.instructions = (progress >> 32) & 0xffffffff;
        state.outputs = progress & 0xffffffff;
        uint256 place = packed.place;
        state.value = (place >> 216) & 0xffffffff;
        state.level = (place >> 208) & 0xff;
        state.index = (place >> 176) & 0xffffffff;
        state.leaves = (place >> 144) & 0xffffffff;
        state.tail = (place >> 128) & 0xffff;
        state.element = (place >> 80) & 0xffffffffffff;
        state.lane = (place >> 72) & 0xff;
        state.form = Form((place >> 64) & 0xff);
        state.start = (place >> 32) & 0xffffffff;
        state.end = place & 0xffffffff;
        state.before = packed.words >> 128;
        state.afterwards = packed.words & type(uint128).max;
    }

    function pack(GameState memory state) internal pure returns (PackedState memory packed) {
        packed.receipt = state.receipt;
        packed.challenger = state.challenger;
        packed.defender = state.defender;
        packed.trace = state.trace;
        packed.node = state.node;
        packed.record = state.record;
        packed.progress = (uint256(state.phase) << 232) | (state.since << 192) | (state.challengerLeft << 160)
            | (state.providerLeft << 128) | (state.inputs << 96) | (state.constants << 64) | (state.instructions << 32)
            | state.outputs;
        packed.place = (state.value << 216) | (state.level << 208) | (state.index << 176) | (state.leaves << 144)
            | (state.tail << 128) | (state.element << 80) | (state.lane << 72) | (uint256(state.form) << 64)
            | (state.start << 32) | state.end;
        packed.words = (state.before << 128) | state.afterwards;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @notice Assertions that say what they saw.
abstract contract Test {
    error NotEqual(string what, bytes32 found, bytes32 expected);
    error NotTrue(string what);
    error NotAtMost(string what, uint256 found, uint256 limit);

    function assertEq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(what, bytes32(found), bytes32(expected));
    }

    function assertEq(bytes32 found, bytes32 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(what, found, expected);
    }

    function assertEq(address found, address expected, string memory what) internal pure {
        assertEq(uint256(uint160(found)), uint256(uint160(expected)), what);
    }

    function assertEq(string memory found, string memory expected, string memory what) internal pure {
        assertEq(keccak256(bytes(found)), keccak256(bytes(expected)), string.concat(what, ": ", found));
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function assertAtMost(uint256 found, uint256 limit, string memory what) internal pure {
        if (found > limit) revert NotAtMost(what, found, limit);
    }

    /// `value` brought into `[least, most]` (no case is thrown away).
    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        if (value >= least && value <= most) return value;
        return least + value % (most - least + 1);
    }

    /// The time now. Not `block.timestamp`: the optimizer may keep that across a warp.
    function time() internal view returns (uint64) {
        return uint64(vm.getBlockTimestamp());
    }

    function pass(uint256 duration) internal {
        vm.warp(time() + duration);
    }
}

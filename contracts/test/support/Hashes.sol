// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The trees of AIVM, said again: what `MerkleTree` must give.
function leafOf(bytes memory data) pure returns (bytes32) {
    return sha256(abi.encodePacked(bytes1(0), data));
}

function nodeOf(bytes32 left, bytes32 right) pure returns (bytes32) {
    return sha256(abi.encodePacked(bytes1(uint8(1)), left, right));
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TensorType} from "../types/Claim.sol";
import {Header} from "../types/Game.sol";
import {MerkleTree} from "./MerkleTree.sol";

/// @title The root of a tensor
/// @notice SHA-256(0x02 || dtype u8 || rank u8 || 8 dimensions u32 || data root).
library TensorRoot {
    uint256 private constant MAX_RANK = 8;
    uint256 private constant TAG = 0x02;
    /// @dev Bytes of an element by dtype code, four bits each, from the lowest; 0: there is no such dtype.
    uint256 private constant SIZES = 0x88442211100002240;

    error UnknownDtype(uint256 dtype);
    error RankTooHigh(uint256 rank);
    /// @notice A terabyte or more.
    error TensorTooLarge();

    function root(TensorType memory type_, bytes32 dataRoot) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(_header(type_), dataRoot));
    }

    function root(Header calldata header) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(TAG), header.dtype, header.rank, header.dimensions, header.dataRoot));
    }

    function kind(Header calldata header) internal pure returns (TensorType memory type_) {
        uint256 rank = header.rank;
        if (rank > MAX_RANK) revert RankTooHigh(rank);
        uint256 dimensions = uint256(header.dimensions);
        type_.dtype = header.dtype;
        type_.shape = new uint32[](rank);
        for (uint256 i = 0; i < rank; ++i) {
            type_.shape[i] = uint32(dimensions >> (224 - 32 * i));
        }
    }

    /// @notice How a game names the trace and the type of the tensor in dispute.
    function shownHash(bytes32 trace, TensorType memory type_) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(trace, _header(type_)));
    }

    function _header(TensorType memory type_) private pure returns (bytes memory) {
        uint256 rank = type_.shape.length;
        if (rank > MAX_RANK) revert RankTooHigh(rank);
        uint256 dimensions = 0;
        for (uint256 i = 0; i < rank; ++i) {
            dimensions |= uint256(type_.shape[i]) << (224 - 32 * i);
        }
        return abi.encodePacked(uint8(TAG), type_.dtype, uint8(rank), dimensions);
    }

    /// @notice Bytes of one element.
    function elementBytes(uint256 dtype) internal pure returns (uint256 size) {
        size = dtype > 16 ? 0 : (SIZES >> (4 * dtype)) & 15;
        if (size == 0) revert UnknownDtype(dtype);
    }

    function elements(TensorType memory type_) internal pure returns (uint256 count) {
        count = 1;
        for (uint256 i = 0; i < type_.shape.length; ++i) {
            count *= type_.shape[i];
            if (count >> 48 != 0) revert TensorTooLarge();
        }
    }

    /// @notice How many leaves the data tree has (no bytes are one empty leaf), and how many bytes the last of them.
    function leaves(TensorType memory type_) internal pure returns (uint256 count, uint256 tail) {
        uint256 size = elements(type_) * elementBytes(type_.dtype);
        count = size == 0 ? 1 : (size + MerkleTree.LEAF_BYTES - 1) / MerkleTree.LEAF_BYTES;
        if (count >> 32 != 0) revert TensorTooLarge();
        tail = size - (count - 1) * MerkleTree.LEAF_BYTES;
    }

    /// @notice The little-endian word of an element in the data leaf that holds it.
    function wordIn(bytes calldata leaf, uint256 element, uint256 size) internal pure returns (uint64 word) {
        uint256 first = (element * size) % MerkleTree.LEAF_BYTES;
        uint256 bigEndian = uint256(bytes32(leaf[first:first + size]));
        for (uint256 i = 0; i < size; ++i) {
            word |= uint64(uint8(bigEndian >> (248 - 8 * i))) << uint64(8 * i);
        }
    }
}

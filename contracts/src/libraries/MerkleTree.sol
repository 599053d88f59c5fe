// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees over SHA-256, in the shape of RFC 6962
/// @notice leaf = SHA-256(0x00 || data), node = SHA-256(0x01 || left || right). A node is named by its level (0: the
/// leaves) and its index there; an odd last node of a level is also the last of the next one. The frontier of a node,
/// so many levels below it, is all nodes of that level that stand under it. `aivm.dispute.trees` is the same in Python.
library MerkleTree {
    /// @notice Of one round: 64 nodes.
    uint256 internal constant MAX_LEVELS = 6;
    uint256 internal constant LEAF_BYTES = 256;

    /// @notice The SHA-256 precompile did not answer (out of gas).
    error HashFailed();

    function leafHash(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0), data));
    }

    function nodeHash(bytes32 left, bytes32 right) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40) // scratch space behind the last allocation
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            if iszero(staticcall(gas(), 2, free, 65, 0, 32)) {
                mstore(0, 0x832d990500000000000000000000000000000000000000000000000000000000)
                revert(0, 4)
            }
            hash := mload(0)
        }
    }

    /// @notice The level of the root over so many leaves, one or more.
    function depth(uint256 leaves) internal pure returns (uint256 level) {
        for (uint256 last = leaves - 1; last > 0; last >>= 1) {
            ++level;
        }
    }

    /// @notice How far the next round goes down from `level`: the way cut evenly into the fewest rounds.
    function roundLevels(uint256 level) internal pure returns (uint256) {
        if (level == 0) return 0;
        uint256 rounds = (level + MAX_LEVELS - 1) / MAX_LEVELS;
        return (level + rounds - 1) / rounds;
    }

    /// @notice How many nodes lie `levels` below node (`level`, `index`) of a tree of so many leaves.
    function frontierSize(uint256 leaves, uint256 level, uint256 index, uint256 levels)
        internal
        pure
        returns (uint256)
    {
        uint256 width = ((leaves - 1) >> (level - levels)) + 1;
        uint256 end = (index + 1) << levels;
        return (end < width ? end : width) - (index << levels);
    }

    /// @notice The node over a whole frontier of one node or more; with `areLeaves`, over leaves of 32 bytes.
    /// @dev Assembly, because most of a dispute's gas is spent here. Works behind the free memory and allocates nothing.
    function hashUp(bytes32[] calldata nodes, bool areLeaves) internal view returns (bytes32 root) {
        assembly ("memory-safe") {
            // Hashes `size` bytes at `from`, the first of which is the tag, to `to`.
            function sha(from, size, to) {
                if iszero(staticcall(gas(), 2, from, size, to, 32)) {
                    mstore(0, 0x832d990500000000000000000000000000000000000000000000000000000000) // HashFailed()
                    revert(0, 4)
                }
            }
            let level := mload(0x40) // the nodes of a level, one word each
            let count := nodes.length
            let tagged := add(level, shl(5, count)) // tag, then one leaf or two nodes
            calldatacopy(level, nodes.offset, shl(5, count))
            if areLeaves {
                mstore8(tagged, 0)
                for { let node := level } lt(node, tagged) { node := add(node, 32) } {
                    mstore(add(tagged, 1), mload(node))
                    sha(tagged, 33, node)
                }
            }
            mstore8(tagged, 1)
            for {} gt(count, 1) {} {
                let pairs := shr(1, count)
                let end := add(level, shl(5, pairs))
                let from := level
                for { let to := level } lt(to, end) { to := add(to, 32) } {
                    mstore(add(tagged, 1), mload(from))
                    mstore(add(tagged, 33), mload(add(from, 32)))
                    sha(tagged, 65, to)
                    from := add(from, 64)
                }
                if and(count, 1) { mstore(end, mload(from)) } // an odd last node moves up as it is
                count := sub(count, pairs)
            }
            root := mload(level)
        }
    }

    /// @notice The node over a frontier of `count` nodes of which `node` is number `position`; zero where the siblings
    /// are not as many as that place demands, or there is no such place.
    function climb(bytes32 node, uint256 position, uint256 count, bytes32[] calldata siblings)
        internal
        view
        returns (bytes32)
    {
        if (position >= count) return 0;
        uint256 used = 0;
        for (uint256 last = count - 1; last > 0; last >>= 1) {
            bool isRight = position & 1 == 1;
            if (isRight || position < last) {
                if (used == siblings.length) return 0;
                bytes32 sibling = siblings[used++];
                node = isRight ? nodeHash(sibling, node) : nodeHash(node, sibling);
            }
            position >>= 1;
        }
        return used == siblings.length ? node : bytes32(0);
    }
}

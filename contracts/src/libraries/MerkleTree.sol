// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees over SHA-256, in the shape of RFC 6962
/// @notice leaf = SHA-256(0x00 || data), node = SHA-256(0x01 || left || right). A node is named by its level (0: the
/// leaves) and its index there; an odd last node of a level is also the last of the next one. The frontier of a node,
/// so many levels below it, is all nodes of that level that stand under it. `aivm.dispute.trees` is the same in Python.
library MerkleTree {
    /// @notice Of one round: 64 nodes.
    uint256 internal constant MAX_LEVELS = 6;
    /// @notice Of the last round in a data tree, which shows the leaves themselves.
    uint256 internal constant LEAF_LEVELS = 2;
    /// @notice A data tree, or what is left of it, that is shown at once.
    uint256 internal constant SMALL_LEVELS = 3;
    uint256 internal constant LEAF_BYTES = 256;
    uint256 private constant LEAF = 0; // tags
    uint256 private constant NODE = 1;

    /// @notice The SHA-256 precompile did not answer (out of gas).
    error HashFailed();

    function leafHash(bytes calldata data) internal view returns (bytes32) {
        uint256 free = _free(LEAF);
        assembly ("memory-safe") {
            calldatacopy(add(free, 1), data.offset, data.length)
        }
        return _sha(free, data.length + 1);
    }

    /// @notice The hash of a leaf of 32 bytes.
    function leafHash(bytes32 data) internal view returns (bytes32) {
        uint256 free = _free(LEAF);
        assembly ("memory-safe") {
            mstore(add(free, 1), data)
        }
        return _sha(free, 33);
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

    /// @notice How far the next round goes down from a node of a data tree; 0 where its leaves are shown.
    /// @dev A leaf has the bytes of eight nodes: so the last round goes down less far, unless it is the only one.
    function dataLevels(uint256 level) internal pure returns (uint256) {
        return level <= SMALL_LEVELS ? 0 : roundLevels(level - LEAF_LEVELS);
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
    function hashUp(bytes32[] calldata nodes, bool areLeaves) internal view returns (bytes32) {
        uint256 count = nodes.length;
        uint256 level = _free(LEAF);
        assembly ("memory-safe") {
            calldatacopy(level, nodes.offset, shl(5, count))
        }
        if (areLeaves) _hashLeaves(level, count);
        return _fold(level, count);
    }

    /// @notice The node over bytes cut into leaves of `size` bytes, each behind the `lead` bytes before it, where there
    /// are any. No bytes are one empty leaf.
    function hashUpData(bytes calldata data, uint256 size, uint256 lead) internal view returns (bytes32) {
        unchecked {
            uint256 count = data.length == 0 ? 1 : (data.length + size - 1) / size;
            uint256 level = _free(LEAF);
            uint256 tagged = level + 32 * count;
            _store8(tagged, LEAF);
            uint256 start = 0;
            for (uint256 i = 0; i < count; ++i) {
                uint256 end = (i + 1) * size;
                if (end > data.length) end = data.length;
                assembly ("memory-safe") {
                    calldatacopy(add(tagged, 1), add(data.offset, start), sub(end, start))
                }
                _store(level + 32 * i, _sha(tagged, end - start + 1));
                start = end - lead;
            }
            return _fold(level, count);
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
        uint256 free = _free(NODE);
        uint256 used = 0;
        unchecked {
            for (uint256 last = count - 1; last > 0; last >>= 1) {
                uint256 isRight = position & 1;
                if (isRight == 1 || position < last) {
                    if (used == siblings.length) return 0;
                    assembly ("memory-safe") {
                        mstore(add(add(free, 1), shl(5, isRight)), node)
                        mstore(sub(add(free, 33), shl(5, isRight)), calldataload(add(siblings.offset, shl(5, used))))
                    }
                    node = _sha(free, 65);
                    ++used;
                }
                position >>= 1;
            }
        }
        return used == siblings.length ? node : bytes32(0);
    }

    // --- parts: they work behind the free memory and allocate nothing. Assembly, because most hashing of a dispute ----
    // --- is done here.

    /// Hashes `count` leaves of one word each, in place.
    function _hashLeaves(uint256 level, uint256 count) private view {
        unchecked {
            uint256 tagged = level + 32 * count;
            _store8(tagged, LEAF);
            for (uint256 node = level; node < tagged; node += 32) {
                _store(tagged + 1, _load(node));
                _store(node, _sha(tagged, 33));
            }
        }
    }

    /// The node over `count` nodes of one word each.
    function _fold(uint256 level, uint256 count) private view returns (bytes32) {
        unchecked {
            uint256 tagged = level + 32 * count;
            _store8(tagged, NODE);
            while (count > 1) {
                uint256 end = level + (count >> 1) * 32;
                uint256 from = level;
                for (uint256 to = level; to < end; to += 32) {
                    _store(tagged + 1, _load(from));
                    _store(tagged + 33, _load(from + 32));
                    _store(to, _sha(tagged, 65));
                    from += 64;
                }
                if (count & 1 == 1) _store(end, _load(from)); // an odd last node moves up as it is
                count -= count >> 1;
            }
            return _load(level);
        }
    }

    /// Where free memory begins, with that tag in its first byte.
    function _free(uint256 tag) private pure returns (uint256 free) {
        assembly ("memory-safe") {
            free := mload(0x40)
            mstore8(free, tag)
        }
    }

    function _sha(uint256 from, uint256 size) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            if iszero(staticcall(gas(), 2, from, size, 0, 32)) {
                mstore(0, 0x832d990500000000000000000000000000000000000000000000000000000000) // HashFailed()
                revert(0, 4)
            }
            hash := mload(0)
        }
    }

    function _load(uint256 place) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(place)
        }
    }

    function _store(uint256 place, bytes32 word) private pure {
        assembly ("memory-safe") {
            mstore(place, word)
        }
    }

    function _store8(uint256 place, uint256 byte_) private pure {
        assembly ("memory-safe") {
            mstore8(place, byte_)
        }
    }
}

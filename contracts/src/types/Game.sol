// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TensorType} from "./Claim.sol";

/// @notice What the next move of a game is. p: the provider's, c: the challenger's.
enum Phase {
    NONE,
    COMMIT, // p
    PICK_VALUE, // c
    REVEAL_VALUES, // p
    PROVE_SOURCE, // c: the value is an input or a constant
    REVEAL_TENSOR, // p
    PICK_LEAF, // c
    REVEAL_NODES, // p
    REVEAL_LEAVES, // p
    PICK_ELEMENT, // c
    REVEAL_LANES, // p
    PICK_LANE, // c
    REVEAL_STATES, // p
    PICK_STEP, // c
    PROVE // c: one step is left
}

/// @notice How a state of a chain is posted.
enum Form {
    NARROW, // one word of at most 32 bits
    WIDE, // one word of 64 bits
    TWO, // ARG_MAX, ARG_MIN: best, position, of 64 bits each
    LAST_OF_TWO // the same, but of the last state only the position is known so far
}

/// @notice A game as players send it and events show it: eight words, of which the contract keeps the hash.
struct PackedState {
    bytes32 receipt; // keccak256(abi.encode(receipt))
    address challenger;
    address defender; // who moves for the provider
    uint256 progress; // phase 8 bits | since 40 | challengerLeft 32 | providerLeft 32 | inputs, constants,
    // instructions, outputs 32 each
    bytes32 node;
    bytes32 opened; // what was opened so far: the provider's account; the trace's root; the hash of that root and the
    // type of the value; the hash of the instruction and its operands
    uint256 place; // value 32 | level 8 | index 32 | leaves 32 | tail 16 | element 48 | lane 8 | form 8 | start 32 |
    // end 32
    uint256 words; // before, after: 2 words of 64 bits each, the last of them last
}

/// @notice A value of the trace shown by its header, word by word: a `TensorType` would cost more to send and to read.
struct Header {
    uint8 dtype;
    uint8 rank;
    bytes32 dimensions; // eight of 32 bits each; those behind the rank are zero
    bytes32 dataRoot;
}

/// @notice What makes the value in dispute: the instruction's record, and its operands in order.
struct Work {
    bytes record;
    Header[] operands;
}

/// @notice What the provider said of the value in dispute.
struct ShownType {
    bytes32 trace; // root
    TensorType kind;
}

/// @notice A data leaf of an operand.
struct OpenedLeaf {
    uint8 slot; // which operand
    uint32 index;
    bytes data;
    bytes32[] path; // up to that operand's data root
}

/// @notice An element that a step reads: in which of the opened leaves it is.
struct Place {
    uint8 leaf;
    uint64 element;
}

/// @notice What opens a step: leaves of its operands, and the elements in them.
struct Evidence {
    OpenedLeaf[] leaves;
    Place[] reads;
}

/// @notice A record of a program with its path to the program root.
struct OpenedRecord {
    bytes record;
    bytes32[] path;
}

/// @notice An element of a leaf that the provider showed, and the instruction that makes it.
struct ElementPick {
    uint64 element;
    bytes leaf;
    bytes32[] leafPath; // up to the node reached
    bytes32 trace; // root
    Work work;
    bytes32[] recordPath; // up to the program root
    bytes32[][] operandPaths; // up to the trace root
}

/// @notice One segment of a chain: the states before and after it are in one leaf of the tree over what was posted.
struct StepPick {
    uint32 segment;
    bytes chunk;
    bytes32[] path;
}

/// @notice What a game needs to know of an output that the trace does not have.
struct OutputProof {
    uint32 output;
    bytes32 root; // in the receipt
    bytes32[] rootPath;
    OpenedRecord record; // the OUTPUT record
    bytes32 valueRoot; // in the trace
    bytes32[] valuePath;
}

/// @notice What is known of a receipt that was doubted.
struct Verdict {
    bool doubted; // so that a conviction, the dearest move, writes no fresh slot
    bool convicted;
    uint128 share; // the client's, until it is paid
}

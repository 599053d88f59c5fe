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
    REVEAL_LEAF, // p
    PICK_ELEMENT, // c
    REVEAL_LANES, // p
    PICK_LANE, // c
    REVEAL_STATES, // p
    PICK_STEP, // c
    PROVE // c: one step is left
}

/// @notice How many words a state of a chain has.
enum Form {
    ONE,
    TWO, // ARG_MAX, ARG_MIN: best, position
    LAST_OF_TWO // the same, but of the last state only the position is known so far
}

/// @notice A game as players send it and events show it: nine words, of which the contract keeps the hash.
struct PackedState {
    bytes32 receipt; // keccak256(abi.encode(receipt))
    address challenger;
    address defender; // who moves for the provider
    uint256 progress; // phase 8 bits | since 40 | challengerLeft 32 | providerLeft 32 | inputs, constants,
    // instructions, outputs 32 each
    bytes32 trace; // root
    bytes32 node;
    bytes32 record; // keccak256 of the record of the value in dispute
    uint256 place; // value 32 | level 8 | index 32 | leaves 32 | tail 16 | element 48 | lane 8 | form 8 | start 32 |
    // end 32
    uint256 words; // before, after: 2 words of 64 bits each, the last of them last
}

/// @notice The same, unpacked. `aivm.dispute.state.State` says what each field means.
struct GameState {
    bytes32 receipt;
    address challenger;
    address defender;
    Phase phase;
    uint256 since;
    uint256 challengerLeft;
    uint256 providerLeft;
    uint256 inputs;
    uint256 constants;
    uint256 instructions;
    uint256 outputs;
    bytes32 trace;
    bytes32 node;
    bytes32 record;
    uint256 value;
    uint256 level;
    uint256 index;
    uint256 leaves;
    uint256 tail;
    uint256 element;
    uint256 lane;
    Form form;
    uint256 start;
    uint256 end;
    uint256 before; // two words: first << 64 | last
    uint256 afterwards;
}

/// @notice A value of the trace shown by its header.
struct OpenedTensor {
    TensorType kind;
    bytes32 dataRoot;
    bytes32[] path; // up to the trace root
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

/// @notice What opens a step: the operands in the record's order, leaves, and the elements in them.
struct Evidence {
    OpenedTensor[] operands;
    OpenedLeaf[] leaves;
    Place[] reads;
}

/// @notice A record of a program with its path to the program root.
struct OpenedRecord {
    bytes record;
    bytes32[] path;
}

/// @notice An element of the leaf that the provider showed.
struct ElementPick {
    uint64 element;
    bytes data; // of the leaf
    bytes record;
    OpenedTensor[] sizing; // the operand that says how long the chain is (MATMUL: 0, SCATTER: 1); else none
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

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What part of an element's computation is judged.
enum Stage {
    ELEMENT, // all of it: families without a chain, and chains without a step
    STEP, // one step of a chain; step 0 (of a float sum: of its lane) begins with the chain's start
    FINISH // of a float sum: the halving tree over its 16 lanes
}

/// @notice The header of a tensor.
struct TensorType {
    uint8 dtype;
    uint32[] shape;
}

/// @notice One element of an operand, as its bytes say: little-endian, no wider than its dtype (an I32 of -1 is
/// 0xffffffff). It was opened against the trace, so nobody has to believe it; its NaN need not be the canonical one.
struct Read {
    uint8 slot; // which operand
    uint64 element; // row-major
    uint64 word;
}

/// @notice One scalar step: everything that decides what it gives.
/// @dev All of it has been proved before it is judged. Words are as in `Read`.
struct Claim {
    bytes record; // of the instruction, 256 bytes
    TensorType[] types; // of its operands, in order
    uint64 element; // of the result, row-major
    Stage stage;
    uint64 step; // 0 unless `stage` is STEP; of a float sum the element's own number, so its lane is step % 16
    // STEP: the words of the state before it, none at the chain's start; of a float sum, the word of that lane.
    // FINISH: the 16 lanes. ELEMENT: none.
    uint64[] before;
    Read[] reads; // the elements that the step depends on, in the order in which `aivm.dispute.claims` lists them
}

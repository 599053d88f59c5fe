// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INumerics} from "../interfaces/INumerics.sol";
import {IOneStep} from "../interfaces/IOneStep.sol";
import {Claim} from "../types/Claim.sol";
import {DTypeCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";

/// @notice A claim while it is judged.
struct Step {
    Claim claim;
    INumerics numerics;
    uint256 reads; // how many of the claim's reads were used
    bool fault;
}

/// @title What a recipe does with its operands: it reads elements, takes a word for an index, and has a result's type
library Steps {
    /// @notice The word of an element of operand `slot`, which must be the next that the claim brings.
    function read(Step memory step, uint256 slot, uint256 element) internal pure returns (uint256 word) {
        if (step.reads == step.claim.reads.length) revert IOneStep.WrongReads();
        if (step.claim.reads[step.reads].slot != slot || step.claim.reads[step.reads].element != element) {
            revert IOneStep.WrongReads();
        }
        word = step.claim.reads[step.reads].word;
        demandFit(dtypeOf(step, slot), word);
        ++step.reads;
    }

    /// @notice Where the index in a word points on an axis of `size` elements, a negative one counting from the end.
    /// @dev One that points outside is a fault of the run.
    function position(Step memory step, uint256 slot, uint256 word, uint256 size)
        internal
        pure
        returns (uint256 found, bool inside)
    {
        int256 index = Integers.valueOf(dtypeOf(step, slot), word);
        int256 length = int256(size);
        inside = index >= -length && index < length;
        if (!inside) step.fault = true;
        found = inside ? uint256(index < 0 ? index + length : index) : 0;
    }

    function dtypeOf(Step memory step, uint256 slot) internal pure returns (uint256) {
        return step.claim.types[slot].dtype;
    }

    function shapeOf(Step memory step, uint256 slot) internal pure returns (uint32[] memory) {
        return step.claim.types[slot].shape;
    }

    /// @notice Reverts where a word has bits that its dtype has not.
    function demandFit(uint256 dtype, uint256 word) internal pure {
        uint256 bytes_ = dtype == DTypeCode.F32
            ? 4
            : (dtype == DTypeCode.F16 || dtype == DTypeCode.BF16 ? 2 : (Integers.width(dtype) + 7) / 8);
        if (word >> (8 * bytes_) != 0) revert IOneStep.WordTooWide(word, dtype);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim} from "../types/Claim.sol";

/// @title What one scalar step of a tensor program gives
/// @notice Numerics 1 and the instruction set, as far as a dispute needs them. Has no state and no money.
interface IOneStep {
    /// @notice The reads of the claim are not those that the step depends on.
    error WrongReads();

    /// @notice Computes the step of a claim.
    /// @dev Computes by itself which operand elements the step reads, and reverts unless the claim has exactly those.
    /// @return words The state after the step (1 word; 2 for ARG_MAX and ARG_MIN: best, position), or the element.
    /// @return fault The step meets an index outside its axis: such a run has no result, whatever `words` says.
    function judge(Claim calldata claim) external view returns (uint64[] memory words, bool fault);
}

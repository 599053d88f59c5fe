// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who gets what of a payment
/// @dev Shares are differences of a function of the running total, so that they do not depend on how the total was
/// reached: a thousand dust payments give the same as one. The royalty is a share *of the cut*, not of the total: that
/// makes royalty, fee and remainder each never fall when the total rises, so a difference is never negative. All rounding
/// goes to the provider first, to the treasury second.
library Split {
    uint256 internal constant WHOLE = 10_000; // basis points

    /// @notice Shares of the money between two totals; they sum up to `afterTotal - beforeTotal` exactly.
    /// @dev Needs `beforeTotal <= afterTotal < 2^128` and `royaltyBps + feeBps <= WHOLE`.
    function between(uint256 beforeTotal, uint256 afterTotal, uint256 royaltyBps, uint256 feeBps)
        internal
        pure
        returns (uint256 toProvider, uint256 toPublisher, uint256 toTreasury)
    {
        (uint256 royaltyBefore, uint256 feeBefore) = _shares(beforeTotal, royaltyBps, feeBps);
        (uint256 royaltyAfter, uint256 feeAfter) = _shares(afterTotal, royaltyBps, feeBps);
        toPublisher = royaltyAfter - royaltyBefore;
        toTreasury = feeAfter - feeBefore;
        toProvider = afterTotal - beforeTotal - toPublisher - toTreasury;
    }

    function _shares(uint256 total, uint256 royaltyBps, uint256 feeBps)
        private
        pure
        returns (uint256 royalty, uint256 fee)
    {
        uint256 bps = royaltyBps + feeBps;
        if (bps == 0) return (0, 0);
        uint256 cut = total * bps / WHOLE;
        royalty = cut * royaltyBps / bps;
        fee = cut - royalty;
    }
}

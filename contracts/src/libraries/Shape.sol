// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Row-major positions in tensors
library Shape {
    /// How many elements a tensor of this shape has.
    function elements(uint32[] memory shape) internal pure returns (uint256 product) {
        product = 1;
        for (uint256 axis = 0; axis < shape.length; ++axis) {
            product *= shape[axis];
        }
    }

    /// @notice Index into `source` of the element that `source` shows at `index` of `target`, by the rules of
    /// broadcasting.
    /// @dev Of both shapes the last `skipped` dimensions do not count. `source` has no more of them than `target`.
    function broadcastIndex(uint256 index, uint32[] memory target, uint32[] memory source, uint256 skipped)
        internal
        pure
        returns (uint256 position)
    {
        uint256 stride = 1;
        for (uint256 back = skipped + 1; back <= source.length; ++back) {
            uint256 dim = target[target.length - back];
            uint256 sourceDim = source[source.length - back];
            if (sourceDim != 1) position += index % dim * stride;
            index /= dim;
            stride *= sourceDim;
        }
    }
}

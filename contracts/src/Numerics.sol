// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INumerics} from "./interfaces/INumerics.sol";
import {Casts} from "./libraries/Casts.sol";
import {Functions} from "./libraries/Functions.sol";
import {Philox} from "./libraries/Philox.sol";

/// @title Numerics 1 on the EVM
contract Numerics is INumerics {
    /// @inheritdoc INumerics
    function evaluate(uint256 code, uint256 dtype, uint256 x, uint256 y, uint256 z) external pure returns (uint256) {
        return Functions.evaluate(code, dtype, x, y, z);
    }

    /// @inheritdoc INumerics
    function cast(uint256 source, uint256 target, uint256 word) external pure returns (uint256) {
        return Casts.cast(source, target, word);
    }

    /// @inheritdoc INumerics
    function canonical(uint256 dtype, uint256 word) external pure returns (uint256) {
        return Casts.canonical(dtype, word);
    }

    /// @inheritdoc INumerics
    function random(uint256 key, uint256 stream, uint256 index) external pure returns (uint256) {
        return Philox.element(key, stream, index);
    }
}

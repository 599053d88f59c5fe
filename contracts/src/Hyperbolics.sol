// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFloatFunctions} from "./interfaces/IFloatFunctions.sol";
import {HyperbolicFunctions} from "./libraries/FloatFunctions.gen.sol";

/// @title Hyperbolic functions on F32, and their inverses
contract Hyperbolics is IFloatFunctions {
    /// @inheritdoc IFloatFunctions
    function evaluate(uint256 code, uint256 x, uint256) external pure returns (uint256) {
        return HyperbolicFunctions.evaluate(code, x);
    }
}

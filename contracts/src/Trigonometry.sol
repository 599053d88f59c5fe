// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFloatFunctions} from "./interfaces/IFloatFunctions.sol";
import {TrigonometricFunctions} from "./libraries/FloatFunctions.gen.sol";

/// @title Functions of angles on F32, and their inverses
contract Trigonometry is IFloatFunctions {
    /// @inheritdoc IFloatFunctions
    function evaluate(uint256 code, uint256 x, uint256) external pure returns (uint256) {
        return TrigonometricFunctions.evaluate(code, x);
    }
}

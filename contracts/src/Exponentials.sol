// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFloatFunctions} from "./interfaces/IFloatFunctions.sol";
import {ExponentialFunctions} from "./libraries/FloatFunctions.gen.sol";

/// @title pow, and what is near exp and log, on F32
contract Exponentials is IFloatFunctions {
    /// @inheritdoc IFloatFunctions
    function evaluate(uint256 code, uint256 x, uint256 y) external pure returns (uint256) {
        return ExponentialFunctions.evaluate(code, x, y);
    }
}

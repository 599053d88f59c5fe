// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IFloatFunctions} from "./interfaces/IFloatFunctions.sol";
import {INumerics} from "./interfaces/INumerics.sol";
import {Casts} from "./libraries/Casts.sol";
import {Functions} from "./libraries/Functions.sol";
import {DTypeCode, FunctionPlace} from "./libraries/Functions.gen.sol";
import {Philox} from "./libraries/Philox.sol";

/// @title Numerics 1 on the EVM
/// @dev Some functions of many steps are in three contracts of their own, because one cannot hold all.
contract Numerics is INumerics {
    IFloatFunctions public immutable EXPONENTIALS;
    IFloatFunctions public immutable HYPERBOLICS;
    IFloatFunctions public immutable TRIGONOMETRY;

    constructor(IFloatFunctions exponentials, IFloatFunctions hyperbolics, IFloatFunctions trigonometry) {
        EXPONENTIALS = exponentials;
        HYPERBOLICS = hyperbolics;
        TRIGONOMETRY = trigonometry;
    }

    /// @inheritdoc INumerics
    function evaluate(uint256 code, uint256 dtype, uint256 x, uint256 y, uint256 z) external view returns (uint256) {
        if (dtype == DTypeCode.F32) {
            if ((FunctionPlace.EXPONENTIALS >> code) & 1 != 0) return EXPONENTIALS.evaluate(code, x, y);
            if ((FunctionPlace.HYPERBOLICS >> code) & 1 != 0) return HYPERBOLICS.evaluate(code, x, y);
            if ((FunctionPlace.TRIGONOMETRY >> code) & 1 != 0) return TRIGONOMETRY.evaluate(code, x, y);
        }
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

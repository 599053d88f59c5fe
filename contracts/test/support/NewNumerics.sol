// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Exponentials} from "../../src/Exponentials.sol";
import {Hyperbolics} from "../../src/Hyperbolics.sol";
import {Numerics} from "../../src/Numerics.sol";
import {Trigonometry} from "../../src/Trigonometry.sol";

/// Numerics 1, with the contracts that it asks.
function newNumerics() returns (Numerics) {
    return new Numerics(new Exponentials(), new Hyperbolics(), new Trigonometry());
}

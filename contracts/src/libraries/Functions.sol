// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {DTypeCode, FunctionCode, FunctionPrograms, StepCode} from "./Functions.gen.sol";
import {Integers} from "./Integers.sol";

/// @title The scalar function of a MAP instruction
/// @dev The mirror of `aivm.isa.recipes.apply`. Words are patterns in their dtype's width, truths are 0 and 1.
library Functions {
    /// @notice The function `code` of words of `dtype`: `x`, or `x` and `y`, or all three.
    /// @dev The first word of a SELECT is a BOOL. An F32 result is not canonical yet (`Float32.canonical`).
    function evaluate(uint256 code, uint256 dtype, uint256 x, uint256 y, uint256 z) internal pure returns (uint256) {
        if (code == FunctionCode.SELECT) return x != 0 ? y : z;
        if (dtype != DTypeCode.F32) return Integers.evaluate(code, dtype, x, y);
        return run(FunctionPrograms.get(code), x, y, z);
    }

    /// @notice The last value of a straight line of base operations (see FunctionPrograms for its encoding).
    function run(bytes memory program, uint256 x, uint256 y, uint256 z) internal pure returns (uint256 value) {
        (uint256 values, uint256 next, uint256 step, uint256 end) = _load(program, x, y, z);
        while (step < end) {
            uint256 operation;
            uint256 a;
            uint256 b;
            uint256 c;
            assembly ("memory-safe") {
                let code := mload(step)
                operation := byte(0, code)
                a := mload(add(values, shl(5, byte(1, code))))
                b := mload(add(values, shl(5, byte(2, code))))
                c := mload(add(values, shl(5, byte(3, code))))
            }
            value = _base(operation, a, b, c);
            assembly ("memory-safe") {
                mstore(next, value)
                next := add(next, 32)
                step := add(step, 4)
            }
        }
    }

    /// @return values Where the values lie in memory, one a word, with the operands and constants in place.
    /// @return next Where the value of the first step goes.
    /// @return step Where the steps begin.
    /// @return end Where they end.
    function _load(bytes memory program, uint256 x, uint256 y, uint256 z)
        private
        pure
        returns (uint256 values, uint256 next, uint256 step, uint256 end)
    {
        assembly ("memory-safe") {
            values := mload(0x40)
            mstore(values, x)
            mstore(add(values, 32), y)
            mstore(add(values, 64), z)
            next := add(values, 96)
            step := add(program, 33)
            end := add(add(program, 32), mload(program))
            // four bytes of program make at most one value
            mstore(0x40, add(next, shl(3, mload(program))))
            for { let constants := byte(0, mload(add(program, 32))) } constants { constants := sub(constants, 1) } {
                mstore(next, shr(224, mload(step)))
                next := add(next, 32)
                step := add(step, 4)
            }
        }
    }

    /// One base operation of `aivm.numerics.machine`; those of the second half work on 32-bit patterns.
    function _base(uint256 operation, uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (operation < StepCode.LESS) return _arithmetic(operation, a, b, c);
        if (operation == StepCode.SELECT) return a != 0 ? b : c;
        if (operation == StepCode.LESS) return Float32.less(a, b) ? 1 : 0;
        if (operation == StepCode.EQUAL) return Float32.equal(a, b) ? 1 : 0;
        if (operation == StepCode.LESS_EQUAL) return Float32.lessEqual(a, b) ? 1 : 0;
        return _bits(operation, a, b);
    }

    function _arithmetic(uint256 operation, uint256 a, uint256 b, uint256 c) private pure returns (uint256) {
        if (operation == StepCode.FMA) return Float32.fma(a, b, c);
        if (operation == StepCode.ADD) return Float32.add(a, b);
        if (operation == StepCode.SUB) return Float32.sub(a, b);
        if (operation == StepCode.MUL) return Float32.mul(a, b);
        if (operation == StepCode.DIV) return Float32.div(a, b);
        if (operation == StepCode.MIN) return Float32.min(a, b);
        if (operation == StepCode.MAX) return Float32.max(a, b);
        return Float32.sqrt(a); // SQRT, the last of these codes
    }

    function _bits(uint256 operation, uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            if (operation == StepCode.AND) return a & b;
            if (operation == StepCode.XOR) return a ^ b;
            if (operation == StepCode.SHL) return (a << b) & 0xffffffff;
            if (operation == StepCode.ISUB) return (a - b) & 0xffffffff;
            if (operation == StepCode.OR) return a | b;
            if (operation == StepCode.IADD) return (a + b) & 0xffffffff;
            if (operation == StepCode.SAR) return _sar(a, b);
            if (operation == StepCode.SHR) return a >> b;
            if (operation == StepCode.IMUL) return (a * b) & 0xffffffff;
            return Float32.canonical(a); // CANONICAL, the last code
        }
    }

    /// Shifted right, copies of bit 31 coming in.
    function _sar(uint256 a, uint256 count) private pure returns (uint256 shifted) {
        assembly ("memory-safe") {
            shifted := and(sar(count, signextend(3, a)), 0xffffffff)
        }
    }
}

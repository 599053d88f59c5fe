// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Numerics} from "../src/Numerics.sol";
import {Float32} from "../src/libraries/Float32.sol";
import {DTypeCode, FunctionCode} from "../src/libraries/Functions.gen.sol";
import {newNumerics} from "./support/NewNumerics.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice Gas of arithmetic: the most that any of some ordinary and some extreme operands took. Run by gas.py.
contract NumericsGasTest is Test {
    uint256 private constant FMA_CEILING = 1_350;
    uint256 private constant FLOAT_CEILING = 1_500; // any other base operation
    // As one call of the contract:
    uint256 private constant STEP_CEILING = 6_000; // functions of few steps
    uint256 private constant USUAL_CEILING = 20_000; // those that models use most
    uint256 private constant FUNCTION_CEILING = 60_000; // any other
    uint256 private constant SAMPLES = 256;

    /// Of two readings with nothing in between.
    uint256 private constant READING = 2;

    Numerics private immutable numerics = newNumerics();

    function test_gasOfBaseOperations() public {
        _keep("fma", _measure(_fma), FMA_CEILING);
        _keep("add", _measure(_add), FLOAT_CEILING);
        _keep("sub", _measure(_sub), FLOAT_CEILING);
        _keep("mul", _measure(_mul), FLOAT_CEILING);
        _keep("div", _measure(_div), FLOAT_CEILING);
        _keep("sqrt", _measure(_sqrt), FLOAT_CEILING);
        _keep("min", _measure(_min), FLOAT_CEILING);
        _keep("max", _measure(_max), FLOAT_CEILING);
        _keep("less", _measure(_less), FLOAT_CEILING);
        _keep("equal", _measure(_equal), FLOAT_CEILING);
    }

    function test_gasOfUsualFunctions() public {
        _function("EXP", FunctionCode.EXP, 0x80000001, 0, 0, USUAL_CEILING);
        _function("LOG", FunctionCode.LOG, 0x0046ddc0, 0, 0, USUAL_CEILING);
        _function("TANH", FunctionCode.TANH, 0x7f7ffffe, 0, 0, USUAL_CEILING);
        _function("ERF", FunctionCode.ERF, 0x40400000, 0, 0, USUAL_CEILING);
        _function("SIGMOID", FunctionCode.SIGMOID, 0x00000001, 0, 0, USUAL_CEILING);
    }

    function test_gasOfPowersAndTheLike() public {
        _function("POW", FunctionCode.POW, 0x0000007f, 0x8000007f, 0, FUNCTION_CEILING);
        _function("SOFTPLUS", FunctionCode.SOFTPLUS, 0xc2b20000, 0, 0, FUNCTION_CEILING);
        _function("LOG1P", FunctionCode.LOG1P, 0x80000001, 0, 0, FUNCTION_CEILING);
        _function("EXPM1", FunctionCode.EXPM1, 0x7f7ffffe, 0, 0, FUNCTION_CEILING);
    }

    function test_gasOfHyperbolics() public {
        _function("SINH", FunctionCode.SINH, 0x7f7ffffe, 0, 0, FUNCTION_CEILING);
        _function("COSH", FunctionCode.COSH, 0x007fffff, 0, 0, FUNCTION_CEILING);
        _function("ASINH", FunctionCode.ASINH, 0x00000001, 0, 0, FUNCTION_CEILING);
        _function("ACOSH", FunctionCode.ACOSH, 0x3f871420, 0, 0, FUNCTION_CEILING);
        _function("ATANH", FunctionCode.ATANH, 0x00000001, 0, 0, FUNCTION_CEILING);
    }

    function test_gasOfAngles() public {
        _function("SIN", FunctionCode.SIN, 0x7f800000, 0, 0, FUNCTION_CEILING);
        _function("COS", FunctionCode.COS, 0x7f800000, 0, 0, FUNCTION_CEILING);
        _function("TAN", FunctionCode.TAN, 0x7f800000, 0, 0, FUNCTION_CEILING);
        _function("ATAN", FunctionCode.ATAN, 0x27800000, 0, 0, FUNCTION_CEILING);
        _function("ASIN", FunctionCode.ASIN, 0x53800000, 0, 0, FUNCTION_CEILING);
        _function("ACOS", FunctionCode.ACOS, 0xd5000000, 0, 0, FUNCTION_CEILING);
    }

    function test_gasOfRoundings() public {
        _function("FLOOR", FunctionCode.FLOOR, 0x3fc00000, 0, 0, STEP_CEILING);
        _function("CEIL", FunctionCode.CEIL, 0xbfc00000, 0, 0, STEP_CEILING);
        _function("ROUND", FunctionCode.ROUND, 0x00000001, 0, 0, STEP_CEILING);
        _function("TRUNC", FunctionCode.TRUNC, 0x3fc00000, 0, 0, STEP_CEILING);
        _function("FMOD", FunctionCode.FMOD, 0x7f7fffff, 0x007fffff, 0, STEP_CEILING);
    }

    function test_gasOfSingleOperations() public {
        _function("NEG", FunctionCode.NEG, 0x80000000, 0, 0, STEP_CEILING);
        _function("ABS", FunctionCode.ABS, 0x80000000, 0, 0, STEP_CEILING);
        _function("SIGN", FunctionCode.SIGN, 0x80000000, 0, 0, STEP_CEILING);
        _function("IS_NAN", FunctionCode.IS_NAN, 0x7f800001, 0, 0, STEP_CEILING);
        _function("IS_INF", FunctionCode.IS_INF, 0x00000001, 0, 0, STEP_CEILING);
        _function("SQRT", FunctionCode.SQRT, 0x00800001, 0, 0, STEP_CEILING);
        _function("RECIPROCAL", FunctionCode.RECIPROCAL, 0x7f7ffffe, 0, 0, STEP_CEILING);
        _function("ADD", FunctionCode.ADD, 0x00ffffff, 0x81000000, 0, STEP_CEILING);
        _function("SUB", FunctionCode.SUB, 0x00800000, 0x00800001, 0, STEP_CEILING);
        _function("MUL", FunctionCode.MUL, 0x00000001, 0x00000001, 0, STEP_CEILING);
        _function("DIV", FunctionCode.DIV, 0x00000001, 0x7f7ffffe, 0, STEP_CEILING);
        _function("FMA", FunctionCode.FMA, 0x3f000000, 0x80ffffff, 0x00800000, STEP_CEILING);
    }

    function test_gasOfChoices() public {
        _function("MIN", FunctionCode.MIN, 0x80000000, 0x80000001, 0, STEP_CEILING);
        _function("MAX", FunctionCode.MAX, 0x80000001, 0x80000000, 0, STEP_CEILING);
        _function("EQUAL", FunctionCode.EQUAL, 0x7f800001, 0x00000000, 0, STEP_CEILING);
        _function("LESS", FunctionCode.LESS, 0x80000000, 0x00000000, 0, STEP_CEILING);
        _function("LESS_EQUAL", FunctionCode.LESS_EQUAL, 0x80000000, 0x00000000, 0, STEP_CEILING);
    }

    function test_gasOfOtherSteps() public {
        numerics.evaluate(FunctionCode.MOD, DTypeCode.I64, type(uint64).max, 7, 0);
        _snap("MOD of I64");
        numerics.cast(DTypeCode.F32, DTypeCode.I64, 0x4f7fffff);
        _snap("cast F32 to I64");
        numerics.cast(DTypeCode.F32, DTypeCode.F16, 0x3eaaaaab);
        _snap("cast F32 to F16");
        numerics.random(1, 2, 3);
        _snap("random");
    }

    /// The most of some operands and of the given ones: the worst that were found among 100,000.
    function _function(string memory name, uint256 code, uint256 x, uint256 y, uint256 z, uint256 ceiling) private {
        uint256 most = _gas(code, x, y, z);
        for (uint256 i = 0; i < 16; ++i) {
            (x, y, z) = _operands(i);
            uint256 gas = _gas(code, x, y, z);
            if (gas > most) most = gas;
        }
        vm.snapshotValue("gas", string.concat("numerics: ", name), most);
        assertAtMost(most, ceiling, name);
    }

    /// As one call of the contract.
    function _gas(uint256 code, uint256 x, uint256 y, uint256 z) private view returns (uint256) {
        numerics.evaluate(code, DTypeCode.F32, x, y, z);
        return vm.lastCallGas().gasTotalUsed;
    }

    function _snap(string memory name) private {
        vm.snapshotValue("gas", string.concat("numerics: ", name), vm.lastCallGas().gasTotalUsed);
    }

    function _keep(string memory name, uint256 gas, uint256 ceiling) private {
        vm.snapshotValue("gas", string.concat("float32: ", name), gas);
        assertAtMost(gas, ceiling, name);
    }

    function _measure(function(uint256, uint256, uint256) view returns (uint256) operation)
        private
        view
        returns (uint256 most)
    {
        for (uint256 i = 0; i < SAMPLES; ++i) {
            (uint256 x, uint256 y, uint256 z) = _operands(i);
            uint256 gas = operation(x, y, z) - READING;
            if (gas > most) most = gas;
        }
    }

    /// Of four samples, three are numbers near 1 and one has any bits at all, so that specials and subnormals occur.
    function _operands(uint256 sample) private pure returns (uint256 x, uint256 y, uint256 z) {
        uint256 seed = uint256(keccak256(abi.encode(sample)));
        (x, y, z) = (seed & 0xffffffff, (seed >> 32) & 0xffffffff, (seed >> 64) & 0xffffffff);
        if (sample % 4 != 3) (x, y, z) = (_nearOne(x), _nearOne(y), _nearOne(z));
    }

    function _nearOne(uint256 word) private pure returns (uint256) {
        return (word & 0x807fffff) | ((124 + ((word >> 23) & 7)) << 23);
    }

    function _fma(uint256 x, uint256 y, uint256 z) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.fma(x, y, z));
    }

    function _add(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.add(x, y));
    }

    function _sub(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.sub(x, y));
    }

    function _mul(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.mul(x, y));
    }

    function _div(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.div(x, y));
    }

    function _sqrt(uint256 x, uint256, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.sqrt(x));
    }

    function _min(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.min(x, y));
    }

    function _max(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.max(x, y));
    }

    function _less(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.less(x, y) ? 1 : 0);
    }

    function _equal(uint256 x, uint256 y, uint256) private view returns (uint256) {
        uint256 before = gasleft();
        return _since(before, Float32.equal(x, y) ? 1 : 0);
    }

    /// Gas used between `before` and the moment when `result` was known. The result is looked at, so that the compiler
    /// cannot leave its computation out.
    function _since(uint256 before, uint256 result) private view returns (uint256) {
        uint256 gas = before - gasleft();
        return result > type(uint32).max ? 0 : gas;
    }
}

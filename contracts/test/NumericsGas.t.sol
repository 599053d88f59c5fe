// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Numerics} from "../src/Numerics.sol";
import {Float32} from "../src/libraries/Float32.sol";
import {DTypeCode, FunctionCode} from "../src/libraries/Functions.gen.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

/// @notice Gas of arithmetic: the most that any of some ordinary and some extreme operands took. Run by gas.py.
contract NumericsGasTest is Test {
    uint256 private constant FMA_CEILING = 1_350;
    uint256 private constant FLOAT_CEILING = 1_500; // any other base operation
    uint256 private constant FUNCTION_CEILING = 200_000; // any function, as one call of the contract
    uint256 private constant SAMPLES = 256;

    /// Of two readings with nothing in between.
    uint256 private constant READING = 2;

    Numerics private immutable numerics = new Numerics();

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

    function test_gasOfFunctionsOfOneFloat() public {
        _function("SIGMOID", FunctionCode.SIGMOID);
        _function("SQRT", FunctionCode.SQRT);
        _function("EXP", FunctionCode.EXP);
        _function("LOG", FunctionCode.LOG);
        _function("TANH", FunctionCode.TANH);
        _function("ERF", FunctionCode.ERF);
        _function("SIN", FunctionCode.SIN);
        _function("TAN", FunctionCode.TAN);
        _function("ASINH", FunctionCode.ASINH);
    }

    function test_gasOfFunctionsOfMoreFloats() public {
        _function("ADD", FunctionCode.ADD);
        _function("POW", FunctionCode.POW);
        _function("FMOD", FunctionCode.FMOD);
        _function("FMA", FunctionCode.FMA);
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

    function _function(string memory name, uint256 code) private {
        uint256 most;
        for (uint256 i = 0; i < 16; ++i) {
            (uint256 x, uint256 y, uint256 z) = _operands(i);
            numerics.evaluate(code, DTypeCode.F32, x, y, z);
            uint256 gas = vm.lastCallGas().gasTotalUsed;
            if (gas > most) most = gas;
        }
        vm.snapshotValue("gas", string.concat("numerics: ", name), most);
        assertAtMost(most, FUNCTION_CEILING, name);
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

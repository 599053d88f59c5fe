// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Numerics} from "../src/Numerics.sol";
import {INumerics} from "../src/interfaces/INumerics.sol";
import {DTypeCode, FunctionCode} from "../src/libraries/Functions.gen.sol";
import {newNumerics} from "./support/NewNumerics.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

contract NumericsTest is Test {
    Numerics private immutable numerics = newNumerics();

    function test_evaluates() public view {
        assertEq(_f32(FunctionCode.EXP, 0), 0x3f800000, "exp(0) = 1");
        assertEq(_f32(FunctionCode.SQRT, 0x40800000), 0x40000000, "sqrt(4) = 2");
        assertEq(_f32(FunctionCode.IS_NAN, 0xffc00001), 1, "isNaN");
        uint256 power = numerics.evaluate(FunctionCode.POW, DTypeCode.F32, 0x40000000, 0xc0400000, 0);
        assertEq(power, 0x3e000000, "2^-3 = 1/8");
        uint256 sum = numerics.evaluate(FunctionCode.FMA, DTypeCode.F32, 0x40000000, 0x40400000, 0x3f800000);
        assertEq(sum, 0x40e00000, "2 * 3 + 1 = 7");
        assertEq(numerics.evaluate(FunctionCode.DIV, DTypeCode.I8, 0x80, 0xff, 0), 0x80, "-128 / -1 wraps");
    }

    function test_selectsWordsOfAnyType() public view {
        for (uint256 dtype = DTypeCode.F32; dtype <= DTypeCode.I64; ++dtype) {
            assertEq(numerics.evaluate(FunctionCode.SELECT, dtype, 1, 7, 9), 7, "then");
            assertEq(numerics.evaluate(FunctionCode.SELECT, dtype, 0, 7, 9), 9, "otherwise");
        }
    }

    function test_casts() public view {
        assertEq(numerics.cast(DTypeCode.I8, DTypeCode.F32, 0xff), 0xbf800000, "-1");
        assertEq(numerics.cast(DTypeCode.F32, DTypeCode.U8, 0x43960000), 255, "300 saturates");
        assertEq(numerics.canonical(DTypeCode.F16, 0xfc01), 0x7e00, "canonical");
    }

    /// Known answers of the authors of the generator, by its blocks of zeros and ones.
    function test_random() public view {
        uint32[4] memory zeros = [uint32(0x6627e8d5), 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(numerics.random(0, 0, i), zeros[i], "block of zeros");
        }
    }

    function test_refusesFunctionsThatAreNotDefined() public {
        _expectUndefined(FunctionCode.MOD, DTypeCode.F32);
        _expectUndefined(FunctionCode.EXP, DTypeCode.I32);
        _expectUndefined(FunctionCode.POW, DTypeCode.U8);
        _expectUndefined(FunctionCode.ADD, DTypeCode.BOOL);
        _expectUndefined(FunctionCode.NEG, DTypeCode.BOOL);
        _expectUndefined(FunctionCode.FMA, DTypeCode.I64);
        _expectUndefined(0, DTypeCode.F32);
        _expectUndefined(0xff, DTypeCode.F32);
        _expectUndefined(0, DTypeCode.U64);
        _expectUndefined(0x4e, DTypeCode.U64);
        _expectUndefined(0xff, DTypeCode.U64);
    }

    function test_refusesDTypesThatDoNotExist() public {
        uint256[6] memory none = [uint256(0), 4, 7, 17, 255, type(uint256).max];
        for (uint256 i = 0; i < none.length; ++i) {
            _expectNoDType(none[i]);
            numerics.evaluate(FunctionCode.ADD, none[i], 1, 1, 0);
            _expectNoDType(none[i]);
            numerics.cast(none[i], DTypeCode.F32, 1);
            _expectNoDType(none[i]);
            numerics.cast(DTypeCode.F32, none[i], 1);
        }
    }

    function test_refusesArithmeticOnStorageTypes() public {
        _expectNoDType(DTypeCode.F16);
        numerics.evaluate(FunctionCode.ADD, DTypeCode.F16, 1, 1, 0);
        _expectNoDType(DTypeCode.BF16);
        numerics.evaluate(FunctionCode.EQUAL, DTypeCode.BF16, 1, 1, 0);
    }

    function _f32(uint256 code, uint256 x) private view returns (uint256) {
        return numerics.evaluate(code, DTypeCode.F32, x, 0, 0);
    }

    function _expectUndefined(uint256 code, uint256 dtype) private {
        vm.expectRevert(abi.encodeWithSelector(INumerics.UndefinedFunction.selector, code, dtype));
        numerics.evaluate(code, dtype, 1, 1, 1);
    }

    function _expectNoDType(uint256 dtype) private {
        vm.expectRevert(abi.encodeWithSelector(INumerics.UndefinedDType.selector, dtype));
    }
}

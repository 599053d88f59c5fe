// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "../../src/libraries/Float32.sol";
import {StepCode} from "../../src/libraries/Functions.gen.sol";
import {Functions} from "../../src/libraries/Functions.sol";
import {Test} from "../support/Test.sol";

/// @notice The interpreter: each base operation as a program of one step, and what surrounds the steps.
contract FunctionsTest is Test {
    function testFuzz_arithmetic(uint32 a, uint32 b, uint32 c) public pure {
        assertEq(_step(StepCode.FMA, a, b, c), Float32.fma(a, b, c), "fma");
        assertEq(_step(StepCode.ADD, a, b, c), Float32.add(a, b), "add");
        assertEq(_step(StepCode.SUB, a, b, c), Float32.sub(a, b), "sub");
        assertEq(_step(StepCode.MUL, a, b, c), Float32.mul(a, b), "mul");
        assertEq(_step(StepCode.DIV, a, b, c), Float32.div(a, b), "div");
        assertEq(_step(StepCode.MIN, a, b, c), Float32.min(a, b), "min");
        assertEq(_step(StepCode.MAX, a, b, c), Float32.max(a, b), "max");
        assertEq(_step(StepCode.SQRT, a, b, c), Float32.sqrt(a), "sqrt");
        assertEq(_step(StepCode.CANONICAL, a, b, c), Float32.canonical(a), "canonical");
    }

    function testFuzz_choices(uint32 a, uint32 b, uint32 c) public pure {
        assertEq(_step(StepCode.LESS, a, b, c), Float32.less(a, b) ? 1 : 0, "less");
        assertEq(_step(StepCode.LESS_EQUAL, a, b, c), Float32.lessEqual(a, b) ? 1 : 0, "less_equal");
        assertEq(_step(StepCode.EQUAL, a, b, c), Float32.equal(a, b) ? 1 : 0, "equal");
        assertEq(_step(StepCode.EQUAL, a, a, c), Float32.isNaN(a) ? 0 : 1, "equal to itself");
        assertEq(_step(StepCode.SELECT, a & 1, b, c), a & 1 == 1 ? b : c, "select");
    }

    function testFuzz_words(uint32 a, uint32 b) public pure {
        unchecked {
            assertEq(_step(StepCode.AND, a, b, 0), uint256(a & b), "and");
            assertEq(_step(StepCode.OR, a, b, 0), uint256(a | b), "or");
            assertEq(_step(StepCode.XOR, a, b, 0), uint256(a ^ b), "xor");
            assertEq(_step(StepCode.IADD, a, b, 0), uint256(uint32(a + b)), "iadd");
            assertEq(_step(StepCode.ISUB, a, b, 0), uint256(uint32(a - b)), "isub");
            assertEq(_step(StepCode.IMUL, a, b, 0), uint256(uint32(a * b)), "imul");
            uint32 count = b % 32;
            assertEq(_step(StepCode.SHL, a, count, 0), uint256(uint32(a << count)), "shl");
            assertEq(_step(StepCode.SHR, a, count, 0), uint256(a >> count), "shr");
            assertEq(_step(StepCode.SAR, a, count, 0), uint256(uint32(int32(a) >> count)), "sar");
        }
    }

    function testFuzz_constantsAndValuesAreNumberedInOrder(uint32 x, uint32 k, uint32 l) public pure {
        // values: x, -, -, k, l, x ^ k, (x ^ k) - l
        bytes memory program =
            abi.encodePacked(uint8(2), k, l, _code(StepCode.XOR, 0, 3, 0), _code(StepCode.ISUB, 5, 4, 0));
        unchecked {
            assertEq(Functions.run(program, x, 0, 0), uint256(uint32((x ^ k) - l)), "value");
        }
    }

    /// Memory that was allocated before and after keeps what it has.
    function testFuzz_leavesMemoryAlone(bytes memory first, uint32 x) public pure {
        bytes32 before = keccak256(first);
        uint256 value = _step(StepCode.XOR, x, 0xffffffff, 0);
        bytes memory second = abi.encode(x, value);
        uint256 again = _step(StepCode.XOR, value, 0xffffffff, 0);
        assertEq(keccak256(first), before, "first");
        assertEq(keccak256(second), keccak256(abi.encode(x, value)), "second");
        assertEq(again, x, "value");
    }

    function _step(uint256 operation, uint256 x, uint256 y, uint256 z) private pure returns (uint256) {
        return Functions.run(abi.encodePacked(uint8(0), _code(operation, 0, 1, 2)), x, y, z);
    }

    function _code(uint256 operation, uint8 a, uint8 b, uint8 c) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(operation), a, b, c);
    }
}

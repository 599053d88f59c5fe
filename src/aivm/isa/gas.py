"""The price of a program: a static function of its shapes, known before a run and beyond dispute.

The unit is one multiply-add. An instruction costs a fixed part, its scalar steps, and the bytes it
reads and writes at 16 bytes a unit. An operand is counted once however often it is read, so that
engines are free to keep it in a cache or to fetch it again. Prices are part of the protocol: they
do not follow a machine's speed.
"""

from __future__ import annotations

from collections.abc import Sequence

from aivm.isa.instructions import (
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType

BYTES_PER_UNIT = 16
PER_INSTRUCTION = 64  # finding the instruction and its operands
ADDRESS_STEPS = 1  # finding what goes into an element that is not computed
CAST_STEPS = 2
RANDOM_STEPS = 20  # ten rounds for four words
BYTE_PRODUCTS_PER_UNIT = 4  # multiply-adds of I8 and U8

# Scalar steps of one element, for every function of F32 that takes more than one: the base
# operations of its program in numerics 1, where constants are free and the slow operations
# (division, square root) count as 8. Fixed here, whatever engines make of it.
FLOAT_STEPS: dict[Function, int] = {
    Function.DIV: 8,
    Function.RECIPROCAL: 8,
    Function.SQRT: 8,
    Function.IS_NAN: 3,
    Function.IS_INF: 2,
    Function.SIGN: 4,
    Function.ROUND: 7,
    Function.FLOOR: 10,
    Function.CEIL: 12,
    Function.TRUNC: 13,
    Function.EXP: 23,
    Function.ATAN: 29,
    Function.LOG: 31,
    Function.EXPM1: 31,
    Function.SIGMOID: 35,
    Function.COSH: 36,
    Function.SOFTPLUS: 43,
    Function.ERF: 46,
    Function.ASIN: 46,
    Function.ACOS: 46,
    Function.LOG1P: 46,
    Function.SINH: 46,
    Function.TANH: 47,
    Function.ATANH: 57,
    Function.ACOSH: 58,
    Function.ASINH: 67,
    Function.POW: 164,
    Function.COS: 174,
    Function.SIN: 175,
    Function.TAN: 184,
    Function.FMOD: 268,
}
# Of integers and BOOL; every other function takes one.
INTEGER_STEPS: dict[Function, int] = {
    Function.DIV: 8,
    Function.MOD: 8,
    Function.FMOD: 8,
}


def gas_units(program: Program) -> int:
    """The price of one run of a valid program, in gas units."""
    types = program.value_types
    return sum(
        instruction_gas(instruction, [types[operand] for operand in instruction.operands])
        for instruction in program.instructions
    )


def instruction_gas(instruction: Instruction, operands: Sequence[TensorType]) -> int:
    """The price of one valid instruction with operands of these types, in gas units."""
    moved = -(-_moved_bytes(instruction, operands) // BYTES_PER_UNIT)
    return PER_INSTRUCTION + _scalar_steps(instruction, operands) + moved


def _scalar_steps(instruction: Instruction, operands: Sequence[TensorType]) -> int:
    elements = instruction.type.elements
    match instruction:
        case Map():
            steps = FLOAT_STEPS if operands[-1].dtype is DType.F32 else INTEGER_STEPS
            return elements * steps.get(instruction.function, 1)
        case MatMul():
            products = elements * operands[0].shape[-2 if instruction.transpose_a else -1]
            is_float = instruction.type.dtype is DType.F32
            return products if is_float else -(-products // BYTE_PRODUCTS_PER_UNIT)
        case Reduce():
            return operands[0].elements
        case Cast():
            return elements * CAST_STEPS
        case Scatter():
            return elements * ADDRESS_STEPS + operands[2].elements
        case Rank():
            return elements * instruction.length.bit_length()  # a sort
        case Random():
            return elements * RANDOM_STEPS
        case Move() | Gather() | Concat() | Iota() | Fill():
            return elements * ADDRESS_STEPS


def _moved_bytes(instruction: Instruction, operands: Sequence[TensorType]) -> int:
    result = instruction.type.size_bytes
    match instruction:
        case Gather():
            return 2 * result + operands[1].size_bytes
        # Only what arrives is read: a slice of a large tensor is as cheap as its result is small.
        case Move() | Concat():
            return 2 * result
        case _:
            return result + sum(operand.size_bytes for operand in operands)

"""Tensor programs: their instructions, their bytes, what is valid, what it costs, what it means.

A program is a value (`Program`); `validate` says whether it is well-formed, `encode` and `decode`
take it to its 256-byte records and back, `gas_units` is its price. The meaning of an instruction is
its element recipe (`aivm.isa.recipes`): which scalar operations make one element of the result.
This room knows nothing of ONNX, of engines, or of arrays.
"""

from aivm.isa.gas import gas_units, instruction_gas
from aivm.isa.instructions import (
    MAX_OPERANDS,
    MAX_RANK,
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
from aivm.isa.opcodes import Function, Opcode, Reduction, Scattering
from aivm.isa.program import NUMERICS_VERSION, Constant, Program
from aivm.isa.records import RECORD_BYTES, decode, encode
from aivm.isa.validate import validate

__all__ = [
    "MAX_OPERANDS",
    "MAX_RANK",
    "NUMERICS_VERSION",
    "RECORD_BYTES",
    "Cast",
    "Concat",
    "Constant",
    "Fill",
    "Function",
    "Gather",
    "Instruction",
    "Iota",
    "Map",
    "MatMul",
    "Move",
    "Opcode",
    "Program",
    "Random",
    "Rank",
    "Reduce",
    "Reduction",
    "Scatter",
    "Scattering",
    "TensorType",
    "decode",
    "encode",
    "gas_units",
    "instruction_gas",
    "validate",
]

"""Digests of whole sweeps: every function and conversion over 65,536 words of its operands.

A sweep is computed by the reference engine, in numpy, because the specification itself is too slow
for millions of elements; the two are held equal by the tests, and by the cases beside this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.engines import open_engine
from aivm.isa.instructions import Cast, Instruction, Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.isa.records import encode_instruction
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics.dtypes import DType
from generator.cases import casts

COUNT = 1 << 16
# Odd, so that word i = i * factor mod 2**32 is another one for every i; one for each operand.
FACTORS = (65537, 2654435761, 40503 * 65539)


def sweeps() -> Iterator[str]:
    """One line each: the record, and the SHA-256 of the result's bytes."""
    for function in Function:
        signature = FUNCTIONS[function]
        if DType.F32 in signature.accepted and not signature.first_is_condition:
            type_ = TensorType(signature.result or DType.F32, (COUNT,))
            instruction = Map(function, tuple(range(signature.arity)), type_)
            yield _sweep(function.name, instruction, [DType.F32] * signature.arity)
    for source, target in casts():
        if source.is_float:
            cast = Cast((0,), TensorType(target, (COUNT,)))
            yield _sweep(f"{source.name} to {target.name}", cast, [source])


def operand(dtype: DType, place: int) -> Array:
    """Words of 32 bits i * FACTORS[place] mod 2**32; of 16 bits all, in order."""
    numbers = np.arange(COUNT, dtype=np.uint64)
    if dtype is DType.F32:
        numbers = numbers * np.uint64(FACTORS[place]) & np.uint64(0xFFFF_FFFF)
        return numbers.astype(np.uint32).view(np.float32)
    return numbers.astype(numpy_dtype(dtype))


def _sweep(name: str, instruction: Instruction, dtypes: list[DType]) -> str:
    inputs = tuple(TensorType(dtype, (COUNT,)) for dtype in dtypes)
    program = Program(inputs, (), (instruction,), (len(inputs),))
    operands = [operand(dtype, place) for place, dtype in enumerate(dtypes)]
    (result,) = open_engine("reference").load(program, ()).run(operands)
    return json.dumps(
        {
            "case": name,
            "record": encode_instruction(instruction).rstrip(b"\0").hex(),
            "operands": [dtype.name for dtype in dtypes],
            "sha256": hashlib.sha256(result.tobytes()).hexdigest(),
        },
        separators=(",", ":"),
    )

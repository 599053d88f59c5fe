from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from aivm.commitments import Array, tensor_root
from aivm.isa.instructions import Instruction, TensorType
from aivm.isa.program import Constant, Program
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType


class ProgramBuilder:
    """A program made instruction by instruction; inputs and constants first."""

    def __init__(self) -> None:
        self.inputs: list[TensorType] = []
        self.constants: list[Array] = []
        self.instructions: list[Instruction] = []

    def input(self, *shape: int, dtype: DType = DType.F32) -> int:
        assert not self.constants
        self.inputs.append(TensorType(dtype, shape))
        return len(self.inputs) - 1

    def constant(self, array: Array) -> int:
        assert not self.instructions
        self.constants.append(array)
        return len(self.inputs) + len(self.constants) - 1

    def add(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.inputs) + len(self.constants) + len(self.instructions) - 1

    def program(self, *outputs: int) -> Program:
        dtypes = {np.dtype(np.float32): DType.F32, np.dtype(np.int64): DType.I64}
        types = [TensorType(dtypes[array.dtype], array.shape) for array in self.constants]
        constants = [
            Constant(type_, tensor_root(array, type_.dtype))
            for type_, array in zip(types, self.constants, strict=True)
        ]
        program = Program(tuple(self.inputs), tuple(constants), tuple(self.instructions), outputs)
        validate(program)
        return program


@pytest.fixture
def build() -> ProgramBuilder:
    return ProgramBuilder()


@pytest.fixture
def random_f32() -> Callable[..., Sequence[Array]]:
    """Arrays of ordinary numbers, the same in every run."""

    def make(*shapes: tuple[int, ...]) -> list[Array]:
        rng = np.random.default_rng(3)
        return [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    return make

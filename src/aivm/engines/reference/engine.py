"""Runs a program instruction by instruction, as its recipes say; slow, simple, and never fused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

import numpy as np

from aivm import host
from aivm.commitments import Array, numpy_dtype
from aivm.engines.base import Kept, advance_by_arrays, checked_constants, checked_inputs
from aivm.engines.reference.operands import WORD_DTYPES, ArrayOperands
from aivm.errors import DeadlineExceeded, InvalidIndex, TooLarge
from aivm.isa.chains import wrapped_position
from aivm.isa.instructions import Gather, Instruction, Scatter
from aivm.isa.program import Program
from aivm.isa.recipes import element
from aivm.isa.validate import validate

# Elements computed at a time: many enough to hide Python, few enough to stay in the cache.
CHUNK_ELEMENTS = 1 << 14


def create(
    *, threads: int, memory_limit_bytes: int | None, deadline_seconds: float | None
) -> ReferenceEngine:
    """The reference engine; `threads` is a most, and it uses one."""
    del threads
    return ReferenceEngine(memory_limit_bytes, deadline_seconds)


class ReferenceEngine:
    """An `Engine`. Its memory limit counts tensors, not the scratch space of one chunk."""

    name = "reference"

    def __init__(self, memory_limit_bytes: int | None, deadline_seconds: float | None) -> None:
        self._memory_limit_bytes = memory_limit_bytes
        self._deadline_seconds = inf if deadline_seconds is None else deadline_seconds

    def load(self, program: Program, constants: Sequence[Array]) -> ReferenceExecutable:
        validate(program)
        needed, limit = _peak_bytes(program), self._memory_limit_bytes
        if limit is not None and needed > limit:
            raise TooLarge(f"the program needs {needed} bytes of tensors, the limit is {limit}")
        arrays = checked_constants(program, constants)
        return ReferenceExecutable(program, arrays, self._deadline_seconds)


class ReferenceExecutable:
    """An `Executable` that keeps every value until its last reader has run."""

    def __init__(
        self, program: Program, constants: Sequence[Array], deadline_seconds: float
    ) -> None:
        self.program = program
        self._constants: Sequence[Array] | None = constants
        self._deadline_seconds = deadline_seconds
        self._types = program.value_types
        self._last_use = _last_uses(program)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        first, wanted = self.program.first_instruction, set(self.program.outputs)
        results = {
            value: array
            for value, array in enumerate(self.trace(inputs), start=first)
            if value in wanted
        }
        return [results[value].copy() for value in self.program.outputs]

    def advance(self, inputs: Sequence[Array | Kept]) -> list[Kept]:
        return advance_by_arrays(self.run, inputs)

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        """As `Executable.trace`; the arrays are read-only, later instructions read them too."""
        if self._constants is None:
            raise ValueError("this executable is closed")
        values = dict(enumerate([*checked_inputs(self.program, inputs), *self._constants]))
        return self._trace(values, host.monotonic() + self._deadline_seconds)

    def _trace(self, values: dict[int, Array], deadline: float) -> Iterator[Array]:
        for position, instruction in enumerate(self.program.instructions):
            value = self.program.first_instruction + position
            arrays = [values[operand] for operand in instruction.operands]
            if isinstance(instruction, Gather | Scatter):
                _check_indices(position, instruction, arrays)
            result = self._compute(instruction, arrays, deadline)
            result.flags.writeable = False
            values[value] = result
            for done in {*instruction.operands, value}:
                if self._last_use[done] <= value:
                    del values[done]
            yield result

    def _compute(self, instruction: Instruction, arrays: Sequence[Array], deadline: float) -> Array:
        def check_deadline() -> None:
            if host.monotonic() > deadline:
                raise DeadlineExceeded(f"the run took more than {self._deadline_seconds} seconds")

        types = [self._types[operand] for operand in instruction.operands]
        operands = ArrayOperands(types, arrays, check_deadline)
        type_ = instruction.type
        words = np.empty(type_.elements, WORD_DTYPES[type_.dtype])
        for start in range(0, type_.elements, CHUNK_ELEMENTS):
            check_deadline()
            index = np.arange(start, min(start + CHUNK_ELEMENTS, type_.elements), dtype=np.int64)
            words[start : start + len(index)] = element(operands, instruction, index)
        return words.view(numpy_dtype(type_.dtype)).reshape(type_.shape)

    def close(self) -> None:
        self._constants = None


def _last_uses(program: Program) -> list[int]:
    """For every value, the value whose instruction reads it last (itself, if none does)."""
    last = list(range(len(program.value_types)))
    for value, instruction in enumerate(program.instructions, start=program.first_instruction):
        for operand in instruction.operands:
            last[operand] = value
    return last


def _peak_bytes(program: Program) -> int:
    """The most bytes of tensors alive at once: constants, inputs, and results until last read."""
    sizes = [type_.size_bytes for type_ in program.value_types]
    first, last, kept = program.first_instruction, _last_uses(program), set(program.outputs)
    alive = peak = sum(sizes[:first])
    for value, instruction in enumerate(program.instructions, start=first):
        alive += sizes[value]
        peak = max(peak, alive)
        done = {operand for operand in instruction.operands if last[operand] == value}
        alive -= sum(sizes[operand] for operand in done if operand >= first and operand not in kept)
    return peak


def _check_indices(position: int, instruction: Gather | Scatter, operands: Sequence[Array]) -> None:
    """Raises InvalidIndex if an element would be read or written outside the axis."""
    is_scatter = isinstance(instruction, Scatter)
    if (operands[2].size if is_scatter else instruction.type.elements) == 0:
        return
    indices = operands[1].astype(np.int64)
    _, inside = wrapped_position(instruction.size, indices)
    if not inside.all():
        raise InvalidIndex(
            f"instruction {position} ({type(instruction).__name__.upper()}): index "
            f"{indices[~inside].flat[0]} is outside an axis of {instruction.size} elements"
        )

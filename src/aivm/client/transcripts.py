"""Recording, replaying and comparing executions, value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from aivm.client.local import LocalModel
from aivm.commitments import Array, tensor_root
from aivm.errors import MalformedReceipt
from aivm.isa.program import Program
from aivm.receipts import Transcript

Watch = Callable[[int, Array], object]
"""Sees every input and result as it comes: value id, and an array to be read only."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first value at which two executions differ.

    `place` says what it is: "instruction 17 (MATMUL)". Where both tensors are known, `element` is
    the first that differs (row-major), and the bits of both as hexadecimal.
    """

    value: int
    place: str
    element: int | None = None
    expected: str | None = None
    found: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For documents; what is not known is left out."""
        named = (
            ("value", self.value),
            ("place", self.place),
            ("element", self.element),
            ("expected", self.expected),
            ("found", self.found),
        )
        return {name: given for name, given in named if given is not None}


def record(
    model: LocalModel, inputs: Mapping[str, Array], watch: Watch | None = None
) -> Transcript:
    """One run, and the root of its every value; raises as `LocalModel.run` does."""
    roots: list[bytes] = []
    with model.tracing(inputs) as (prepared, values):
        program = prepared.program
        types = program.value_types
        for value, array in values:
            roots.append(tensor_root(array, types[value].dtype))
            if watch is not None:
                watch(value, array)
    count = len(program.inputs)
    return Transcript(
        model=model.model_id,
        program=prepared.root,
        numerics=program.numerics,
        inputs=tuple(roots[:count]),
        constants=tuple(constant.root for constant in program.constants),
        results=tuple(roots[count:]),
        outputs=program.outputs,
    )


def replay(
    model: LocalModel,
    inputs: Mapping[str, Array],
    transcript: Transcript,
    tensors: Mapping[str, Array] | None = None,
) -> Divergence | None:
    """Runs again and stops at the first value that is not what the transcript says.

    `tensors` holds the recorded values by their ids as text, as far as they are known: with them
    the element is named too. Raises MalformedReceipt for a transcript of another program, and what
    `LocalModel.run` raises.
    """
    with model.tracing(inputs) as (prepared, values):
        program = prepared.program
        _check_program(transcript, program, prepared.root)
        types, wanted = program.value_types, transcript.values
        for value, constant in enumerate(program.constants, start=program.first_constant):
            if constant.root != wanted[value]:
                return Divergence(value, place_of(program, value))
        for value, array in values:
            if tensor_root(array, types[value].dtype) != wanted[value]:
                recorded = None if tensors is None else tensors.get(str(value))
                return diverged(value, place_of(program, value), array, recorded)
    return None


def _check_program(transcript: Transcript, program: Program, root: bytes) -> None:
    if transcript.program != root:
        raise MalformedReceipt(
            f"the transcript is of program {transcript.program.hex()[:16]}, "
            f"these inputs run {root.hex()[:16]}",
            hint="Give the model and the inputs that were recorded.",
        )
    lists = (transcript.inputs, transcript.constants, transcript.results)
    parts = (program.inputs, program.constants, program.instructions)
    if [*map(len, lists)] != [*map(len, parts)] or transcript.outputs != program.outputs:
        raise MalformedReceipt("the transcript does not have the values of its own program")


def place_of(program: Program, value: int) -> str:
    """What a value is: "input 0", "constant 3", "instruction 17 (MATMUL)"."""
    if value < program.first_constant:
        return f"input {value}"
    if value < program.first_instruction:
        return f"constant {value - program.first_constant}"
    position = value - program.first_instruction
    family = type(program.instructions[position]).__name__.upper()
    return f"instruction {position} ({family})"


def diverged(value: int, place: str, expected: Array, found: Array | None) -> Divergence:
    """Two tensors of one value; without the second, or with another type, no element is named."""
    if found is None or (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return Divergence(value, place)
    size = expected.dtype.itemsize
    bits = [np.ascontiguousarray(each).reshape(-1).view(f"V{size}") for each in (expected, found)]
    wrong = np.flatnonzero(bits[0] != bits[1])
    if not wrong.size:
        return Divergence(value, place)
    element = int(wrong[0])
    words = [each[element].tobytes()[::-1].hex() for each in bits]
    return Divergence(value, place, element, *(f"0x{word}" for word in words))

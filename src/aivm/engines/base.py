"""What every engine offers, how one is found by name, and the checks at its door.

To add an engine, add one module or package `aivm.engines.<name>` with

    def create(
        *, threads: int, memory_limit_bytes: int | None, deadline_seconds: float | None
    ) -> Engine: ...

and let its `load` and `run` call `checked_constants` and `checked_inputs` before anything else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from math import isnan
from typing import Protocol, cast

import numpy as np

from aivm import engines
from aivm.commitments import Array, carried
from aivm.errors import UnknownEngine, WrongTensor
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF

# What lives in this room beside the engines.
_NOT_ENGINES = frozenset({"base", "batches", "plan"})


class Executable(Protocol):
    """One loaded program. Not thread-safe: one run, or one unfinished trace, at a time."""

    @property
    def program(self) -> Program: ...

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Fresh arrays, one for each of `program.outputs`, in that order.

        Raises WrongTensor (input of another dtype or shape), InvalidIndex (a gather left its axis),
        DeadlineExceeded and TooLarge (the limits given to `open_engine`).
        """
        ...

    def advance(self, inputs: Sequence[Array | Kept]) -> list[Kept]:
        """As `run`, for loops in which outputs become inputs: the outputs stay where they are.

        One that is an input of the next run may not have to move at all, and is not checked again.
        """
        ...

    def trace(self, inputs: Sequence[Array]) -> Iterator[Array]:
        """The result of every instruction, in order and unfused; raises as `run` does."""
        ...

    def close(self) -> None:
        """Gives the memory back; nothing works afterwards. Closing twice is harmless."""
        ...


class Kept:
    """An output that stays in the memory where it was made, until somebody wants it elsewhere.

    It behaves as an array that nobody can write to, but for one thing: a run of the executable that
    made it may use it up.
    """

    __slots__ = ("__weakref__", "_array", "_window")

    def __init__(self, window: Array) -> None:
        self._window: Array | None = window
        self._array: Array | None = None

    @classmethod
    def of(cls, array: Array) -> Kept:
        """An output that is nowhere but in an array of its own."""
        kept = cls(array)
        kept._array, kept._window = array, None
        return kept

    def array(self) -> Array:
        """The output, in memory of its own. Raises ValueError where a run has used it up."""
        if self._array is None:
            if self._window is None:
                raise ValueError("this output has been used up by the run it was given to")
            self._array, self._window = self._window.copy(), None
        return self._array

    @property
    def is_in_place(self) -> bool:
        """Whether it is still where it was made."""
        return self._window is not None

    def lies_in(self, window: Array | None) -> bool:
        """Whether it is still in place, and this is the place."""
        return window is not None and self._window is window

    def use_up(self) -> None:
        """Its window is about to change, and nobody wants it any more."""
        self._window = None


def advance_by_arrays(
    run: Callable[[Sequence[Array]], list[Array]], inputs: Sequence[Array | Kept]
) -> list[Kept]:
    """`Executable.advance` of an engine that keeps nothing between runs."""
    arrays = [given.array() if isinstance(given, Kept) else given for given in inputs]
    return [Kept.of(array) for array in run(arrays)]


class Engine(Protocol):
    """Turns programs into executables."""

    @property
    def name(self) -> str: ...

    def load(self, program: Program, constants: Sequence[Array]) -> Executable:
        """Prepares to run `program` with the given constants, in the order of `program.constants`.

        Raises MalformedProgram, WrongTensor (a constant of another dtype or shape) and TooLarge.
        That constants hash to their roots is the caller's promise: packages are checked on opening.
        """
        ...


def engine_names() -> list[str]:
    """The engines that exist, whether or not they can run on this machine."""
    found = {module.name for module in pkgutil.iter_modules(engines.__path__)}
    return sorted(found - _NOT_ENGINES)


def open_engine(
    name: str,
    *,
    threads: int = 1,
    memory_limit_bytes: int | None = None,
    deadline_seconds: float | None = None,
) -> Engine:
    """The engine of that name.

    `threads` is the most that a run may use; `memory_limit_bytes` bounds the memory of one
    executable and `deadline_seconds` one run; None means no limit. None of them changes a result.

    Raises UnknownEngine, and EngineUnavailable where this machine cannot run it.
    """
    if name not in engine_names():
        raise UnknownEngine(
            f"there is no engine named {name!r}",
            hint=f"Choose one of: {', '.join(engine_names())}.",
        )
    if threads < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}")
    module = importlib.import_module(f"{engines.__name__}.{name}")
    engine = module.create(
        threads=threads, memory_limit_bytes=memory_limit_bytes, deadline_seconds=deadline_seconds
    )
    return cast(Engine, engine)


def checked_inputs(
    program: Program, inputs: Sequence[Array], names: Sequence[str] = ()
) -> list[Array]:
    """The inputs as a program reads them: dense, little-endian, every NaN the canonical one.

    Arrays that are so already are passed on as they are, so do not write to them. `names` are for
    messages only. Raises WrongTensor where dtype, shape or number do not fit the program.
    """
    return _checked("input", program.inputs, inputs, names)


def checked_constants(program: Program, constants: Sequence[Array]) -> list[Array]:
    """The constants as a program reads them; as `checked_inputs`."""
    return _checked("constant", [constant.type for constant in program.constants], constants)


def check_count(what: str, expected: int, given: int) -> None:
    """Raises WrongTensor unless as many tensors are given as the program has of that sort."""
    if given != expected:
        raise WrongTensor(f"the program has {expected} {what}s, {given} were given")


def fitting(name: str, expected: TensorType, array: Array) -> Array:
    """The elements of an array of that type, little-endian. Raises WrongTensor about `name`."""
    array = carried(array, expected.dtype, name)
    if array.shape != expected.shape:
        raise WrongTensor(f"{name} has shape {array.shape}, the program expects {expected.shape}")
    return array


def checked(name: str, expected: TensorType, array: Array) -> Array:
    """One array as `checked_inputs` gives it."""
    array = fitting(name, expected, array)
    if expected.dtype is DType.BOOL and array.size and array.view(np.uint8).max() > 1:
        raise WrongTensor(f"{name} is BOOL but holds a byte other than 0 and 1")
    # ascontiguousarray would turn rank 0 into rank 1.
    return _canonical_nans(expected.dtype, np.asarray(array, order="C"))


def _checked(
    what: str, types: Sequence[TensorType], arrays: Sequence[Array], names: Sequence[str] = ()
) -> list[Array]:
    check_count(what, len(types), len(arrays))
    titles = [f"{what} {name!r}" for name in names] or [f"{what} {n}" for n in range(len(types))]
    return [checked(*triple) for triple in zip(titles, types, arrays, strict=True)]


def _canonical_nans(dtype: DType, array: Array) -> Array:
    if dtype not in FORMAT_OF or array.size == 0:
        return array
    form = FORMAT_OF[dtype]
    if dtype is DType.F32:
        if not _has_nan(array.reshape(-1)):
            return array
        return np.where(np.isnan(array), np.array(form.canonical_nan, "<u4").view("<f4"), array)
    is_nan = (array & (form.sign_bit - 1)) > form.infinity
    return np.where(is_nan, np.array(form.canonical_nan, "<u2"), array) if is_nan.any() else array


def _has_nan(line: Array) -> bool:
    if line.size == 1:
        return isnan(line.item())
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum of squares is a NaN if, and only if, anything is, and costs no array of its own.
        return isnan(line.dot(line))

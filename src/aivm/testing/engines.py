"""Every fast engine in every variant that this machine can run, to be compared with one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

import numpy as np

from aivm import kernels
from aivm.commitments import Array, VerifiedTensors
from aivm.engines import Engine, engine_names, open_engine
from aivm.engines.native import NativeEngine
from aivm.engines.plan.prepared import PreparedUnits
from aivm.errors import EngineUnavailable
from aivm.isa.program import Program

THREADS = (1, 2, 3, 4)


@cache
def runnable_engines() -> tuple[str, ...]:
    """The engines that this machine can run: all, but "cuda" only where there is a GPU."""
    try:
        open_engine("cuda")
    except EngineUnavailable:
        return tuple(name for name in engine_names() if name != "cuda")
    return tuple(engine_names())


@cache
def fast_engines() -> dict[str, Engine]:
    """wasm, every native build on one to four threads, the best one with shared units too, and cuda
    where there is a GPU."""
    engines: dict[str, Engine] = {"wasm": open_engine("wasm")}
    if "cuda" in runnable_engines():
        engines["cuda"] = open_engine("cuda")
    for target in kernels.native_targets():
        for threads in THREADS:
            engines[f"{target}, {threads} threads"] = NativeEngine(
                kernels.library(target), threads, None, None
            )
    units = PreparedUnits("testing", None, least_bytes=1)
    best = kernels.native_targets()[0]
    engines[f"{best}, 2 threads, shared units"] = NativeEngine(
        kernels.library(best), 2, None, None, units
    )
    return engines


def builds() -> dict[str, list[str]]:
    """The names of `fast_engines` by build, fewest threads first."""
    found: dict[str, list[str]] = {}
    for name in fast_engines():
        found.setdefault(name.partition(",")[0], []).append(name)
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """The first element of a result that an engine computes otherwise."""

    engine: str
    how: str
    instruction: int  # position in the program
    element: int  # row-major
    expected: str  # bits, hexadecimal
    found: str

    def __str__(self) -> str:
        return (
            f"{self.engine}, {self.how}: instruction {self.instruction}, element {self.element}"
            f" is {self.found}, expected {self.expected}"
        )


def differences(
    program: Program, constants: Sequence[Array], inputs: Sequence[Array], expected: Sequence[Array]
) -> Iterator[Difference]:
    """What any fast engine gives otherwise than the `expected` outputs. Runs everything twice,
    because memory that one run leaves behind must not reach the next. The constants must be those
    that the program names."""
    outputs = list(zip(program.outputs, expected, strict=True))
    wanted = [(value - program.first_instruction, array) for value, array in outputs]
    for name, engine in fast_engines().items():
        with closing(engine.load(program, VerifiedTensors(constants))) as executable:
            for how in ("first run", "second run"):
                yield from compared(name, how, wanted, executable.run(inputs))


def trace_differences(
    program: Program, constants: Sequence[Array], inputs: Sequence[Array], expected: Sequence[Array]
) -> Iterator[Difference]:
    """As `differences`, for the trace: `expected` holds every instruction's result."""
    wanted = list(enumerate(expected))
    for name, engine in fast_engines().items():
        with closing(engine.load(program, VerifiedTensors(constants))) as executable:
            yield from compared(name, "trace", wanted, executable.trace(inputs))


def compared(
    engine: str, how: str, expected: Sequence[tuple[int, Array]], found: Iterable[Array]
) -> Iterator[Difference]:
    """A difference for each result that is not as expected: pairs of instruction and bits."""
    for (instruction, wanted), result in zip(expected, found, strict=True):
        if not same(result, wanted):
            yield Difference(engine, how, instruction, *_first_element(wanted, result))


def _first_element(wanted: Array, found: Array) -> tuple[int, str, str]:
    """Which it is, and both its bits; element 0 and the types where these differ."""
    if (wanted.dtype, wanted.shape) != (found.dtype, found.shape):
        ours_is, theirs_is = (f"{array.dtype}{list(array.shape)}" for array in (wanted, found))
        return 0, ours_is, theirs_is
    size = wanted.dtype.itemsize
    ours, theirs = (np.frombuffer(array.tobytes(), f"<u{size}") for array in (wanted, found))
    element = int(np.nonzero(ours != theirs)[0][0])
    return element, f"{ours[element]:0{2 * size}x}", f"{theirs[element]:0{2 * size}x}"


def same(a: Array, b: Array) -> bool:
    """Same dtype, shape and bits."""
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())

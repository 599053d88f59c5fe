"""Every fast engine in every variant that this machine can run, to be compared with one another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from aivm import kernels
from aivm.commitments import Array
from aivm.engines import Engine, open_engine
from aivm.engines.native import NativeEngine
from aivm.isa.program import Program

THREADS = (1, 2, 3)


@cache
def fast_engines() -> dict[str, Engine]:
    """wasm, and every native build on one, two and three threads."""
    engines: dict[str, Engine] = {"wasm": open_engine("wasm")}
    for target in kernels.native_targets():
        for threads in THREADS:
            engines[f"{target}, {threads} threads"] = NativeEngine(
                kernels.library(target), threads, None, None
            )
    return engines


def differences(
    program: Program, constants: Sequence[Array], inputs: Sequence[Array], expected: Sequence[Array]
) -> Iterable[str]:
    """What any fast engine gives otherwise than `expected`: name and output. Runs everything twice,
    because memory that one run leaves behind must not reach the next."""
    for name, engine in fast_engines().items():
        executable = engine.load(program, constants)
        try:
            for attempt in ("first", "second"):
                results = zip(executable.run(inputs), expected, strict=True)
                for position, (result, wanted) in enumerate(results):
                    if not same(result, wanted):
                        yield f"{name}: output {position}, {attempt} run"
        finally:
            executable.close()


def trace_differences(
    program: Program, constants: Sequence[Array], inputs: Sequence[Array], expected: Sequence[Array]
) -> Iterable[str]:
    """As `differences`, for the trace: `expected` holds every instruction's result."""
    for name, engine in fast_engines().items():
        executable = engine.load(program, constants)
        try:
            results = zip(executable.trace(inputs), expected, strict=True)
            for position, (result, wanted) in enumerate(results):
                if not same(result, wanted):
                    yield f"{name}: {program.instructions[position]}"
        finally:
            executable.close()


def same(a: Array, b: Array) -> bool:
    """Same dtype, shape and bits."""
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())

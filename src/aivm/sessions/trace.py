"""The trace of a generation: every run by its roots, so that a dispute can find the first lie.

    run leaf      program root || bundle root of its inputs || bundle root of its outputs
    trace root    tree over the run leaves, in the order of the runs

Nobody computes it on the honest path: since runs are deterministic, it is made again on demand.
Two parties who disagree about a generation find the first run whose leaves differ by bisecting over
these trees. All before it agree, and `aivm.sessions.decoder` says how its inputs follow from them,
so either a wrong input is shown, or the dispute goes on inside that one run as about any program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.commitments import Array, bundle_root, merkle, tensor_root
from aivm.engines import Engine
from aivm.packages import Package, Port, ProgramEntry
from aivm.sessions.decoder import Decoder
from aivm.sessions.generator import Generator
from aivm.sessions.request import Request


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: three roots of 32 bytes."""

    program: bytes
    inputs: bytes
    outputs: bytes

    @property
    def leaf(self) -> bytes:
        return self.program + self.inputs + self.outputs


@dataclass(frozen=True, slots=True)
class GenerationTrace:
    """Every run of a generation, in order, and the tokens that came of it."""

    runs: tuple[RunRecord, ...]
    tokens: tuple[int, ...]

    @property
    def root(self) -> bytes:
        """The trace root (32 bytes)."""
        return merkle.root_of_leaves(run.leaf for run in self.runs)


def trace_generation(
    generator: Generator, package: Package, engine: Engine, request: Request
) -> GenerationTrace:
    """Runs the generation and records it; raises as `Decoder.generate`."""
    runs: list[RunRecord] = []

    def record(entry: ProgramEntry, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        roots = (_bundle(inputs, entry.inputs), _bundle(outputs, entry.outputs))
        runs.append(RunRecord(entry.program, *roots))

    with Decoder(generator, package, engine) as decoder:
        tokens = tuple(decoder.generate(request, record))
    return GenerationTrace(tuple(runs), tokens)


def first_difference(mine: Sequence[RunRecord], theirs: Sequence[RunRecord]) -> int | None:
    """The first run about which two traces differ; None if one begins with the whole other."""
    pairs = enumerate(zip(mine, theirs, strict=False))
    return next((place for place, (a, b) in pairs if a != b), None)


def _bundle(arrays: Sequence[Array], ports: Sequence[Port]) -> bytes:
    return bundle_root(
        tensor_root(array, port.dtype) for array, port in zip(arrays, ports, strict=True)
    )

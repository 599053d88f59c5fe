"""One program on every engine in every way to run it, and where the first of them goes astray.

The expected bits are the reference engine's trace, or the wasm engine's where the reference would
take too long. Against it stand, on every fast engine: a fused run, a second one in the memory that
the first left behind, a run under a floating-point mode that a careless library might have set, the
unfused trace, and several requests at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from aivm.commitments import Array
from aivm.engines import Engine, open_engine
from aivm.errors import EngineUnavailable
from aivm.isa.gas import gas_units
from aivm.testing import float_mode
from aivm.testing.engines import Difference, compared, fast_engines
from aivm.testing.programs import RandomProgram

REFERENCE_GAS = 1 << 21  # dearer programs are left to the fast engines: a second or more each
MODES = {
    "the default mode": 0,
    "flush-to-zero": float_mode.FLUSH_TO_ZERO,
    "subnormals as zero": float_mode.SUBNORMALS_ARE_ZERO,
    "both flushes": float_mode.FLUSH_TO_ZERO | float_mode.SUBNORMALS_ARE_ZERO,
    "rounding down": float_mode.ROUND_DOWN,
    "rounding up": float_mode.ROUND_UP,
    "rounding to zero": float_mode.ROUND_TO_ZERO,
}


@dataclass(slots=True)
class Tally:
    """What has been compared."""

    programs: int = 0
    without_reference: int = 0
    runs: int = 0
    refusals: int = 0  # of an engine that cannot change the mode of the calling thread

    def add(self, other: Tally) -> None:
        self.programs += other.programs
        self.without_reference += other.without_reference
        self.runs += other.runs
        self.refusals += other.refusals


def suits_reference(case: RandomProgram) -> bool:
    return gas_units(case.program) <= REFERENCE_GAS


def expected_trace(case: RandomProgram) -> list[Array]:
    """Every instruction's result, by the slowest engine that is fast enough."""
    engine = open_engine("reference") if suits_reference(case) else fast_engines()["wasm"]
    with closing(engine.load(case.program, case.constants)) as executable:
        return list(executable.trace(case.inputs))


def differences(case: RandomProgram, tally: Tally) -> Iterator[Difference]:
    """All differences, engine by engine; what is drawn at random is drawn from the case's seed."""
    dice = np.random.Generator(np.random.PCG64([case.seed & 2**63 - 1, 2]))
    trace = expected_trace(case)
    tally.programs += 1
    tally.without_reference += not suits_reference(case)
    numbered = list(enumerate(trace))
    outputs = [numbered[value - case.program.first_instruction] for value in case.program.outputs]
    mode = str(dice.choice(list(MODES)))
    traced = {str(dice.choice(names)) for names in _builds().values()}
    for name, engine in fast_engines().items():
        with closing(engine.load(case.program, case.constants)) as loaded:
            for how in ("first run", "second run"):
                yield from compared(name, how, outputs, loaded.run(case.inputs))
                tally.runs += 1
            if name in traced:
                yield from compared(name, "trace", numbered, loaded.trace(case.inputs))
                tally.runs += 1
        if name in traced:
            yield from _in_mode(name, engine, case, outputs, mode, tally)


def _builds() -> dict[str, list[str]]:
    """The names of `fast_engines` by what is before the comma: one of each build is traced."""
    builds: dict[str, list[str]] = {}
    for name in fast_engines():
        builds.setdefault(name.partition(",")[0], []).append(name)
    return builds


def _in_mode(
    name: str,
    engine: Engine,
    case: RandomProgram,
    outputs: Sequence[tuple[int, Array]],
    mode: str,
    tally: Tally,
) -> Iterator[Difference]:
    """Loads and runs under another floating-point mode; refusing to is as good as neutral."""
    if not MODES[mode]:
        return
    with float_mode.float_mode(MODES[mode]):
        try:
            with closing(engine.load(case.program, case.constants)) as loaded:
                found = loaded.run(case.inputs)
        except EngineUnavailable:
            tally.refusals += 1
            return
    tally.runs += 1
    yield from compared(name, f"run under {mode}", outputs, found)

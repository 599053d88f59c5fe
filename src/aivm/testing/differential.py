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

from aivm.commitments import Array, VerifiedTensors
from aivm.engines import open_engine
from aivm.errors import EngineUnavailable, InvalidIndex
from aivm.isa.batching import batched
from aivm.isa.gas import gas_units
from aivm.testing import float_mode
from aivm.testing.engines import Difference, builds, compared, fast_engines
from aivm.testing.programs import RandomProgram
from aivm.testing.tensors import random_tensor

REFERENCE_GAS = 1 << 21  # dearer programs are left to the fast engines: a second or more each
BATCH_GAS = 1 << 26  # no larger batch is run
MODES = {
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
    faults: int = 0  # programs that have no result, on any engine
    refusals: int = 0  # of an engine that cannot change the mode of the calling thread

    def add(self, other: Tally) -> None:
        self.programs += other.programs
        self.without_reference += other.without_reference
        self.runs += other.runs
        self.faults += other.faults
        self.refusals += other.refusals


def suits_reference(case: RandomProgram) -> bool:
    return gas_units(case.program) <= REFERENCE_GAS


def expected_trace(case: RandomProgram) -> list[Array]:
    """Every instruction's result, by the slowest engine that is fast enough."""
    engine = open_engine("reference") if suits_reference(case) else fast_engines()["wasm"]
    with closing(engine.load(case.program, case.constants)) as executable:
        return list(executable.trace(case.inputs))


def differences(case: RandomProgram, tally: Tally) -> Iterator[Difference]:
    """All differences, build by build; what is drawn at random is drawn from the case's seed.

    A program meets every build, each on one number of threads that is drawn for it, and one build
    that is drawn in every other way to run it: so the same time sees several times more programs.
    """
    dice = np.random.Generator(np.random.PCG64([case.seed & 2**63 - 1, 2]))
    try:
        numbered = list(enumerate(expected_trace(case)))
    except InvalidIndex as fault:
        yield from _answers(case, dice, tally, fault)
        return
    outputs = [numbered[value - case.program.first_instruction] for value in case.program.outputs]
    tally.programs += 1
    tally.without_reference += not suits_reference(case)
    chosen = [str(dice.choice(names)) for names in builds().values()]
    traced = dice.choice(chosen)
    for name in chosen:
        with closing(fast_engines()[name].load(case.program, case.constants)) as loaded:
            for how in ("first run", "second run"):
                yield from compared(name, how, outputs, loaded.run(case.inputs))
            if name == traced:
                yield from compared(name, "trace", numbered, loaded.trace(case.inputs))
            tally.runs += 2 + (name == traced)
    yield from _in_mode(case, outputs, dice, tally)
    yield from _batched(case, outputs, dice, tally)


def _answers(
    case: RandomProgram, dice: np.random.Generator, tally: Tally, fault: InvalidIndex
) -> Iterator[Difference]:
    """What answers a program that is a fault: every engine must find one, fused or not."""
    tally.programs += 1
    tally.faults += 1
    for names in builds().values():
        name = str(dice.choice(names))
        for how in ("run", "trace"):
            tally.runs += 1
            try:
                with closing(fast_engines()[name].load(case.program, case.constants)) as loaded:
                    list(getattr(loaded, how)(case.inputs))
            except InvalidIndex:
                continue
            yield Difference(name, how, 0, 0, str(fault), "an answer")


def _batched(
    case: RandomProgram,
    outputs: Sequence[tuple[int, Array]],
    dice: np.random.Generator,
    tally: Tally,
) -> Iterator[Difference]:
    """The program for several requests at once: among them, in a place that is drawn, the case's
    own. The others are there to get in its way, so a fault of theirs ends the comparison."""
    count = int(dice.choice([1, 2, 3, 4, 5, 8]))
    program = batched(case.program, count)
    if program is None or gas_units(program) > BATCH_GAS:
        return
    place = int(dice.integers(count))
    requests = [
        case.inputs if n == place else [random_tensor(dice, type_) for type_ in case.program.inputs]
        for n in range(count)
    ]
    stacked = [np.stack(arrays) for arrays in zip(*requests, strict=True)]
    name = str(dice.choice(list(fast_engines())))
    with closing(fast_engines()[name].load(program, VerifiedTensors(case.constants))) as loaded:
        try:
            results = loaded.run(stacked)
        except InvalidIndex:
            return
    tally.runs += 1
    slices = [result[place] for result in results]
    yield from compared(name, f"request {place} of {count}", outputs, slices)


def _in_mode(
    case: RandomProgram,
    outputs: Sequence[tuple[int, Array]],
    dice: np.random.Generator,
    tally: Tally,
) -> Iterator[Difference]:
    """Loads and runs under another floating-point mode; refusing to is as good as neutral."""
    mode, name = str(dice.choice(list(MODES))), str(dice.choice(list(fast_engines())))
    with float_mode.float_mode(MODES[mode]):
        try:
            with closing(fast_engines()[name].load(case.program, case.constants)) as loaded:
                found = loaded.run(case.inputs)
        except EngineUnavailable:
            tally.refusals += 1
            return
    tally.runs += 1
    yield from compared(name, f"run under {mode}", outputs, found)

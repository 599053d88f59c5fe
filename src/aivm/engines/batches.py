"""Runs requests for one program together, a few at a time; each has the bits it has on its own.

A batch is another program (`aivm.isa.batching`), derived and loaded for a few sizes when they are
first needed. Nobody but the caller sees it: roots, receipts and gas are those of the one program.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aivm.commitments import Array
from aivm.engines.base import Engine, Executable, checked_inputs
from aivm.errors import AivmError, TooLarge
from aivm.isa.batching import batched
from aivm.isa.program import Program

SIZES = (8, 4, 2)

Outcome = list[Array] | AivmError


class Batches:
    """One loaded program and what was derived from it. Not thread-safe, as an `Executable`."""

    def __init__(
        self,
        engine: Engine,
        program: Program,
        constants: Sequence[Array],
        sizes: Sequence[int] = SIZES,
    ) -> None:
        self.program = program
        self._engine = engine
        self._constants = constants
        self._sizes = sorted(sizes, reverse=True)
        self._alone = engine.load(program, constants)
        self._together: dict[int, Executable | None] = {}

    def run(self, requests: Sequence[Sequence[Array]]) -> list[Outcome]:
        """The outputs of each request in turn, or the error that it alone has deserved."""
        outcomes: dict[int, Outcome] = {}
        ready: list[tuple[int, list[Array]]] = []
        for number, inputs in enumerate(requests):
            try:
                ready.append((number, checked_inputs(self.program, inputs)))
            except AivmError as error:
                outcomes[number] = error
        while ready:
            size, executable = self._largest(len(ready))
            taken, ready = ready[:size], ready[size:]
            numbers, inputs_of = zip(*taken, strict=True)
            results = self._run_together(executable, inputs_of) if executable else None
            if results is None:
                results = [self._run_alone(inputs) for inputs in inputs_of]
            outcomes |= dict(zip(numbers, results, strict=True))
        return [outcomes[number] for number in range(len(requests))]

    def close(self) -> None:
        """Gives the memory back, as `Executable.close`."""
        for executable in (self._alone, *self._together.values()):
            if executable is not None:
                executable.close()

    def _largest(self, count: int) -> tuple[int, Executable | None]:
        """The largest batch that so many requests fill; 1 and None where there is none."""
        for size in self._sizes:
            if size <= count and (executable := self._of_size(size)) is not None:
                return size, executable
        return 1, None

    def _of_size(self, size: int) -> Executable | None:
        """The executable for a batch; None where the program or its memory would be too large."""
        if size not in self._together:
            program = batched(self.program, size)
            try:
                loaded = None if program is None else self._engine.load(program, self._constants)
            except TooLarge:
                loaded = None
            self._together[size] = loaded
        return self._together[size]

    def _run_together(
        self, executable: Executable, requests: Sequence[list[Array]]
    ) -> list[Outcome] | None:
        """None where any of them has a fault, or all together take too long: only a run alone
        tells whose error that is."""
        stacked = [np.stack(arrays) for arrays in zip(*requests, strict=True)]
        try:
            results = executable.run(stacked)
        except AivmError:
            return None
        return [[result[n] for result in results] for n in range(len(requests))]

    def _run_alone(self, inputs: list[Array]) -> Outcome:
        try:
            return self._alone.run(inputs)
        except AivmError as error:
            return error

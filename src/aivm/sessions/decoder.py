"""The decoding loop: a prompt goes in by blocks and steps, then tokens come out one by one.

What is defined here is what a receipt claims and what a dispute replays:

1. The state begins as zeros. `Generator.runs_of` says which programs take in the prompt. Each
   takes the next tokens, the number of tokens before them (and so on, where the position has one
   element a token), and the state; its state outputs are the state of the next run.
2. Generated token number n (from 0) is what the sampler gives for the logits of the latest step,
   the request's parameters and the seed (seed, n). If it is a stop token or the last one asked for,
   the generation ends with it; otherwise a step takes it in.
3. If the sampler gives anything but a token of the vocabulary, there is no result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.engines import Engine, Executable, Kept
from aivm.errors import NoToken
from aivm.packages import Package, ProgramEntry
from aivm.sessions.generator import Generator, Run
from aivm.sessions.request import Request

Observer = Callable[[ProgramEntry, Sequence[Array], Sequence[Array]], None]
"""Told of every run: program, inputs and outputs, in the order in which they happen."""


class Decoder:
    """A generator loaded into an engine. Not thread-safe; generations may take turns, though.

    `package` has the generator's programs.
    """

    def __init__(self, generator: Generator, package: Package, engine: Engine) -> None:
        self.generator = generator
        self._executables: dict[bytes, Executable] = {}
        try:
            for entry in generator.entries:
                program, constants = package.program(entry.name), package.constants(entry.name)
                self._executables[entry.program] = engine.load(program, constants)
        except BaseException:
            self.close()
            raise

    def generate(self, request: Request, observer: Observer | None = None) -> Iterator[int]:
        """The tokens, each as soon as it is drawn.

        Raises BadInput and TooLarge for a request that does not fit, before anything runs; NoToken,
        and what `Executable.run` raises.
        """
        request.check_fits(self.generator.vocabulary, self.generator.capacity)
        return self._generate(request, observer)

    def _generate(self, request: Request, observer: Observer | None) -> Iterator[int]:
        generator = self.generator
        types = generator.state_types
        state: Sequence[Array | Kept] = [np.zeros(t.shape, numpy_dtype(t.dtype)) for t in types]
        taken = 0
        logits = None
        for run in generator.runs_of(len(request.prompt)):
            tokens = request.prompt[taken : taken + run.size]
            logits, state = self._take(run, tokens, taken, state, observer)
            taken += run.size
        for number in range(request.max_tokens):
            assert logits is not None, "a prompt ends with a step"
            token = self._draw(request, logits, number, observer)
            yield token
            if token in request.stop or number + 1 == request.max_tokens:
                return
            logits, state = self._take(generator.step, (token,), taken, state, observer)
            taken += 1

    def _take(
        self,
        run: Run,
        tokens: Sequence[int],
        taken: int,
        state: Sequence[Array | Kept],
        observer: Observer | None,
    ) -> tuple[Kept | None, Sequence[Kept]]:
        """One run of a step or block: its logits (where it has any) and the next state."""
        given: dict[int, Array | Kept] = {run.tokens: np.array([tokens], np.int64)}
        if run.position is not None:
            kind = run.entry.inputs[run.position].type
            places = np.arange(taken, taken + kind.elements, dtype=np.int64)
            given[run.position] = places.reshape(kind.shape)
        for (place, _), tensor in zip(run.states, state, strict=True):
            given[place] = tensor
        outputs = self._run(run.entry, [given[place] for place in range(len(given))], observer)
        logits = None if run.logits is None else outputs[run.logits]
        return logits, [outputs[place] for _, place in run.states]

    def _draw(self, request: Request, logits: Kept, number: int, observer: Observer | None) -> int:
        inputs: list[Array | Kept] = [
            logits,
            np.array(request.temperature, np.float32),
            np.array(request.top_k, np.int64),
            np.array(request.top_p, np.float32),
            np.array([request.seed, number], np.uint64),
        ]
        token = int(self._run(self.generator.sampler, inputs, observer)[0].array()[0, 0])
        if not 0 <= token < self.generator.vocabulary:
            raise NoToken(
                f"after {number} tokens the model gave logits from which none can be drawn",
                hint="The greatest of them is NaN or infinite: the model overflows here.",
            )
        return token

    def _run(
        self, entry: ProgramEntry, inputs: Sequence[Array | Kept], observer: Observer | None
    ) -> list[Kept]:
        executable = self._executables[entry.program]
        if observer is None:
            return executable.advance(inputs)
        arrays = [given.array() if isinstance(given, Kept) else given for given in inputs]
        outputs = executable.advance(arrays)
        observer(entry, arrays, [output.array() for output in outputs])
        return outputs

    def close(self) -> None:
        """Gives the engine's memory back; closing twice is harmless."""
        for executable in self._executables.values():
            executable.close()
        self._executables.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

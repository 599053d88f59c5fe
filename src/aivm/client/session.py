"""Local generation: text or tokens in, tokens as they come, one receipt for the whole.

>>> with aivm.open_session("llama", engine="native") as session:
...     generation = session.generate("The licence", max_tokens=40, temperature=0.8, seed=7)
...     for piece in generation.text():
...         print(piece, end="")
...     receipt = generation.receipt()
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from aivm import host
from aivm.commitments import bundle_root, tensor_root
from aivm.engines.base import Engine, open_engine
from aivm.errors import BadInput, TooLarge
from aivm.market.tokenizer import decoded, tokenizer_of
from aivm.packages import Package, open_package
from aivm.receipts import Receipt, local_receipt
from aivm.sessions import Decoder, Request, as_tokens, generator_of, request_from_tensors

Array = np.ndarray[Any, Any]
DEFAULT_TOKENS = 128


class LocalSession:
    """A package that generates tokens, loaded on this machine; the same request gives the same
    tokens on every engine.

    Threads may share it: runs take turns. Close it, or use it in a `with` statement, to give its
    memory back early; a closed one raises ValueError.
    """

    def __init__(self, package: Package, engine: Engine) -> None:
        self.package = package
        self.generator = generator_of(package.manifest)
        self._decoder = Decoder(self.generator, package, engine)
        self._turn = threading.Lock()
        self._closed = False

    @property
    def model_id(self) -> bytes:
        """32 bytes: the digest of the manifest."""
        return self.package.model_id

    def generate(
        self,
        prompt: str | Sequence[int],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Sequence[int] | None = None,
    ) -> Generation:
        """A generation that begins when it is iterated over.

        `prompt` is text, for a package with a tokenizer, or token ids. `max_tokens` defaults to 128
        or to what the model has room for; `stop` to what the package says. Raises BadInput for
        parameters outside their range, TooLarge for more than the model can take.
        """
        tokens = self.encode(prompt) if isinstance(prompt, str) else tuple(prompt)
        request = Request(
            prompt=tokens,
            max_tokens=self._default_tokens(len(tokens)) if max_tokens is None else max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            stop=self.generator.stop if stop is None else tuple(stop),
        )
        return self.perform(request)

    def perform(self, request: Request) -> Generation:
        """The generation of a request; raises as `generate` does."""
        request.check_fits(self.generator.vocabulary, self.generator.capacity)
        return Generation(self, request)

    def repeat(self, tensors: Mapping[str, Array]) -> Generation:
        """The generation whose inputs were these tensors, to be checked against a receipt."""
        return self.perform(request_from_tensors(tensors))

    def encode(self, text: str) -> tuple[int, ...]:
        """Text as token ids. Raises BadInput for no text, UnsupportedModel without a tokenizer."""
        if not text:
            raise BadInput("the prompt is empty", hint="Give at least one character.")
        return tuple(tokenizer_of(self.package).encode(text, add_special_tokens=False).ids)

    def steps(self, request: Request) -> Iterator[int]:
        """The tokens of a request; each run waits for its turn."""
        tokens = self._decoder.generate(request)
        while True:
            with self._turn:
                if self._closed:
                    raise ValueError("this session is closed")
                try:
                    token = next(tokens, None)
                except MemoryError as error:
                    raise TooLarge(f"the run does not fit into memory: {error}") from None
            if token is None:
                return
            yield token

    def close(self) -> None:
        """Give the engine's memory back; closing twice is harmless."""
        with self._turn:
            self._closed = True
            self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _default_tokens(self, prompt: int) -> int:
        capacity = self.generator.capacity
        return (
            DEFAULT_TOKENS
            if capacity is None
            else max(1, min(DEFAULT_TOKENS, capacity - prompt + 1))
        )


class Generation:
    """One generation, under way: iterate over it (also with `async for`) for tokens, or over
    `text()` for pieces of text. It can be gone through once; a second time gives what is known.
    """

    def __init__(self, session: LocalSession, request: Request) -> None:
        self.request = request
        self.tokens: list[int] = []
        self.finished = False
        self._session = session
        self._steps = session.steps(request)

    def __iter__(self) -> Iterator[int]:
        yield from tuple(self.tokens)
        while (token := self._next()) is not None:
            yield token

    async def __aiter__(self) -> AsyncIterator[int]:
        for known in tuple(self.tokens):
            yield known
        while (token := await asyncio.to_thread(self._next)) is not None:
            yield token

    def text(self) -> Iterator[str]:
        """Pieces of text as they become whole; a stop token has none."""
        stop = self.request.stop
        return decoded(self._session.package, (token for token in self if token not in stop))

    @property
    def finish_reason(self) -> str | None:
        """`stop` behind a stop token, `length` at `max_tokens`, None while it is under way."""
        if not self.finished:
            return None
        return "stop" if self.tokens[-1] in self.request.stop else "length"

    @property
    def outputs(self) -> Array:
        """The tokens as the output of the job, i64 [n]; what is missing is generated first."""
        return as_tokens(list(self))

    def receipt(self) -> Receipt:
        """An unsigned local receipt for the whole; what is missing is generated first."""
        return local_receipt(
            model=self._session.model_id,
            program=self._session.generator.root,
            inputs=self.request.root,
            outputs=bundle_root([tensor_root(self.outputs)]),
            time=host.now(),
        )

    def _next(self) -> int | None:
        token = next(self._steps, None)
        if token is None:
            self.finished = True
        else:
            self.tokens.append(token)
        return token


def open_session(
    package: str | Path | Package, *, engine: str = "wasm", threads: int = 1
) -> LocalSession:
    """Load a package (its folder, or opened) to generate tokens with.

    Engines as in `load`. Raises NotFound, MalformedPackage, UnsupportedModel (it generates none).
    """
    chosen = open_engine(engine, threads=threads)
    opened = package if isinstance(package, Package) else open_package(Path(package))
    return LocalSession(opened, chosen)

"""`Client`: the same as `AsyncClient` without async; works inside notebooks' running loops too.

Calls run on one event loop in a thread of their own, which ends with the client.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from aivm import config as settings
from aivm.chain.account import Account
from aivm.client.remote import AsyncClient
from aivm.config import Config
from aivm.market.buyer import Inference
from aivm.receipts import Verdict

Array = np.ndarray[Any, Any]
Result = TypeVar("Result")


class Client:
    """A blocking client of the configured network; use it as a context manager."""

    def __init__(
        self, config: Config | None = None, *, account: Account | None = None, engine: str = "wasm"
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="aivm-client", daemon=True
        )
        self._thread.start()
        self._context: AbstractAsyncContextManager[AsyncClient] = AsyncClient.connect(
            settings.load() if config is None else config, account=account, engine=engine
        )
        try:
            self._client = self._wait(self._context.__aenter__())
        except BaseException:
            self._stop()
            raise

    def infer(self, model: str, inputs: Mapping[str, Array], **options: Any) -> Inference:
        """See `AsyncClient.infer`."""
        return self._wait(self._client.infer(model, inputs, **options))

    def encode(self, model: str, text: str, max_tokens: int | None = None) -> dict[str, Array]:
        """See `AsyncClient.encode`."""
        return self._wait(self._client.encode(model, text, max_tokens))

    def audit(self, inference: Inference) -> Verdict:
        """See `AsyncClient.audit`."""
        return self._wait(self._client.audit(inference))

    def close(self) -> None:
        """End the session and its thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        try:
            self._wait(self._context.__aexit__(None, None, None))
        finally:
            self._stop()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

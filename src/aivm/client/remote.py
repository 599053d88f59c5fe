"""`AsyncClient`: what a buyer can do, and audits of what was bought.

async with AsyncClient.connect(config) as client:
    found = await client.infer("demo/minilm", {"input_ids": ids, "attention_mask": mask})
    await client.audit(found)          # re-executed here; Mismatch if one bit differs
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from aivm.chain.account import Account
from aivm.client.audit import audit, demand
from aivm.client.local import LocalModel, load
from aivm.config import Config
from aivm.market.buyer import Buyer, Inference
from aivm.market.text import encode_text
from aivm.receipts import Verdict

Array = np.ndarray[Any, Any]


class AsyncClient:
    """One account's view of a network; `buyer` settles and knows the channels."""

    def __init__(self, buyer: Buyer, *, engine: str = "wasm") -> None:
        self.buyer = buyer
        self._engine = engine
        self._local: dict[bytes, LocalModel] = {}

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, config: Config, *, account: Account | None = None, engine: str = "wasm"
    ) -> AsyncIterator[AsyncClient]:
        """A client of the configured network; `engine` is what audits run on.

        Raises ChainUnreachable, WrongChain, NotFound.
        """
        async with Buyer.connect(config, account) as buyer:
            client = cls(buyer, engine=engine)
            try:
                yield client
            finally:
                client.close()

    def close(self) -> None:
        """Give back the memory of locally loaded models."""
        for local in self._local.values():
            local.close()
        self._local.clear()

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        provider: str | None = None,
        max_price: int | None = None,
    ) -> Inference:
        """Buy one run; see `Buyer.infer`."""
        return await self.buyer.infer(model, inputs, provider=provider, max_price=max_price)

    async def encode(
        self, model: str, text: str, max_tokens: int | None = None
    ) -> dict[str, Array]:
        """The inputs that `text` becomes under the tokeniser module in the model's package.

        The module runs here, in the sandbox: a provider's receipt is then about the tokens, all of
        which the one-step prover can settle.
        """
        return encode_text(await self.buyer.models.package(model), text, max_tokens)

    async def audit(self, inference: Inference) -> Verdict:
        """Re-execute here and compare for equality. Raises Mismatch if anything differs."""
        verdict = await self.verdict(inference)
        demand(verdict)
        return verdict

    async def verdict(self, inference: Inference) -> Verdict:
        """Every check on an inference, re-execution included, without judging it."""
        # By its id: the name may mean a newer release by now.
        package = await self.buyer.models.package(inference.receipt.receipt.model.hex())
        local = self._local.get(package.model_id)
        if local is None:
            local = self._local[package.model_id] = load(package, engine=self._engine)
        return await asyncio.to_thread(
            audit,
            inference.receipt,
            local,
            inference.inputs,
            outputs=list(inference.outputs.values()),
            hot_key=inference.hot_key,
        )

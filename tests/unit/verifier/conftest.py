"""A network with one staked provider of the tiny model, and verifiers that look at its receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from tests.unit.provider.conftest import World, package, world

from aivm import config as settings
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.commitments import bundle_root, tensor_root
from aivm.config import Config
from aivm.devnet.storage import run_storage
from aivm.market.publish import publish
from aivm.packages import Programs
from aivm.receipts import Receipt, SignedReceipt, Tier, job_id, sign_receipt
from aivm.verifier.node import Node, NodeOptions, Parts, open_parts, run_verifier
from aivm.verifier.policy import Policy
from aivm.verifier.submission import Submission, named_tensors

__all__ = ["package", "world"]

Array = np.ndarray[Any, Any]
TOKEN = 10**18
STAKE = 5_000 * TOKEN
ALWAYS = Policy(floor=1.0)
NEVER = Policy(floor=0.0, margin=0.0)


@dataclass
class Scene:
    """Accounts by number: 0 governs, 1 owns the provider, 2 verifies."""

    chain: Chain
    devchain: DevChain
    world: World
    config: Config
    storage_url: str
    token: str

    @property
    def verifier(self) -> Account:
        return self.devchain.accounts[2]

    async def receipt(
        self,
        number: int,
        *,
        false: bool = False,
        signer: Account | None = None,
        index: int = 1,
        batch: int = 1,
        **changes: Any,
    ) -> tuple[SignedReceipt, dict[str, Array]]:
        """A receipt of the provider about its run `number`, and the inputs."""
        world = self.world
        inputs = world.inputs(number, index=index, batch=batch)
        found = Programs(world.package).find({name: a.shape for name, a in inputs.items()})
        outputs = world.expected(inputs)
        if false:
            outputs["y"] = -outputs["y"] - 1
        roots = bundle_root(tensor_root(inputs[name]) for name in found.input_names)
        receipt = Receipt(
            job=bytes(32),
            model=world.package.model_id,
            program=found.root,
            inputs=roots,
            outputs=bundle_root(tensor_root(outputs[name]) for name in found.output_names),
            client=world.client.address,
            provider=self.devchain.accounts[1].address,
            channel=b"\x0c" * 32,
            sequence=number + 1,
            tier=Tier.OPTIMISTIC,
            numerics=1,
            time=(await self.chain.block()).time,
        )
        receipt = replace(receipt, **changes)
        if "job" not in changes:
            job = job_id(
                receipt.channel, receipt.sequence, receipt.model, receipt.program, receipt.inputs
            )
            receipt = replace(receipt, job=job)
        return sign_receipt(receipt, self.chain.staking.domain, signer or world.hot_key), inputs

    def submission(
        self, pair: tuple[SignedReceipt, Mapping[str, Array]], **changes: Any
    ) -> Submission:
        made = Submission(pair[0], named_tensors(pair[1]), "test")
        return replace(made, **changes)

    @asynccontextmanager
    async def parts(self, **options: Any) -> AsyncIterator[Parts]:
        """A verifier's parts, always on the same state; by default it checks everything."""
        chosen = NodeOptions(policy=ALWAYS, engines=("native", "reference"))
        chosen = replace(chosen, **options)
        async with open_parts(self.config, self.verifier, chosen) as parts:
            yield parts

    @asynccontextmanager
    async def node(self, **options: Any) -> AsyncIterator[Node]:
        """A whole verifier at work, with its faces."""
        chosen = NodeOptions(policy=ALWAYS, engines=("native", "reference"))
        async with run_verifier(self.config, self.verifier, replace(chosen, **options)) as node:
            yield node


@pytest.fixture
async def scene(
    deployed: Chain, devchain: DevChain, world: World, tmp_path: Path
) -> AsyncIterator[Scene]:
    bank, owner, verifier = devchain.accounts[:3]
    publisher = Account(b"\x04" * 32)
    await devchain.fund(publisher.address)
    await deployed.token.transfer(bank, owner.address, STAKE)
    await deployed.token.transfer(bank, verifier.address, 1_000 * TOKEN)
    await deployed.staking.register_provider(owner, world.hot_key.address, "http://127.0.0.1:9")
    await deployed.token.approve(owner, deployed.staking.address, STAKE)
    await deployed.staking.stake(owner, STAKE)
    deployed.address_book.write(tmp_path / "book.json")
    token = tmp_path / "token"
    async with run_storage(tmp_path / "storage", token) as storage_url:
        async with aiohttp.ClientSession() as session:
            await publish(
                deployed, session, publisher, storage_url, world.package, token=token.read_text()
            )
        environment = {
            "HOME": str(tmp_path),
            "AIVM_RPC_URL": devchain.url,
            "AIVM_STORAGE_URL": storage_url,
            "AIVM_ADDRESS_BOOK": str(tmp_path / "book.json"),
        }
        config = settings.load({}, environment=environment, folder=tmp_path)
        yield Scene(deployed, devchain, world, config, storage_url, token.read_text())

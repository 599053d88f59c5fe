"""Buying inferences: choose a provider, keep a channel with it, call, check, settle.

Money is token base units (18 decimals).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import aiohttp
import numpy as np

from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.escrow import Channel, ChannelStatus
from aivm.config import Config
from aivm.engines.base import checked_inputs
from aivm.errors import DeadlineExceeded, Denied, NotFound, Unavailable
from aivm.market.call import Caller, Delivery, Order
from aivm.market.directory import Candidate, Directory, Wanted
from aivm.market.entries import in_order
from aivm.market.ledger import Ledger, OpenChannel
from aivm.market.models import Models
from aivm.market.network import connect_chain, open_account
from aivm.packages import Package, PackageProgram, Programs
from aivm.receipts import Domain, SignedReceipt

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ChannelPolicy:
    """How much a client locks up at once, and for how long."""

    deposit_prices: int = 1000  # a new channel holds this many runs
    duration_seconds: int = 7 * 24 * 3600


@dataclass(frozen=True)
class Inference:
    """Outputs by name with a receipt whose offline checks all hold.

    `inputs` are what was sent: dense, little-endian, with every NaN the canonical one.
    """

    model: str
    inputs: Mapping[str, Array]
    outputs: dict[str, Array]
    receipt: SignedReceipt
    price: int
    provider: str
    hot_key: str

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{array.dtype}{list(array.shape)}</td></tr>"
            for name, array in self.outputs.items()
        )
        job = self.receipt.receipt.job.hex()
        seller = escape(self.provider)
        return f"<table>{rows}</table><p>receipt of job <code>{job}</code> by {seller}</p>"


class Buyer:
    """One account that buys on one network."""

    def __init__(
        self,
        *,
        chain: Chain,
        session: aiohttp.ClientSession,
        account: Account,
        models: Models,
        ledger: Ledger,
        policy: ChannelPolicy | None = None,
    ) -> None:
        self.chain = chain
        self.session = session
        self.account = account
        self.models = models
        self.ledger = ledger
        self._policy = policy or ChannelPolicy()
        self._directory = Directory(chain, session)
        self._caller = Caller(
            session=session,
            signer=account,
            ledger=ledger,
            vouchers=Domain(chain.chain_id, chain.escrow.address),
            receipts=Domain(chain.chain_id, chain.staking.address),
        )
        # One at a time opens channels: two callers must not open two for one need.
        self._opening = asyncio.Lock()
        self._programs: dict[bytes, Programs] = {}

    @classmethod
    @asynccontextmanager
    async def connect(cls, config: Config, account: Account | None = None) -> AsyncIterator[Buyer]:
        """A buyer on the configured network, signing with `account` or the configured one.

        Raises ChainUnreachable, WrongChain, NotFound.
        """
        signer = open_account(config) if account is None else account
        ledger = Ledger(config.state_dir / "client" / "ledger.db")
        try:
            async with connect_chain(config) as chain, aiohttp.ClientSession() as session:
                models = Models(chain, session, [config.storage_url], config.cache_dir / "models")
                yield cls(
                    chain=chain, session=session, account=signer, models=models, ledger=ledger
                )
        finally:
            ledger.close()

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        provider: str | None = None,
        max_price: int | None = None,
    ) -> Inference:
        """Buy one run from `provider`, or from the cheapest one that can do it.

        Raises WrongTensor before anything is paid; NotFound with every candidate's reason.
        """
        package = await self.models.package(model)
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        found = await self._program(package, {name: array.shape for name, array in arrays.items()})
        ordered = in_order(found.input_names, arrays)
        candidate = await self._candidate(package, found, provider, max_price)
        order = Order(
            model=package.model_id,
            program=found.program,
            program_root=found.root,
            input_names=found.input_names,
            output_names=found.output_names,
            inputs=tuple(checked_inputs(found.program, ordered)),
            endpoint=candidate.endpoint,
            provider=candidate.provider,
            hot_key=candidate.terms.hot_key if candidate.terms else "",
            price=candidate.price,
            derived=found.derived,
        )
        channel = await self._channel(order, candidate)
        try:
            delivery = await self._caller.call(order, channel)
        except Unavailable:
            self._directory.forget(candidate.endpoint)
            raise
        except Denied:
            self._directory.forget(candidate.endpoint)
            if not await self._is_used_up(channel, order):
                raise
            # Closed behind our back, of a network that was started anew, or emptied by another
            # caller: nothing was promised in vain, and another channel will do.
            delivery = await self._caller.call(order, await self._channel(order, candidate))
        return _inference(model, order, delivery)

    async def channels(self) -> list[tuple[OpenChannel, Channel]]:
        """This account's channels that are not closed: what we remember, what the chain says.

        A channel that the chain does not know was of an earlier development network: it is dropped.
        """
        escrow = (self.chain.chain_id, self.chain.escrow.address)
        found = []
        for known in self.ledger.all(escrow=escrow, client=self.account.address):
            try:
                state = await self.chain.escrow.get_channel(known.channel)
            except NotFound:
                self.ledger.mark_closed(known.channel)
                continue
            found.append((known, state))
        return found

    async def request_close(self) -> list[OpenChannel]:
        """Ask the chain to close every channel of this account; providers now redeem."""
        channels = await self.channels()
        for channel, state in channels:
            if state.status is ChannelStatus.OPEN:
                await self.chain.escrow.request_close(self.account, channel.channel)
            self.ledger.mark_closing(channel.channel)
        return [channel for channel, _ in channels]

    async def finalize(self, channel: bytes, *, timeout_seconds: float = 60.0) -> int:
        """Refund a closing channel once its challenge period is over; returns the refund."""
        deadline = host.monotonic() + timeout_seconds
        while True:
            state = await self.chain.escrow.get_channel(channel)
            if state.status is ChannelStatus.CLOSED:
                self.ledger.mark_closed(channel)
                return 0
            if (await self.chain.block()).time >= state.refundable_at:
                refund = await self.chain.escrow.finalize(self.account, channel)
                self.ledger.mark_closed(channel)
                return refund
            if host.monotonic() > deadline:
                raise DeadlineExceeded("the channel's challenge period is not over yet")
            await asyncio.sleep(0.2)

    async def _program(
        self, package: Package, shapes: Mapping[str, tuple[int, ...]]
    ) -> PackageProgram:
        """The program for these shapes; deriving one takes seconds, so a thread does it."""
        if package.model_id not in self._programs:
            self._programs[package.model_id] = Programs(package)
        return await asyncio.to_thread(self._programs[package.model_id].find, shapes)

    async def _candidate(
        self, package: Package, found: PackageProgram, provider: str | None, max_price: int | None
    ) -> Candidate:
        wanted = Wanted(package.model_id, found.root, found.gas if found.derived else None)
        if provider is None:
            return await self._directory.choose(wanted, max_price=max_price)
        return await self._directory.named(provider, wanted, max_price=max_price)

    async def _channel(self, order: Order, candidate: Candidate) -> OpenChannel:
        """A channel with enough left in it, opened now if there is none."""
        margin = candidate.terms.expiry_margin_seconds if candidate.terms else 0
        async with self._opening:
            for channel in self.ledger.usable(
                escrow=(self.chain.chain_id, self.chain.escrow.address),
                client=self.account.address,
                provider=order.provider,
                model=order.model,
            ):
                lives = channel.expiry > host.now() + margin
                promised = self.ledger.is_promised(channel.channel, order.work)
                if lives and (promised or channel.left >= order.price):
                    return channel
            return await self._open(order)

    async def _is_used_up(self, channel: OpenChannel, order: Order) -> bool:
        """Whether a channel that was refused can pay no more; the ledger then knows it too."""
        try:
            state = await self.chain.escrow.get_channel(channel.channel)
        except NotFound:
            self.ledger.mark_closed(channel.channel)
            return True
        if state.status is not ChannelStatus.OPEN:
            self.ledger.mark_closing(channel.channel)
            return True
        return self.ledger.get(channel.channel).left < order.price

    async def _open(self, order: Order) -> OpenChannel:
        deposit = max(1, order.price * self._policy.deposit_prices)
        expiry = (await self.chain.block()).time + self._policy.duration_seconds
        escrow = self.chain.escrow
        await self.chain.token.ensure_allowance(self.account, escrow.address, deposit)
        channel_id = await escrow.open(
            self.account,
            order.provider,
            order.model,
            deposit,
            salt=host.random_bytes(32),
            expiry=expiry,
        )
        channel = OpenChannel(
            channel=channel_id,
            chain_id=self.chain.chain_id,
            escrow=escrow.address,
            client=self.account.address,
            provider=order.provider,
            model=order.model,
            deposit=deposit,
            expiry=expiry,
        )
        self.ledger.add(channel)
        return channel


def _inference(model: str, order: Order, delivery: Delivery) -> Inference:
    return Inference(
        model=model,
        inputs=dict(zip(order.input_names, order.inputs, strict=True)),
        outputs=delivery.outputs,
        receipt=delivery.receipt,
        price=delivery.price,
        provider=order.provider,
        hot_key=order.hot_key,
    )

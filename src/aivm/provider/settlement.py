"""Turning vouchers into money: redeem what is owed, in time, and pay the tills out.

A channel is redeemed when its client asks to close it, when its expiry comes near, when enough has
gathered, and when the agent drains. Redeeming twice is harmless: the chain pays only the delta.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.escrow import Channel, ChannelStatus, Redemption
from aivm.errors import AivmError, NotFound
from aivm.provider.journal import Job, Journal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SettlementPolicy:
    """When to redeem. `poll_seconds` must be well below the escrow's challenge period."""

    poll_seconds: float = 15.0
    redeem_above: int = 10**18
    redeem_before_expiry_seconds: int = 3600
    batch: int = 10


class Settlement:
    """Watches this provider's channels on chain; the operator account pays the gas."""

    def __init__(
        self, *, chain: Chain, operator: Account, journal: Journal, policy: SettlementPolicy
    ) -> None:
        self._chain = chain
        self._operator = operator
        self._journal = journal
        self._policy = policy

    async def watch(self) -> None:
        """Settle for ever; a chain that is away for a while delays and loses nothing."""
        while True:
            try:
                await self.settle()
            except AivmError as error:
                log.warning("settlement waits: %s", error.message)
            except Exception:  # a defect in one round must not end all settling
                log.exception("settlement failed")
            await asyncio.sleep(self._policy.poll_seconds)

    async def settle(self, *, everything: bool = False) -> int:
        """Redeem what is due (or all that is owed) and pay out; returns base units redeemed."""
        due = [
            (job, channel)
            for job, channel in await self._owed()
            if everything or self._is_due(job, channel)
        ]
        total = 0
        for start in range(0, len(due), self._policy.batch):
            total += await self._redeem(due[start : start + self._policy.batch])
        return total

    async def _owed(self) -> list[tuple[Job, Channel]]:
        """Channels that owe something and can still pay it, with the voucher to use."""
        found = []
        for channel_id in self._journal.channels():
            if self._journal.redeemable(channel_id) is None:
                continue
            try:
                channel = await self._chain.escrow.get_channel(channel_id)
            except NotFound:  # after a reorganisation; it must not stop the others
                log.error("channel %s is not on this chain", channel_id.hex())
                continue
            if channel.status is ChannelStatus.CLOSED:
                self._journal.record_closing(channel_id)
                continue
            # Anybody who has a voucher may have redeemed it, the client included.
            self._journal.record_redemption(channel_id, channel.redeemed)
            job = self._journal.redeemable(channel_id)
            if job is not None:
                found.append((job, channel))
        return found

    def _is_due(self, job: Job, channel: Channel) -> bool:
        policy = self._policy
        return (
            channel.status is ChannelStatus.CLOSING
            or channel.expiry < host.now() + policy.redeem_before_expiry_seconds
            or job.amount - channel.redeemed >= policy.redeem_above
        )

    async def _redeem(self, due: list[tuple[Job, Channel]]) -> int:
        redemptions = [
            Redemption(job.channel, job.sequence, job.amount, job.job, job.voucher_signature)
            for job, _ in due
        ]
        await self._chain.escrow.redeem_many(self._operator, redemptions)
        total = 0
        for job, before in due:
            after = await self._chain.escrow.get_channel(job.channel)
            total += after.redeemed - before.redeemed
            self._journal.record_redemption(job.channel, after.redeemed)
        await self._pay_out({channel.till for _, channel in due})
        log.info("redeemed %d base units from %d channels", total, len(due))
        return total

    async def _pay_out(self, tills: Iterable[int]) -> None:
        """Split what the tills hold among provider, publisher and treasury."""
        for till in sorted(tills):
            held = await self._chain.escrow.get_till(till)
            if held.redeemed > held.paid_out:
                await self._chain.escrow.pay_out(self._operator, till)

"""Whether a request may run: its voucher is genuine, names this very job, and pays for it.

Every refusal is a PaymentRefused that says which rule was broken; nothing is written before all
rules hold. The chain is asked about a channel when it is first seen, when its deposit seems too
small, and when what is known about it has become old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aivm import host
from aivm.chain.escrow import Channel, ChannelStatus
from aivm.errors import BadSignature, NotFound, PaymentRefused
from aivm.market.directory import run_price
from aivm.provider.journal import Job, JobState, Journal
from aivm.receipts import Domain, SignedVoucher, Voucher

ReadChannel = Callable[[bytes], Awaitable[Channel]]


@dataclass(frozen=True)
class Terms:
    """What a provider asks for. Prices are token base units; every client can read them."""

    price_per_gas: int = 10**6
    minimum_price: int = 10**12
    max_request_bytes: int = 64 * 2**20
    # A channel must live this much longer, so that the voucher can still be redeemed.
    expiry_margin_seconds: int = 600
    # How old the chain's word about a channel may be; must be well below the challenge delay.
    channel_refresh_seconds: int = 15
    # The largest program that is derived for a shape which its package does not list; 0: none is.
    max_derived_gas: int = 10**12

    def price(self, gas_units: int) -> int:
        """The price of one run, known before it."""
        return run_price(gas_units, self.price_per_gas, self.minimum_price)


class Channels:
    """Channels as the chain last described them."""

    def __init__(self, read: ReadChannel, refresh_seconds: float) -> None:
        self._read = read
        self._refresh_seconds = refresh_seconds
        self._known: dict[bytes, tuple[float, Channel]] = {}

    async def get(self, channel: bytes, *, at_least: int = 0) -> Channel:
        """The channel, read again if it is old or its deposit is below `at_least`."""
        known = self._known.get(channel)
        if known is not None:
            age, found = host.monotonic() - known[0], known[1]
            if age < self._refresh_seconds and found.deposit >= at_least:
                return found
        found = await self._read(channel)
        self._known[channel] = (host.monotonic(), found)
        return found


class Admission:
    """Turns a voucher into an accepted job, or refuses it."""

    def __init__(
        self, *, provider: str, domain: Domain, terms: Terms, channels: Channels, journal: Journal
    ) -> None:
        self._provider = provider
        self._domain = domain
        self._terms = terms
        self._channels = channels
        self._journal = journal

    async def admit(
        self, signed: SignedVoucher, *, job: bytes, model: bytes, price: int
    ) -> tuple[Job, Channel]:
        """The job, now in the journal, and its channel; the same job again is not paid again."""
        voucher = signed.voucher
        if voucher.job != job:
            raise PaymentRefused("the voucher names another job: model, program or inputs differ")
        channel = await self._payer(signed)
        known = self._journal.find(job)
        if known is not None:  # whatever became of the channel: it was accepted while it was good
            return self._again(known), channel
        self._check_channel(voucher, channel, model)
        self._check_amount(voucher, price)
        accepted = Job(
            job=job,
            channel=voucher.channel,
            sequence=voucher.sequence,
            amount=voucher.amount,
            price=price,
            voucher_signature=signed.signature,
            state=JobState.ACCEPTED,
            created=host.now(),
        )
        self._journal.accept(accepted)
        return accepted, channel

    async def check_payer(self, signed: SignedVoucher, model: bytes) -> None:
        """Raises PaymentRefused unless an open channel for this model stands behind the voucher:
        deriving a program is work that comes before its price is known.
        """
        self._check_channel(signed.voucher, await self._payer(signed), model)

    async def _payer(self, signed: SignedVoucher) -> Channel:
        """The channel of a voucher that its client signed, for this chain and contract."""
        if signed.domain != self._domain:
            raise PaymentRefused(
                "the voucher is for another chain or escrow contract",
                hint=f"Sign for chain {self._domain.chain_id}, {self._domain.contract}.",
            )
        voucher = signed.voucher
        try:
            channel = await self._channels.get(voucher.channel, at_least=voucher.amount)
        except NotFound as error:
            raise PaymentRefused(error.message) from None
        self._check_signer(signed, channel)
        return channel

    def _check_signer(self, signed: SignedVoucher, channel: Channel) -> None:
        try:
            signer = signed.signer()
        except BadSignature as error:
            raise PaymentRefused(f"the voucher is forged: {error.message}") from None
        if signer != channel.client:
            raise PaymentRefused("the voucher is forged: the channel's client did not sign it")

    def _check_channel(self, voucher: Voucher, channel: Channel, model: bytes) -> None:
        if channel.status is not ChannelStatus.OPEN:
            raise PaymentRefused("the channel is not open")
        if channel.provider != self._provider:
            raise PaymentRefused("the channel pays another provider")
        if channel.model != model:
            raise PaymentRefused("the channel was opened for another model")
        if channel.expiry < host.now() + self._terms.expiry_margin_seconds:
            raise PaymentRefused("the channel expires too soon", hint="Open a new channel.")
        if voucher.amount > channel.deposit:
            raise PaymentRefused(
                "the voucher promises more than the channel's deposit", hint="Top the channel up."
            )

    def _check_amount(self, voucher: Voucher, price: int) -> None:
        account = self._journal.account(voucher.channel)
        needed = account.owed + price
        if max(account.covered, voucher.amount) < needed:
            raise PaymentRefused(
                f"the voucher must promise at least {needed} base units, "
                f"it promises {voucher.amount}",
                hint="The price is in the provider's terms; amounts are cumulative.",
            )

    def _again(self, known: Job) -> Job:
        if known.state is JobState.FAILED:
            raise PaymentRefused(
                "this job failed before and was not charged", hint="Use the next sequence number."
            )
        return known

"""The payment channels: open, pay by voucher, redeem, pay out, close."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.transactions import TransactionReceipt
from aivm.errors import BadSignature, NotFound
from aivm.receipts.document import SignedVoucher
from aivm.receipts.eip712 import Domain


class ChannelStatus(enum.IntEnum):
    """Where a channel is in its life."""

    NONE = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


@dataclass(frozen=True)
class Channel:
    """A payment channel; amounts in token base units, times in Unix seconds."""

    id: bytes
    client: str
    provider: str
    model: bytes
    deposit: int  # all that the client has put in
    redeemed: int  # all that vouchers have taken out
    expiry: int  # no job should be accepted from here on
    refundable_at: int  # anyone may finalize from here on
    royalty_bps: int
    fee_bps: int
    till: int  # where redeemed money waits for `pay_out`
    status: ChannelStatus


@dataclass(frozen=True)
class Redemption:
    """A voucher and its client's signature (65 bytes), ready to redeem."""

    channel: bytes
    sequence: int
    amount: int  # cumulative, base units
    job: bytes
    signature: bytes

    @classmethod
    def of(cls, signed: SignedVoucher) -> Redemption:
        """From a voucher as clients send it."""
        voucher = signed.voucher
        fields = (voucher.channel, voucher.sequence, voucher.amount, voucher.job)
        return cls(*fields, signed.signature)

    def arguments(self) -> tuple[bytes, int, int, bytes, bytes]:
        """In the order of the contract."""
        return self.channel, self.sequence, self.amount, self.job, self.signature


@dataclass(frozen=True)
class Till:
    """Where redeemed money of one (provider, model, royalty, fee) waits to be paid out."""

    provider: str
    royalty_bps: int
    fee_bps: int
    model: bytes
    redeemed: int
    paid_out: int


@dataclass(frozen=True)
class Payout:
    """Who was paid what, in base units."""

    to_provider: int
    to_publisher: int
    to_treasury: int


class EscrowManager(Contract):
    """Channel ids, model ids, jobs and salts are 32 bytes; amounts are token base units."""

    NAME = "EscrowManager"

    @property
    def domain(self) -> Domain:
        """Where vouchers count: sign them under this."""
        return Domain(self._chain.chain_id, self.address)

    async def open(
        self,
        account: Account,
        provider: str,
        model: bytes,
        amount: int,
        *,
        salt: bytes,
        expiry: int,
    ) -> bytes:
        """Open a channel and return its id; needs an allowance of the token for this contract."""
        receipt = await self._send(account, "open", provider, model, amount, salt, expiry)
        return bytes(self.event(receipt, "ChannelOpened").arguments["channel"])

    async def top_up(self, account: Account, channel: bytes, amount: int) -> TransactionReceipt:
        """Add to the deposit; by anyone, though only the client is ever refunded."""
        return await self._send(account, "topUp", channel, amount)

    async def extend(self, account: Account, channel: bytes, expiry: int) -> TransactionReceipt:
        """Move the expiry further out; by the client."""
        return await self._send(account, "extend", channel, expiry)

    async def redeem(self, account: Account, redemption: Redemption) -> int:
        """Take what a voucher adds into the channel's till; by anyone. Returns that amount."""
        receipt = await self._send(account, "redeem", *redemption.arguments())
        return int(self.event(receipt, "Redeemed").arguments["paid"])

    async def redeem_many(self, account: Account, redemptions: Sequence[Redemption]) -> int:
        """Redeem several vouchers; bad ones are skipped. Returns the sum of what was taken."""
        entries = [(*each.arguments()[:-1], *_compact(each.signature)) for each in redemptions]
        receipt = await self._send(account, "redeemMany", entries)
        found = self.events(receipt)
        return sum(event.arguments["paid"] for event in found if event.name == "Redeemed")

    async def pay_out(self, account: Account, till: int) -> Payout:
        """Pay all that waits in a till to provider, publisher and treasury; by anyone."""
        receipt = await self._send(account, "payOut", till)
        arguments = self.event(receipt, "PaidOut").arguments
        return Payout(arguments["toProvider"], arguments["toPublisher"], arguments["toTreasury"])

    async def request_close(self, account: Account, channel: bytes) -> int:
        """Bring the expiry forward to now; by the client. Returns when it can be finalized."""
        receipt = await self._send(account, "requestClose", channel)
        return int(self.event(receipt, "CloseRequested").arguments["refundableAt"])

    async def close(self, account: Account, channel: bytes) -> int:
        """Close at once; by the provider. Returns what the client got back."""
        return self._refund(await self._send(account, "close", channel))

    async def finalize(self, account: Account, channel: bytes) -> int:
        """Close after the challenge period; by anyone. Returns what the client got back."""
        return self._refund(await self._send(account, "finalize", channel))

    async def get_channel(self, channel: bytes) -> Channel:
        """The channel's state. Raises NotFound if it was never opened."""
        info = _channel(channel, await self._look_up("getChannel", channel))
        if info.status is ChannelStatus.NONE:
            raise NotFound(f"channel 0x{channel.hex()} was never opened")
        return info

    async def channel_id(self, client: str, provider: str, model: bytes, salt: bytes) -> bytes:
        """The id that `open` would give."""
        return bytes(await self._call("channelId", client, provider, model, salt))

    async def get_till(self, till: int) -> Till:
        """A till's state. Raises NotFound."""
        fields = await self._look_up("getTill", till)
        return Till(
            provider=fields["provider"],
            royalty_bps=fields["royaltyBps"],
            fee_bps=fields["feeBps"],
            model=fields["model"],
            redeemed=fields["redeemed"],
            paid_out=fields["paidOut"],
        )

    async def treasury(self) -> str:
        """Where fees go."""
        return str(await self._call("treasury"))

    async def fee_bps(self) -> int:
        """The treasury's share in channels opened from now on; 100 are 1 %."""
        return int(await self._call("feeBps"))

    async def challenge_period(self) -> int:
        """Seconds between a channel's expiry and its refund."""
        return int(await self._call("CHALLENGE_PERIOD"))

    def _refund(self, receipt: TransactionReceipt) -> int:
        return int(self.event(receipt, "ChannelClosed").arguments["refund"])


def _channel(channel: bytes, fields: dict[str, Any]) -> Channel:
    return Channel(
        id=channel,
        client=fields["client"],
        provider=fields["provider"],
        model=fields["model"],
        deposit=fields["deposit"],
        redeemed=fields["redeemed"],
        expiry=fields["expiry"],
        refundable_at=fields["refundableAt"],
        royalty_bps=fields["royaltyBps"],
        fee_bps=fields["feeBps"],
        till=fields["till"],
        status=ChannelStatus(fields["status"]),
    )


def _compact(signature: bytes) -> tuple[bytes, bytes]:
    """The (r, vs) of a 65-byte signature (ERC-2098): v goes into the free top bit of a low s."""
    if len(signature) != 65 or signature[64] not in (27, 28) or signature[32] >= 0x80:
        raise BadSignature("the voucher's signature is not r || s || v with a low s")
    vs = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32], vs.to_bytes(32, "big")

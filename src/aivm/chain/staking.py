"""Providers and their stakes: register, stake, leave, rotate the hot key, look up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.transactions import TransactionReceipt
from aivm.errors import NotFound
from aivm.receipts.document import SignedReceipt
from aivm.receipts.eip712 import Domain


@dataclass(frozen=True)
class ProviderInfo:
    """What the chain knows of a provider; amounts in token base units, times in Unix seconds."""

    provider: str  # the owner's address: its name in receipts and channels
    hot_key: str  # signs receipts now
    endpoint: str  # base URL of its API
    staked: int
    unbonding: int  # asked back, still slashable
    held_until: int  # no withdrawal before this time
    registered_at: int
    paused: bool
    active: bool


@dataclass(frozen=True)
class Unbonding:
    """Stake on its way out."""

    id: int
    amount: int
    withdrawable_at: int  # unix seconds


class Staking(Contract):
    """Transactions are the owner's (cold) account's; the hot key only signs receipts."""

    NAME = "Staking"

    @property
    def domain(self) -> Domain:
        """Where receipts count: sign them under this."""
        return Domain(self._chain.chain_id, self.address)

    async def register_provider(
        self, account: Account, hot_key: str, endpoint: str
    ) -> TransactionReceipt:
        """Make the account a provider; active once it has staked the minimum."""
        return await self._send(account, "registerProvider", hot_key, endpoint)

    async def rotate_hot_key(self, account: Account, hot_key: str) -> TransactionReceipt:
        """Replace the hot key from the next block on; old receipts still verify."""
        return await self._send(account, "rotateHotKey", hot_key)

    async def set_endpoint(self, account: Account, endpoint: str) -> TransactionReceipt:
        """Announce another base URL."""
        return await self._send(account, "setEndpoint", endpoint)

    async def activate(self, account: Account) -> TransactionReceipt:
        """Come back into the directory."""
        return await self._send(account, "activate")

    async def deactivate(self, account: Account) -> TransactionReceipt:
        """Leave the directory; stake and duties stay."""
        return await self._send(account, "deactivate")

    async def stake(self, account: Account, amount: int) -> TransactionReceipt:
        """Add to the stake; needs an allowance of the token for this contract."""
        return await self._send(account, "stake", amount)

    async def request_unbond(self, account: Account, amount: int) -> Unbonding:
        """Start the way out for a part of the stake."""
        receipt = await self._send(account, "requestUnbond", amount)
        arguments = self.event(receipt, "UnbondRequested").arguments
        return Unbonding(arguments["id"], arguments["amount"], arguments["withdrawableAt"])

    async def withdraw(self, account: Account, unbonding: int) -> TransactionReceipt:
        """Take out a matured unbonding by its id."""
        return await self._send(account, "withdraw", unbonding)

    async def slash(
        self, account: Account, provider: str, amount: int, beneficiary: str, award_bps: int
    ) -> int:
        """Take stake from a convicted provider; by a slasher. Returns what was taken.

        It waits for `collect`.
        """
        receipt = await self._send(account, "slash", provider, amount, beneficiary, award_bps)
        arguments = self.event(receipt, "Slashed").arguments
        return int(arguments["awarded"] + arguments["burned"])

    async def collect(self, account: Account, beneficiary: str) -> int:
        """Pay out what slashes have awarded to a beneficiary; by anyone. Returns how much."""
        receipt = await self._send(account, "collect", beneficiary)
        return int(self.event(receipt, "Collected").arguments["awarded"])

    async def get_provider(self, provider: str) -> ProviderInfo:
        """The provider's entry. Raises NotFound if it never registered."""
        info = _provider_info(provider, await self._look_up("getProvider", provider))
        if info.registered_at == 0:
            raise NotFound(f"{provider} is not registered as a provider")
        return info

    async def is_active(self, provider: str) -> bool:
        """Whether it may serve now: not paused, and staked at least the minimum."""
        return bool(await self._call("isActive", provider))

    async def providers(self, *, first: int = 0, limit: int = 1000) -> list[ProviderInfo]:
        """Registered providers in the order of registration, at most `limit`."""
        count = await self._call("providerCount")
        numbers = range(first, min(count, first + limit))
        addresses = await self._call_many([("providerAt", [number]) for number in numbers])
        entries = await self._call_many([("getProvider", [address]) for address in addresses])
        return [_provider_info(*pair) for pair in zip(addresses, entries, strict=True)]

    async def is_hot_key(self, provider: str, key: str, time: int) -> bool:
        """Whether a receipt of that time (Unix seconds) may be signed by `key`."""
        return bool(await self._call("isHotKey", provider, key, time))

    async def hot_key_at(self, provider: str, time: int) -> str:
        """The hot key that was current at that time; the zero address before registration."""
        return str(await self._call("hotKeyAt", provider, time))

    async def is_signed_receipt(self, signed: SignedReceipt) -> bool:
        """Whether the contract accepts the signature as one of the provider's hot key."""
        signature = signed.signature or b""
        return bool(await self._call("isSignedReceipt", signed.receipt.values(), signature))

    async def minimum_stake(self) -> int:
        """The stake from which a provider is active."""
        return int(await self._call("minimumStake"))

    async def unbonding_delay(self) -> int:
        """Seconds from `request_unbond` to `withdraw`."""
        return int(await self._call("UNBONDING_DELAY"))


def _provider_info(provider: str, fields: dict[str, Any]) -> ProviderInfo:
    return ProviderInfo(
        provider=provider,
        hot_key=fields["hotKey"],
        endpoint=fields["endpoint"],
        staked=fields["staked"],
        unbonding=fields["unbonding"],
        held_until=fields["heldUntil"],
        registered_at=fields["registeredAt"],
        paused=fields["paused"],
        active=fields["active"],
    )

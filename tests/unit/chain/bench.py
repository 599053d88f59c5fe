"""A network with a provider, its client, and somebody who reports and summons.

Accounts by number: 0 governs and publishes, 1 is the provider, 2 its hot key, 3 reports and
summons, 4 is the client.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.commitments import merkle
from aivm.dispute.misconduct import Report
from aivm.receipts import (
    Receipt,
    SignedReceipt,
    SignedVoucher,
    Tier,
    Voucher,
    sign_receipt,
    sign_voucher,
)

TOKEN = 10**18
STAKE, PENALTY, BOND = 5_000 * TOKEN, 500 * TOKEN, 100 * TOKEN
MODEL = b"\x07" * 32
LISTED = tuple(bytes([n]) * 32 for n in range(20, 25))


@dataclass
class Bench:
    """Who is there, and what they sign."""

    chain: Chain
    devchain: DevChain
    channel: bytes
    now: int

    @classmethod
    async def prepared(cls, chain: Chain, devchain: DevChain) -> Bench:
        """A staked provider, an open channel, a published model, and two bonds for a summoner."""
        owner, provider, hot_key, verifier, client = devchain.accounts[:5]
        for account, amount in ((provider, STAKE), (verifier, 2 * BOND), (client, 50 * TOKEN)):
            await chain.token.transfer(owner, account.address, amount)
        await chain.registry.register(
            owner, "demo/five", "1.0.0", MODEL, merkle.root_of_leaves(LISTED), uri="ipfs://five"
        )
        await chain.staking.register_provider(provider, hot_key.address, "https://p")
        await chain.token.approve(provider, chain.staking.address, STAKE)
        await chain.staking.stake(provider, STAKE)
        await chain.token.approve(verifier, chain.misconduct.address, 2 * BOND)
        await chain.token.approve(client, chain.escrow.address, 50 * TOKEN)
        now = (await chain.block()).time
        channel = await chain.escrow.open(
            client, provider.address, MODEL, 50 * TOKEN, salt=bytes(32), expiry=now + 86_400
        )
        return cls(chain, devchain, channel, now)

    @property
    def provider(self) -> Account:
        return self.devchain.accounts[1]

    @property
    def hot_key(self) -> Account:
        return self.devchain.accounts[2]

    @property
    def verifier(self) -> Account:
        return self.devchain.accounts[3]

    @property
    def client(self) -> Account:
        return self.devchain.accounts[4]

    def receipt(self, **changes: Any) -> Receipt:
        fields: dict[str, Any] = {
            "job": bytes(32),
            "model": MODEL,
            "program": LISTED[2],
            "inputs": b"\x04" * 32,
            "outputs": b"\x05" * 32,
            "client": self.client.address,
            "provider": self.provider.address,
            "channel": self.channel,
            "sequence": 3,
            "tier": Tier.OPTIMISTIC,
            "numerics": 1,
            "time": self.now,
        } | changes
        receipt = Receipt(**fields)
        return receipt if "job" in changes else replace(receipt, job=receipt.expected_job)

    def signed(self, receipt: Receipt) -> SignedReceipt:
        return sign_receipt(receipt, self.chain.staking.domain, self.hot_key)

    def voucher(self, receipt: Receipt, signer: Account | None = None) -> SignedVoucher:
        voucher = Voucher(receipt.channel, receipt.sequence, 10 * TOKEN, receipt.job)
        return sign_voucher(voucher, self.chain.escrow.domain, signer or self.client)

    async def report(self, report: Report) -> int:
        """Announced, and made once the seal may be opened."""
        misconduct = self.chain.misconduct
        start = await misconduct.announce(self.verifier, report)
        await self.devchain.advance(start - (await self.chain.block()).time)
        return await misconduct.report(self.verifier, report)

    async def staked(self) -> int:
        return (await self.chain.staking.get_provider(self.provider.address)).staked

    async def balance(self, account: Account) -> int:
        return await self.chain.token.balance_of(account.address)

"""Reports and summonses on a chain, as their users make them; the money; what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.misconduct import MisconductTerms, Standing, Summons
from aivm.commitments import merkle
from aivm.dispute.listing import Listing, listing_of
from aivm.dispute.misconduct import Report, claim_hash, find_offence, order_id
from aivm.errors import ChainRejected, MalformedReceipt, NotAllowed, NotFound
from aivm.receipts import (
    NO_CHANNEL,
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
class Court:
    """A network with a provider, its client, and somebody who reports and summons."""

    chain: Chain
    devchain: DevChain
    channel: bytes
    now: int

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


@pytest.fixture
async def court(deployed: Chain, devchain: DevChain) -> Court:
    """Account 0 governs and publishes, 1 is the provider, 2 its hot key, 4 the client."""
    owner, provider, hot_key, verifier, client = devchain.accounts[:5]
    for account, amount in ((provider, STAKE), (verifier, 2 * BOND), (client, 50 * TOKEN)):
        await deployed.token.transfer(owner, account.address, amount)
    await deployed.registry.register(
        owner, "demo/five", "1.0.0", MODEL, merkle.root_of_leaves(LISTED), uri="ipfs://five"
    )
    await deployed.staking.register_provider(provider, hot_key.address, "https://p")
    await deployed.token.approve(provider, deployed.staking.address, STAKE)
    await deployed.staking.stake(provider, STAKE)
    await deployed.token.approve(verifier, deployed.misconduct.address, 2 * BOND)
    await deployed.token.approve(client, deployed.escrow.address, 50 * TOKEN)
    now = (await deployed.block()).time
    channel = await deployed.escrow.open(
        client, provider.address, MODEL, 50 * TOKEN, salt=bytes(32), expiry=now + 86_400
    )
    return Court(deployed, devchain, channel, now)


async def test_terms_are_those_of_the_dispute_game(deployed: Chain) -> None:
    terms, game = await deployed.misconduct.terms(), await deployed.dispute.terms()
    assert terms == MisconductTerms(game.window, 300, 6 * 3600, game.bond, game.penalty)


async def test_equivocation_is_reported_and_paid(court: Court) -> None:
    misconduct = court.chain.misconduct
    first, second = court.receipt(), court.receipt(outputs=b"\x06" * 32)
    report = find_offence([court.signed(first), court.signed(second)])
    with pytest.raises(ChainRejected) as early:
        await misconduct.report(court.verifier, report)
    assert early.value.error == "NotAnnounced"
    start = await misconduct.announce(court.verifier, report)
    assert await misconduct.announce(court.verifier, report) == start
    with pytest.raises(ChainRejected) as early:
        await misconduct.report(court.verifier, report)
    assert early.value.error == "NotYetReportable"
    assert await court.report(report) == PENALTY
    assert await court.staked() == STAKE - PENALTY
    assert await court.balance(court.verifier) == 2 * BOND + PENALTY // 2 * 4 // 5
    assert await misconduct.convicted(claim_hash(first))
    assert await misconduct.convicted(claim_hash(second))
    with pytest.raises(ChainRejected) as again:
        await court.report(report)
    assert again.value.error == "AlreadyConvicted"


async def test_a_wrong_job_id_is_reported(court: Court) -> None:
    wrong = court.signed(court.receipt(job=b"\x01" * 32))
    with pytest.raises(ChainRejected) as refused:
        await court.chain.misconduct.summon(court.verifier, wrong)
    assert refused.value.error == "WrongJob"
    assert await court.report(find_offence([wrong])) == PENALTY


async def test_a_summons_is_answered_by_the_clients_voucher(court: Court) -> None:
    misconduct, receipt = court.chain.misconduct, court.receipt(program=b"derived".ljust(32))
    order = order_id(receipt)
    assert await misconduct.summons(order) == Summons(Standing.NONE, None, 0)
    deadline = await misconduct.summon(court.verifier, court.signed(receipt))
    expected = Summons(Standing.SUMMONED, court.verifier.address, deadline)
    assert await misconduct.summons(order) == expected
    with pytest.raises(ChainRejected) as forged:
        voucher = court.voucher(receipt, court.provider)
        await misconduct.show_agreement(court.provider, receipt, voucher)
    assert forged.value.error == "NotAgreed"
    other = court.receipt(sequence=4)
    with pytest.raises(NotAllowed, match="sequence"):
        await misconduct.show_agreement(court.provider, receipt, court.voucher(other))
    await misconduct.show_agreement(court.hot_key, receipt, court.voucher(receipt))
    assert await misconduct.summons(order) == replace(expected, standing=Standing.SHOWN)
    assert await court.balance(court.provider) == BOND // 2
    assert await court.balance(court.verifier) == BOND


async def test_silence_convicts(court: Court) -> None:
    misconduct, receipt = court.chain.misconduct, court.receipt()
    await misconduct.summon(court.verifier, court.signed(receipt))
    with pytest.raises(ChainRejected) as early:
        await misconduct.lapse(court.hot_key, receipt)
    assert early.value.error == "NotYetOver"
    await court.devchain.advance((await misconduct.terms()).answer_time + 1)
    with pytest.raises(ChainRejected) as late:
        await misconduct.show_agreement(court.provider, receipt, court.voucher(receipt))
    assert late.value.error == "TooLate"
    await misconduct.lapse(court.hot_key, receipt)
    assert (await misconduct.summons(order_id(receipt))).standing is Standing.CONVICTED
    assert await court.staked() == STAKE - PENALTY
    assert await court.balance(court.verifier) == 2 * BOND + PENALTY // 2 * 4 // 5


async def test_a_gift_is_answered_by_the_publishers_list(court: Court) -> None:
    misconduct = court.chain.misconduct
    receipt = court.receipt(channel=NO_CHANNEL, sequence=0)
    await misconduct.summon(court.verifier, court.signed(receipt))
    listing = listing_of(LISTED, receipt.program)
    assert await misconduct.is_listed(MODEL, receipt.program, listing)
    assert not await misconduct.is_listed(MODEL, receipt.program, Listing(9, 4, ()))
    with pytest.raises(NotFound):
        await misconduct.is_listed(b"\x01" * 32, receipt.program, listing)
    with pytest.raises(ChainRejected) as wrong:
        await misconduct.show_listing(court.provider, receipt, listing_of(LISTED, LISTED[1]))
    assert wrong.value.error == "NotListed"
    await misconduct.show_listing(court.provider, receipt, listing)
    assert (await misconduct.summons(order_id(receipt))).standing is Standing.SHOWN


async def test_a_local_receipt_summons_nobody(court: Court) -> None:
    local = SignedReceipt(court.chain.staking.domain, court.receipt(tier=Tier.LOCAL), None)
    with pytest.raises(MalformedReceipt, match="signed"):
        await court.chain.misconduct.summon(court.verifier, local)

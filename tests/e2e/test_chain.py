"""The chain's part of the main job: a channel is opened, paid by voucher, redeemed and settled.

Everything is real: an anvil of its own, the contracts, keystore files, the address book on disk,
and vouchers and receipts as the `receipts` room makes them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.escrow import ChannelStatus, Redemption
from aivm.chain.keystore import LIGHT, Keystore
from aivm.receipts import Receipt, Tier, Voucher, job_id, sign_receipt, sign_voucher

TOKEN = 10**18
MODEL, PROGRAM, INPUTS, OUTPUTS = (bytes([number]) * 32 for number in (1, 2, 3, 4))
PRICE = TOKEN // 1000


@pytest.mark.usefixtures("anvil_path")
async def test_from_keys_to_settlement(tmp_path: Path) -> None:
    keys = Keystore(tmp_path / "keys")
    for name in ("client", "provider", "publisher"):
        keys.create(name, "a password", cost=LIGHT)
    client, provider, publisher = (
        keys.load(name, "a password") for name in ("client", "provider", "publisher")
    )
    async with DevChain.start() as devchain:
        (await devchain.deploy()).write(tmp_path / "book.json")
        book = AddressBook.read(tmp_path / "book.json")
        async with await Chain.connect(devchain.url, book) as chain:
            for account in (client, provider, publisher):
                await devchain.fund(account.address)
                await chain.token.transfer(devchain.accounts[0], account.address, 5000 * TOKEN)
            hot_key = Account.generate()
            await become_provider(chain, provider, hot_key)
            await chain.registry.register(
                publisher, "acme/model", "1.0.0", MODEL, PROGRAM, royalty_bps=500, uri="ipfs://m"
            )
            await pay_and_settle(devchain, chain, client, provider, hot_key)
            assert await chain.token.balance_of(chain.escrow.address) == 0
            # 100 inferences: 2.5 % to the treasury, 5 % royalty, the rest to the provider
            gained = await chain.token.balance_of(publisher.address) - 5000 * TOKEN
            assert gained == 100 * PRICE * 500 // 10_000


async def become_provider(chain: Chain, provider: Account, hot_key: Account) -> None:
    await chain.staking.register_provider(provider, hot_key.address, "http://127.0.0.1:1")
    await chain.token.ensure_allowance(provider, chain.staking.address, 1000 * TOKEN)
    await chain.staking.stake(provider, 1000 * TOKEN)
    assert [entry.provider for entry in await chain.staking.providers() if entry.active] == [
        provider.address
    ]


async def pay_and_settle(
    devchain: DevChain, chain: Chain, client: Account, provider: Account, hot_key: Account
) -> None:
    now = (await chain.block()).time
    await chain.token.ensure_allowance(client, chain.escrow.address, TOKEN)
    channel = await chain.escrow.open(
        client, provider.address, MODEL, TOKEN, salt=bytes(32), expiry=now + 600
    )
    # a hundred inferences, none of them a transaction; the last voucher stands for all
    job = job_id(channel, 100, MODEL, PROGRAM, INPUTS)
    voucher = sign_voucher(Voucher(channel, 100, 100 * PRICE, job), chain.escrow.domain, client)
    receipt = Receipt(
        job, MODEL, PROGRAM, INPUTS, OUTPUTS, client.address, provider.address, channel, 100,
        Tier.OPTIMISTIC, 1, now,
    )  # fmt: skip
    signed = sign_receipt(receipt, chain.staking.domain, hot_key)
    assert await chain.staking.is_signed_receipt(signed)
    lie = replace(signed, receipt=replace(receipt, outputs=INPUTS))
    assert not await chain.staking.is_signed_receipt(lie)

    assert await chain.escrow.redeem(provider, Redemption.of(voucher)) == 100 * PRICE
    state = await chain.escrow.get_channel(channel)
    await chain.escrow.pay_out(provider, state.till)
    await chain.escrow.request_close(client, channel)
    await devchain.advance(await chain.escrow.challenge_period())
    assert await chain.escrow.finalize(client, channel) == TOKEN - 100 * PRICE
    assert (await chain.escrow.get_channel(channel)).status is ChannelStatus.CLOSED


async def test_many_clients_of_one_network_at_once(deployed: Chain, devchain: DevChain) -> None:
    """Ten connections with ten accounts, several transactions each, none lost."""
    receiver = Account.generate().address

    async def pay(account: Account) -> None:
        async with await Chain.connect(devchain.url, deployed.address_book) as chain:
            await asyncio.gather(
                *(chain.token.transfer(account, receiver, amount) for amount in range(1, 6))
            )

    for account in devchain.accounts[1:]:
        await deployed.token.transfer(devchain.accounts[0], account.address, TOKEN)
    await asyncio.gather(*(pay(account) for account in devchain.accounts))
    assert await deployed.token.balance_of(receiver) == 15 * len(devchain.accounts)

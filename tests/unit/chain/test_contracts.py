"""The typed wrappers, each method against the deployed contract."""

from __future__ import annotations

import pytest

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.escrow import Channel, ChannelStatus, Redemption
from aivm.chain.registry import ModelStatus
from aivm.errors import ChainRejected, NotFound
from aivm.receipts import Voucher, sign_voucher

TOKEN = 10**18
MODEL, PROGRAMS, SALT, JOB = b"m" * 32, b"p" * 32, b"s" * 32, b"j" * 32


async def funded_provider(chain: Chain, devchain: DevChain, stake: int = 1000 * TOKEN) -> Account:
    """The second account, with tokens staked."""
    governance, provider = devchain.accounts[:2]
    await chain.token.transfer(governance, provider.address, 2 * stake)
    await chain.token.ensure_allowance(provider, chain.staking.address, stake)
    await chain.staking.register_provider(provider, Account.generate().address, "http://provider")
    await chain.staking.stake(provider, stake)
    return provider


async def registered_model(chain: Chain, publisher: Account, royalty_bps: int = 1000) -> None:
    await chain.registry.register(
        publisher, "acme/small", "1.0.0", MODEL, PROGRAMS, royalty_bps=royalty_bps, uri="ipfs://m"
    )


async def opened(
    chain: Chain, devchain: DevChain, amount: int = 100 * TOKEN
) -> tuple[Account, Channel]:
    """A channel from the third account to a staked provider, for a model of the fourth account."""
    client, publisher = devchain.accounts[2:4]
    provider = await funded_provider(chain, devchain)
    await registered_model(chain, publisher)
    await chain.token.transfer(devchain.accounts[0], client.address, 10 * amount)
    await chain.token.ensure_allowance(client, chain.escrow.address, 2 * amount)
    expiry = (await chain.block()).time + 3600
    channel = await chain.escrow.open(
        client, provider.address, MODEL, amount, salt=SALT, expiry=expiry
    )
    return client, await chain.escrow.get_channel(channel)


def voucher(
    chain: Chain, client: Account, channel: Channel, sequence: int, amount: int
) -> Redemption:
    made = Voucher(channel.id, sequence, amount, JOB)
    return Redemption.of(sign_voucher(made, chain.escrow.domain, client))


async def test_token(deployed: Chain, devchain: DevChain) -> None:
    holder, other = devchain.accounts[:2]
    supply = await deployed.token.total_supply()
    assert await deployed.token.balance_of(holder.address) == supply
    await deployed.token.approve(holder, other.address, 5)
    assert await deployed.token.allowance(holder.address, other.address) == 5
    await deployed.token.burn(holder, 7)
    assert await deployed.token.total_supply() == supply - 7


async def test_an_allowance_is_approved_only_when_it_is_too_small(
    deployed: Chain, devchain: DevChain
) -> None:
    holder, other = devchain.accounts[:2]
    await deployed.token.ensure_allowance(holder, other.address, 5)
    block = await deployed.block()
    await deployed.token.ensure_allowance(holder, other.address, 4)
    assert await deployed.block() == block
    assert await deployed.token.allowance(holder.address, other.address) == 5


async def test_registry(deployed: Chain, devchain: DevChain) -> None:
    publisher, registry = devchain.accounts[3], deployed.registry
    await registered_model(deployed, publisher)
    await registry.register(publisher, "acme/small", "1.1.0", b"n" * 32, PROGRAMS, uri="ipfs://n")
    info = await registry.get_model(MODEL)
    assert (info.model, info.name, info.version) == (MODEL, "acme/small", "1.0.0")
    assert (info.publisher, info.programs) == (publisher.address, PROGRAMS)
    assert (info.royalty_bps, info.status, info.uri) == (1000, ModelStatus.ACTIVE, "ipfs://m")
    assert abs(info.registered_at - (await deployed.block()).time) < 60
    assert await registry.resolve("acme/small", "1.0.0") == MODEL
    assert await registry.latest("acme/small") == b"n" * 32
    assert [entry.version for entry in await registry.models()] == ["1.0.0", "1.1.0"]
    assert [entry.version for entry in await registry.models(first=1)] == ["1.1.0"]
    assert [entry.version for entry in await registry.models(limit=1)] == ["1.0.0"]
    assert await registry.models(first=9) == []


async def test_a_models_life(deployed: Chain, devchain: DevChain) -> None:
    governance, publisher = devchain.accounts[0], devchain.accounts[3]
    await registered_model(deployed, publisher)
    await deployed.registry.set_royalty(publisher, MODEL, 5)
    assert (await deployed.registry.get_model(MODEL)).royalty_bps == 5
    await deployed.registry.deprecate(publisher, MODEL)
    assert (await deployed.registry.get_model(MODEL)).status is ModelStatus.DEPRECATED
    await deployed.registry.revoke(governance, MODEL)
    assert (await deployed.registry.get_model(MODEL)).status is ModelStatus.REVOKED


async def test_only_governance_revokes(deployed: Chain, devchain: DevChain) -> None:
    await registered_model(deployed, devchain.accounts[3])
    with pytest.raises(ChainRejected) as caught:
        await deployed.registry.revoke(devchain.accounts[3], MODEL)
    assert caught.value.error == "AccessControlUnauthorizedAccount"


async def test_what_is_not_there_is_not_found(deployed: Chain) -> None:
    lookups = [
        deployed.registry.get_model(MODEL),
        deployed.registry.latest("acme/none"),
        deployed.registry.resolve("acme/none", "1.0.0"),
        deployed.staking.get_provider("0x" + "11" * 20),
        deployed.escrow.get_channel(SALT),
        deployed.escrow.get_till(99),
    ]
    for lookup in lookups:
        with pytest.raises(NotFound):
            await lookup


async def test_staking(deployed: Chain, devchain: DevChain) -> None:
    staking = deployed.staking
    provider = await funded_provider(deployed, devchain)
    info = await staking.get_provider(provider.address)
    assert (info.provider, info.endpoint) == (provider.address, "http://provider")
    assert (info.staked, info.unbonding, info.active) == (1000 * TOKEN, 0, True)
    assert await staking.providers() == [info]
    assert await staking.is_active(provider.address)
    assert await staking.is_hot_key(provider.address, info.hot_key, info.registered_at)
    assert await staking.hot_key_at(provider.address, info.registered_at) == info.hot_key
    assert await staking.minimum_stake() == 1000 * TOKEN

    await staking.set_endpoint(provider, "http://elsewhere")
    await staking.deactivate(provider)
    info = await staking.get_provider(provider.address)
    assert (info.endpoint, info.paused, info.active) == ("http://elsewhere", True, False)
    await staking.activate(provider)
    assert await staking.is_active(provider.address)


async def test_a_hot_key_is_rotated(deployed: Chain, devchain: DevChain) -> None:
    provider = await funded_provider(deployed, devchain)
    old = await deployed.staking.get_provider(provider.address)
    await devchain.advance(3600)
    await deployed.staking.rotate_hot_key(provider, Account.generate().address)
    new = await deployed.staking.get_provider(provider.address)
    assert new.hot_key != old.hot_key
    assert await deployed.staking.is_hot_key(provider.address, old.hot_key, old.registered_at)


async def test_stake_leaves_after_the_delay(deployed: Chain, devchain: DevChain) -> None:
    provider = await funded_provider(deployed, devchain)
    before = await deployed.token.balance_of(provider.address)
    unbonding = await deployed.staking.request_unbond(provider, 400 * TOKEN)
    assert unbonding.amount == 400 * TOKEN
    assert not await deployed.staking.is_active(provider.address)
    with pytest.raises(ChainRejected) as caught:
        await deployed.staking.withdraw(provider, unbonding.id)
    assert caught.value.error == "NotYetWithdrawable"
    assert caught.value.arguments == {"withdrawableAt": unbonding.withdrawable_at}
    await devchain.advance(await deployed.staking.unbonding_delay())
    await deployed.staking.withdraw(provider, unbonding.id)
    assert await deployed.token.balance_of(provider.address) - before == 400 * TOKEN


async def test_only_a_slasher_slashes(deployed: Chain, devchain: DevChain) -> None:
    provider = await funded_provider(deployed, devchain)
    stranger = devchain.accounts[4]
    with pytest.raises(ChainRejected) as caught:
        await deployed.staking.slash(stranger, provider.address, TOKEN, stranger.address, 1000)
    assert caught.value.error == "AccessControlUnauthorizedAccount"


async def test_a_channel_is_opened_paid_and_closed(deployed: Chain, devchain: DevChain) -> None:
    escrow = deployed.escrow
    client, channel = await opened(deployed, devchain)
    provider, publisher = devchain.accounts[1], devchain.accounts[3]
    assert (channel.client, channel.provider) == (client.address, provider.address)
    assert (channel.deposit, channel.redeemed) == (100 * TOKEN, 0)
    assert channel.status is ChannelStatus.OPEN
    assert channel.id == await escrow.channel_id(client.address, provider.address, MODEL, SALT)

    paid = await escrow.redeem(provider, voucher(deployed, client, channel, 1, 40 * TOKEN))
    assert paid == 40 * TOKEN
    till = await escrow.get_till(channel.till)
    assert (till.provider, till.redeemed, till.paid_out) == (provider.address, 40 * TOKEN, 0)
    before = await deployed.token.balance_of(publisher.address)
    payout = await escrow.pay_out(provider, channel.till)
    assert payout.to_provider + payout.to_publisher + payout.to_treasury == 40 * TOKEN
    assert payout.to_publisher == 4 * TOKEN
    assert payout.to_treasury == 40 * TOKEN * await escrow.fee_bps() // 10_000
    assert await deployed.token.balance_of(publisher.address) - before == payout.to_publisher

    assert await escrow.close(provider, channel.id) == 60 * TOKEN
    assert (await escrow.get_channel(channel.id)).status is ChannelStatus.CLOSED
    assert await deployed.token.balance_of(escrow.address) == 0


async def test_a_replayed_voucher_is_refused(deployed: Chain, devchain: DevChain) -> None:
    client, channel = await opened(deployed, devchain)
    redemption = voucher(deployed, client, channel, 3, TOKEN)
    await deployed.escrow.redeem(client, redemption)
    with pytest.raises(ChainRejected) as caught:
        await deployed.escrow.redeem(client, redemption)
    assert caught.value.error == "NothingToRedeem"
    assert caught.value.arguments == {"channel": channel.id, "amount": TOKEN, "redeemed": TOKEN}


async def test_a_larger_voucher_is_good_whatever_its_sequence(
    deployed: Chain, devchain: DevChain
) -> None:
    client, channel = await opened(deployed, devchain)
    await deployed.escrow.redeem(client, voucher(deployed, client, channel, 1_000_000, 1))
    held = voucher(deployed, client, channel, 1, TOKEN)
    assert await deployed.escrow.redeem(client, held) == TOKEN - 1


async def test_a_forged_voucher_is_refused(deployed: Chain, devchain: DevChain) -> None:
    _, channel = await opened(deployed, devchain)
    forged = voucher(deployed, devchain.accounts[5], channel, 1, TOKEN)
    with pytest.raises(ChainRejected) as caught:
        await deployed.escrow.redeem(devchain.accounts[5], forged)
    assert caught.value.error == "BadSignature"


async def test_many_vouchers_at_once_skip_the_bad_ones(deployed: Chain, devchain: DevChain) -> None:
    client, channel = await opened(deployed, devchain)
    good = voucher(deployed, client, channel, 1, TOKEN)
    bad = voucher(deployed, devchain.accounts[5], channel, 2, 2 * TOKEN)
    better = voucher(deployed, client, channel, 3, 3 * TOKEN)
    assert await deployed.escrow.redeem_many(client, [good, bad, better]) == 3 * TOKEN
    assert (await deployed.escrow.get_channel(channel.id)).redeemed == 3 * TOKEN


async def test_the_client_gets_its_rest_back_after_the_challenge_period(
    deployed: Chain, devchain: DevChain
) -> None:
    escrow = deployed.escrow
    client, channel = await opened(deployed, devchain)
    await escrow.top_up(client, channel.id, 10 * TOKEN)
    await escrow.extend(client, channel.id, channel.expiry + 60)
    refundable_at = await escrow.request_close(client, channel.id)
    with pytest.raises(ChainRejected) as caught:
        await escrow.finalize(client, channel.id)
    assert caught.value.error == "NotYetRefundable"
    assert caught.value.arguments["refundableAt"] == refundable_at
    await devchain.advance(await escrow.challenge_period())
    assert await escrow.finalize(client, channel.id) == 110 * TOKEN


async def test_governance_is_the_treasury_of_a_devnet(deployed: Chain, devchain: DevChain) -> None:
    assert await deployed.escrow.treasury() == devchain.accounts[0].address

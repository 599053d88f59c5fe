"""Money at its borders: dust, a stake that is gone, a game without its power to slash."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.adversity import tables
from tests.adversity.arena import (
    CHALLENGER,
    OWNER,
    PROVIDER,
    STAKE,
    Arena,
    Side,
    acquittal,
    changes,
    conviction,
)

from aivm.chain.deploy import DeploymentParameters
from aivm.chain.transactions import Intent


@pytest.mark.parametrize(("bond", "penalty"), [(1, 1), (1, 2), (2, 9), (3, 10), (3, 19)])
async def test_dust(bond: int, penalty: int, arena: Arena) -> None:
    """Every half and share is rounded so that it adds up."""
    parameters = replace(
        DeploymentParameters.for_devnet(arena.address(OWNER)),
        dispute_bond=bond,
        dispute_penalty=penalty,
        minimum_stake=1,
    )
    async with arena.elsewhere(parameters, stake=20) as dust:
        await dust.equip(CHALLENGER, bonds=2)
        before = await dust.money()
        await (await dust.open(tables.cheat("map"))).finish(Side.CHALLENGER)
        after = await dust.money()
        assert changes(before, after) == conviction(dust.terms, 20)
        await (await dust.open(tables.slander("map"))).finish(Side.PROVIDER)
        assert changes(after, await dust.money()) == acquittal(dust.terms)


@pytest.mark.parametrize("left", [0, 1, 7, 499])
async def test_a_stake_that_is_smaller_than_the_penalty(left: int, arena: Arena) -> None:
    """What is there is taken; the challenger's bond comes home in any case."""
    parameters = replace(
        DeploymentParameters.for_devnet(arena.address(OWNER)),
        dispute_penalty=STAKE - left,
        minimum_stake=1,
    )
    async with arena.elsewhere(parameters) as poor:
        await poor.equip(CHALLENGER, bonds=2)
        await (await poor.open(tables.cheat("map"))).finish(Side.CHALLENGER)
        before = await poor.money()
        await (await poor.open(tables.cheat("arg"))).finish(Side.CHALLENGER)
        assert changes(before, await poor.money()) == conviction(poor.terms, left)


async def test_a_stake_on_its_way_out_is_reached(arena: Arena) -> None:
    before = await arena.money()
    await arena.chain.staking.request_unbond(arena.account(PROVIDER), STAKE)
    await (await arena.open(tables.cheat("map"))).finish(Side.CHALLENGER)
    assert changes(before, await arena.money()) == conviction(arena.terms)


async def test_a_bond_out_of_an_award(arena: Arena) -> None:
    """What a winner was awarded may be put up again before any token has moved, and be lost."""
    await (await arena.open(tables.cheat("map"))).finish(Side.CHALLENGER)
    challenger, provider = arena.account(CHALLENGER), arena.address(PROVIDER)
    await arena.game.withdraw(challenger, arena.terms.bond)
    await (await arena.open(tables.slander("map"))).finish(Side.PROVIDER)
    assert await arena.chain.token.balance_of(provider) == arena.terms.bond // 2
    assert (await arena.money())["game"] == 0


async def revoke(arena: Arena) -> None:
    """Governance takes the game's power to slash."""
    staking = arena.chain.staking
    (role,) = await staking._call_many([("SLASHER_ROLE", ())])
    data = staking.abi.encode_call("revokeRole", [role, arena.game.address])
    await arena.chain.send(arena.account(OWNER), Intent("revokeRole", staking.address, data))


@pytest.mark.parametrize("rounds", [0, 1])
async def test_a_game_whose_contract_is_retired_goes_home(rounds: int, arena: Arena) -> None:
    """An honest challenger has its bond again, after the provider's silence and after a proof."""
    before = await arena.money()
    duel = await arena.open(tables.cheat("map"))
    for _ in range(rounds):
        await duel.make(duel.move())
    await revoke(arena)
    if rounds:
        await duel.finish(Side.CHALLENGER)
    else:
        await duel.timeout()
    assert changes(before, await arena.money()) == {}

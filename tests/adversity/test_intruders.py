"""Moves by others, twice, out of turn, or of another game: none has any effect."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.adversity import tables
from tests.adversity.arena import (
    CHALLENGER,
    CLIENT,
    HOT,
    OTHER,
    OWNER,
    PROVIDER,
    STRANGER,
    Arena,
    Attempt,
    Duel,
    Side,
    acquittal,
    changes,
    conviction,
)

from aivm.chain.dispute_calls import opened_record, receipt_fields
from aivm.dispute.game import Outcome
from aivm.errors import ChainRejected

NO_MOVE = {"NotYourMove", "WrongPhase", "WrongState", "WrongReceipt", "WrongOpening", "WrongCount"}
EVERYBODY = (OWNER, PROVIDER, HOT, CHALLENGER, CLIENT, STRANGER)


async def refused(arena: Arena, attempts: list[Attempt], reasons: set[str]) -> None:
    """The contract refuses them all, and for such reasons only."""
    errors = await arena.refusals(attempts)
    arena.tally.lies += len(errors)
    assert set(errors) <= reasons, set(errors) - reasons


@pytest.mark.parametrize("name", tables.LAST)
async def test_only_the_mover_makes_only_the_next_move_and_only_once(
    name: str, arena: Arena
) -> None:
    before = await arena.money()
    duel = await arena.open(tables.cheat(name))
    script, gone = await duel.rehearsal(), list[bytes]()
    sides = (arena.address(HOT), duel.state.challenger)
    for number, move in enumerate(script):
        data = duel.calldata(move)
        others = [arena.address(who) for who in EVERYBODY if arena.address(who) != duel.mover]
        if number == 0:
            others.remove(arena.address(PROVIDER))  # may commit like its hot key
        await refused(arena, [(who, data) for who in others], {"NotYourMove"})
        wrong = [duel.calldata(other) for other in script if other is not move]
        await refused(arena, [(duel.mover, other) for other in wrong], NO_MOVE)
        await refused(arena, [(who, old) for old in gone for who in sides], {"WrongState"})
        gone.append(data)
        outcome = await duel.make(move)
    arena.verdict(outcome, Outcome.CONVICTED)
    await refused(arena, [(who, old) for old in gone for who in sides], {"WrongState"})
    assert changes(before, await arena.money()) == conviction(arena.terms)


async def test_another_move_for_a_state_that_is_gone(arena: Arena) -> None:
    """Each leaf that a challenger may pick is legal once; then none is."""
    duel = await arena.open(tables.slander("matmul"))
    await duel.make(duel.move())
    first = duel.calldata(duel.move())
    branch = duel.copy()
    branch.challenger = replace(tables.slander("matmul", 30).challenger, receipt=duel.receipt)
    second = branch.calldata(branch.move())
    assert first != second
    mover = duel.mover
    assert await arena.refusals([(mover, first), (mover, second)]) == ["", ""]
    await duel.make(duel.move())
    await refused(arena, [(mover, first), (mover, second)], {"WrongState"})


@pytest.mark.parametrize("mirrors", [False, True])
async def test_a_copied_opening_is_a_game_of_its_own(mirrors: bool, arena: Arena) -> None:
    """Whoever copies the challenger's transactions may be first to win, at nobody's cost."""
    before = await arena.money()
    table = tables.cheat("matmul")
    receipt = arena.receipt(table.provider.receipt, await arena.now())
    signed = arena.signed(receipt)
    copied = await arena.join(table, signed, OTHER)
    duel = await arena.join(table, signed, CHALLENGER)
    await duel.make(duel.move())
    await refused(arena, [(arena.address(OTHER), duel.calldata(duel.move()))], {"NotYourMove"})
    first, second = (copied, duel) if mirrors else (duel, copied)
    await first.finish(Side.CHALLENGER)
    await arena.game.void(arena.account(STRANGER), second.state)
    wanted = conviction(arena.terms)
    if mirrors:
        wanted["other"] = wanted.pop("challenger")
    assert changes(before, await arena.money()) == wanted


async def test_an_honest_provider_wins_two_games_at_once(arena: Arena) -> None:
    before = await arena.money()
    duel = await arena.open(tables.slander("matmul"))
    other = await arena.join(tables.slander("matmul"), duel.signed, OTHER)
    await duel.make(duel.move())
    await other.finish(Side.PROVIDER)
    arena.verdict(await duel.timeout(), Outcome.ACQUITTED)
    wanted = acquittal(arena.terms)
    wanted["other"] = wanted["challenger"]
    doubled = {name: amount * 2 for name, amount in wanted.items()}
    doubled["other"] = doubled["challenger"] = -arena.terms.bond
    assert changes(before, await arena.money()) == doubled


# --- replays --------------------------------------------------------------------------------------


def opening(duel: Duel, signature: bytes) -> bytes:
    tree = duel.provider.program
    header = opened_record(tree.record(0), tree.path(0))
    arguments = [receipt_fields(duel.receipt), signature, header]
    return duel.arena.game.abi.encode_call("open", arguments)


async def test_nothing_of_one_game_counts_in_another(arena: Arena) -> None:
    """Two receipts of one provider about one program: the same trace, two games."""
    table = tables.cheat("lanes")
    duel = await arena.open(table)
    receipt = replace(duel.receipt, sequence=2, job=bytes([2]) * 32)
    other = await arena.join(table, arena.signed(receipt), OTHER)
    assert duel.signed.signature and other.signed.signature
    swapped = [opening(duel, other.signed.signature), opening(other, duel.signed.signature)]
    await refused(arena, [(arena.address(STRANGER), data) for data in swapped], {"NotSigned"})
    for _ in await duel.rehearsal():
        ours, theirs, sides = duel.move(), other.move(), (duel.mover, other.mover)
        mixed = [
            arena.calldata(duel.state, theirs, other.receipt),
            arena.calldata(other.state, ours, duel.receipt),
            arena.calldata(replace(other.state, receipt=duel.state.receipt), ours, duel.receipt),
            arena.calldata(replace(duel.state, challenger=sides[1]), ours, duel.receipt),
        ]
        right = {duel.calldata(ours), other.calldata(theirs)}
        wrong = [(who, data) for data in mixed if data not in right for who in sides]
        await refused(arena, wrong, NO_MOVE)
        ends = [await duel.make(ours), await other.make(theirs)]
    for end in ends:
        arena.verdict(end, Outcome.CONVICTED)


async def test_nothing_of_one_chain_or_deployment_counts_on_another(arena: Arena) -> None:
    """The same people are registered in both; only the signature's domain differs."""
    duel = await arena.open(tables.cheat("map"))
    assert duel.signed.signature
    data = opening(duel, duel.signed.signature)
    attempt = (arena.address(OTHER), data)
    assert await arena.refusals([attempt]) == [""]
    await arena.devchain.rpc.call("anvil_setChainId", 31338)
    try:
        assert await arena.refusals([attempt]) == ["NotSigned"]
    finally:
        await arena.devchain.rpc.call("anvil_setChainId", arena.chain.chain_id)
    assert await arena.refusals([attempt]) == [""]
    async with arena.elsewhere() as there:
        assert await there.refusals([attempt]) == ["NotSigned"]
        later = arena.receipt(duel.receipt, await arena.now())  # the hot key is new there
        again = await there.join(tables.cheat("map"), there.signed(later), OTHER)
        assert await arena.game.stored(again.id) == bytes(32)
        for move in await duel.rehearsal():
            await refused(there, [(duel.mover, duel.calldata(move))], {"WrongState"})
            await duel.make(move)


async def test_an_acquitted_receipt_may_be_doubted_again_and_nothing_old_counts(
    arena: Arena,
) -> None:
    await arena.equip(CHALLENGER, bonds=2)
    before = await arena.money()
    duel = await arena.open(tables.slander("arg"))
    old: list[bytes] = []
    while (move := duel.legal_move()) is not None:
        old.append(duel.calldata(move))
        await duel.make(move)
    arena.verdict(await duel.timeout(), Outcome.ACQUITTED)
    again = await arena.join(tables.slander("arg"), duel.signed)
    sides = (again.state.defender, again.state.challenger)
    while (move := again.legal_move()) is not None:
        await refused(arena, [(who, data) for data in old for who in sides], {"WrongState"})
        await again.make(move)
    arena.verdict(await again.timeout(), Outcome.ACQUITTED)
    after = await arena.money()
    assert after["provider"] - before["provider"] == arena.terms.bond
    assert (after["game"], after["stake"]) == (0, before["stake"])


async def test_a_convicted_receipt_is_convicted_once(arena: Arena) -> None:
    duel = await arena.open(tables.cheat("map"))
    await duel.finish(Side.CHALLENGER)
    with pytest.raises(ChainRejected) as refusal:
        await arena.join(tables.cheat("map"), duel.signed, OTHER)
    assert refusal.value.error == "AlreadyConvicted"

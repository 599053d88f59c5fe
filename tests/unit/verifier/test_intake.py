"""What a verifier takes in, and everything that it refuses, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.verifier.conftest import NEVER

from aivm.chain.account import Account
from aivm.dispute.state import receipt_hash
from aivm.errors import (
    AivmError,
    BadSignature,
    NotAllowed,
    NotFound,
    Overloaded,
    VerificationError,
)
from aivm.receipts import Domain, Tier, sign_receipt
from aivm.verifier.intake import Budget
from aivm.verifier.room import Limits
from aivm.verifier.states import State


async def test_an_honest_receipt_is_taken_once_however_often_it_comes(scene: Any) -> None:
    pair = await scene.receipt(1)
    async with scene.parts() as parts:
        entry, is_new = await parts.intake.take(scene.submission(pair))
        assert (is_new, entry.state) == (True, State.DUE)
        assert entry.receipt == receipt_hash(pair[0].receipt)
        assert entry.deadline == pair[0].receipt.time + 24 * 3600
        again, is_new = await parts.intake.take(scene.submission(pair, source="another"))
        assert (is_new, again) == (False, entry)
        stored = parts.book.inputs(entry.receipt)
        assert {t.name: t.array.tolist() for t in stored} == {
            name: array.tolist() for name, array in pair[1].items()
        }
    async with scene.parts() as parts:  # after a restart
        assert (await parts.intake.take(scene.submission(pair)))[1] is False


async def refused(scene: Any, *cases: tuple[type[AivmError], str, Any], **options: Any) -> None:
    """Each of these (error, what it says, receipt with inputs) is refused and leaves no trace."""
    async with scene.parts(**options) as parts:
        for kind, match, pair in cases:
            with pytest.raises(kind, match=match):
                await parts.intake.take(scene.submission(pair))
            assert parts.book.counts() == {}


async def test_receipts_that_were_tampered_with_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    tampered = replace(signed, receipt=replace(signed.receipt, outputs=b"\x01" * 32))
    stranger = await scene.receipt(1, signer=Account(b"\x77" * 32))
    nobody = await scene.receipt(1, provider=scene.verifier.address)
    await refused(
        scene,
        (BadSignature, "was no key of provider", (tampered, inputs)),
        (BadSignature, "was no key of provider", stranger),
        (VerificationError, "is no provider", nobody),
    )


async def test_inputs_that_are_not_the_receipts_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    other = {**inputs, "x": inputs["x"] + np.float32(1)}
    wider = {**inputs, "x": np.zeros((2, 4), np.float32)}
    half = {**inputs, "x": inputs["x"].astype(np.float16)}
    await refused(
        scene,
        (VerificationError, "not the inputs", (signed, other)),
        (VerificationError, "for program", (signed, wider)),
        (VerificationError, "F16", (signed, half)),
    )


async def test_receipts_of_another_network_tier_or_time_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    domains = (
        Domain(1, scene.chain.staking.address),
        Domain(scene.chain.chain_id, scene.chain.escrow.address),
    )
    foreign = [sign_receipt(signed.receipt, each, scene.world.hot_key) for each in domains]
    time = signed.receipt.time
    await refused(
        scene,
        *((NotAllowed, "not this verifier's network", (each, inputs)) for each in foreign),
        (NotAllowed, "cannot be disputed", await scene.receipt(1, tier=Tier.ATTESTED)),
        (NotAllowed, "too late", await scene.receipt(1, time=time - 24 * 3600)),
        (NotAllowed, "from the future", await scene.receipt(1, time=time + 3600)),
    )


async def test_receipts_that_nothing_stands_behind_are_refused(scene: Any) -> None:
    pair = await scene.receipt(1)
    unknown = await scene.receipt(1, model=b"\x09" * 32)
    await refused(
        scene,
        (NotAllowed, "this verifier spends 0", pair),
        (NotFound, "odel", unknown),
        budget=Budget(gas_per_hour=1),
    )


async def test_a_job_id_that_is_not_its_own_is_refused_and_charged(scene: Any) -> None:
    pair = await scene.receipt(1, job=b"\x05" * 32)
    async with scene.parts() as parts:
        with pytest.raises(VerificationError, match="to be reported"):
            await parts.intake.take(scene.submission(pair))
        (charge,) = parts.charges.all()
        assert charge.report.evidence == (pair[0],)


async def test_two_answers_to_one_job_are_charged(scene: Any) -> None:
    first, second = await scene.receipt(1), await scene.receipt(1, false=True)
    assert first[0].receipt.job == second[0].receipt.job
    async with scene.parts() as parts:
        for pair in (first, second):
            await parts.intake.take(scene.submission(pair))
        (charge,) = parts.charges.all()
        assert {signed.receipt.outputs for signed in charge.report.evidence} == {
            first[0].receipt.outputs,
            second[0].receipt.outputs,
        }


async def test_what_was_passed_over_is_due_once_its_client_complains(scene: Any) -> None:
    pair = await scene.receipt(1)
    async with scene.parts(policy=NEVER) as parts:
        entry, _ = await parts.intake.take(scene.submission(pair))
        assert entry.state is State.PASSED
        entry, _ = await parts.intake.take(scene.submission(pair, flagged=True))
        assert (entry.state, entry.flagged) == (State.DUE, True)


async def test_what_was_passed_over_is_drawn_again(scene: Any) -> None:
    pair = await scene.receipt(1)
    async with scene.parts(policy=NEVER) as parts:
        await parts.intake.take(scene.submission(pair))
        assert await parts.intake.draw_again() is True
        assert parts.book.counts() == {"passed": 1}
    async with scene.parts() as parts:  # with another policy
        assert await parts.intake.draw_again() is True
        assert parts.book.counts() == {"due": 1}
        assert await parts.intake.draw_again() is False


async def test_a_flood_starves_nobody(scene: Any) -> None:
    """The queue is full of one sender's receipts: another's is taken, and is examined soon."""
    async with scene.parts(limits=Limits(waiting=4)) as parts:
        outcomes = []
        for number in range(6):
            flood = scene.submission(await scene.receipt(number), source="flood")
            try:
                outcomes.append((await parts.intake.take(flood))[0].state)
            except Overloaded:
                outcomes.append(None)
        assert outcomes == [State.DUE] * 4 + [None, None]
        honest = scene.submission(await scene.receipt(7), source="honest")
        entry, is_new = await parts.intake.take(honest)
        assert (is_new, entry.state) == (True, State.DUE)
        assert parts.book.count(State.DUE) == 4
        for _ in range(2):
            await parts.examiner.step()
        assert parts.book.find(entry.receipt).state is State.HOLDS
        again, is_new = await parts.intake.take(
            scene.submission(await scene.receipt(5), source="flood")
        )
        assert (is_new, again.state) == (True, State.DUE)  # there is room again


async def test_a_program_that_the_package_does_not_list_is_derived(scene: Any) -> None:
    signed, inputs = await scene.receipt(1, batch=3)
    async with scene.parts() as parts:
        entry, _ = await parts.intake.take(scene.submission((signed, inputs)))
        await parts.examiner.step()
        assert parts.book.find(entry.receipt).state is State.HOLDS

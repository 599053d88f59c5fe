"""What a verifier takes in, and everything that it refuses, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.verifier.conftest import NEVER

from aivm.chain.account import Account
from aivm.dispute.state import receipt_hash
from aivm.errors import AivmError, BadSignature, NotAllowed, VerificationError
from aivm.receipts import Domain, Tier, sign_receipt
from aivm.verifier.intake import Budget
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


async def refused(scene: Any, kind: type[AivmError], match: str, pair: Any, **changes: Any) -> None:
    options = changes.pop("options", {})
    async with scene.parts(**options) as parts:
        with pytest.raises(kind, match=match):
            await parts.intake.take(scene.submission(pair, **changes))
        assert parts.book.counts() == {}


async def test_receipts_that_were_tampered_with_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    tampered = replace(signed, receipt=replace(signed.receipt, outputs=b"\x01" * 32))
    await refused(scene, BadSignature, "was no key of provider", (tampered, inputs))
    stranger = await scene.receipt(1, signer=Account(b"\x77" * 32))
    await refused(scene, BadSignature, "was no key of provider", stranger)
    nobody = await scene.receipt(1, provider=scene.verifier.address)
    await refused(scene, VerificationError, "is no provider", nobody)


async def test_inputs_that_are_not_the_receipts_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    other = {**inputs, "x": inputs["x"] + np.float32(1)}
    await refused(scene, VerificationError, "not the inputs", (signed, other))
    wider = {**inputs, "x": np.zeros((2, 4), np.float32)}
    await refused(scene, VerificationError, "for program", (signed, wider))
    double = {**inputs, "x": inputs["x"].astype(np.float16)}
    await refused(scene, VerificationError, "F16", (signed, double))


async def test_receipts_of_another_network_tier_or_time_are_refused(scene: Any) -> None:
    signed, inputs = await scene.receipt(1)
    for domain in (
        Domain(1, scene.chain.staking.address),
        Domain(scene.chain.chain_id, scene.chain.escrow.address),
    ):
        foreign = sign_receipt(signed.receipt, domain, scene.world.hot_key)
        await refused(scene, NotAllowed, "not this verifier's network", (foreign, inputs))
    attested = await scene.receipt(1, tier=Tier.ATTESTED)
    await refused(scene, NotAllowed, "cannot be disputed", attested)
    late = await scene.receipt(1, time=signed.receipt.time - 24 * 3600)
    await refused(scene, NotAllowed, "too late", late)
    early = await scene.receipt(1, time=signed.receipt.time + 3600)
    await refused(scene, NotAllowed, "from the future", early)


async def test_receipts_that_nothing_stands_behind_are_refused(scene: Any) -> None:
    pair = await scene.receipt(1)
    small = {"budget": Budget(gas_per_hour=1)}
    await refused(scene, NotAllowed, "more than an hour's budget", pair, options=small)
    unknown = await scene.receipt(1, model=b"\x09" * 32)
    await refused(scene, AivmError, "Unknown|no model|not", unknown)


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

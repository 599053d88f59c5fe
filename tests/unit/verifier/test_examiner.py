"""Re-execution: what holds, what is false by the word of two engines, and what cannot be said."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.verifier.conftest import NEVER

from aivm.commitments import bundle_root, tensor_root
from aivm.errors import EngineUnavailable
from aivm.receipts import job_id, sign_receipt
from aivm.verifier.examiner import MAX_ATTEMPTS, NO_RESULT
from aivm.verifier.intake import Budget
from aivm.verifier.states import State


async def taken(scene: Any, parts: Any, number: int, **changes: Any) -> Any:
    entry, _ = await parts.intake.take(scene.submission(await scene.receipt(number, **changes)))
    return entry


async def test_an_honest_receipt_holds_and_a_false_one_needs_two_engines(scene: Any) -> None:
    async with scene.parts() as parts:
        honest = await taken(scene, parts, 1)
        assert await parts.examiner.step() is True
        assert parts.book.find(honest.receipt).state is State.HOLDS
        false = await taken(scene, parts, 2, false=True)
        await parts.examiner.step()
        suspect = parts.book.find(false.receipt)
        assert suspect.state is State.SUSPECT
        assert len(suspect.found) == 32
        assert suspect.found != false.signed.receipt.outputs
        await parts.examiner.step()
        assert parts.book.find(false.receipt).state is State.FALSE
        assert await parts.examiner.step() is False
        now = (await scene.chain.block()).time
        assert parts.book.spent(now - 3600) == honest.gas + 2 * false.gas


async def test_a_claim_about_a_run_without_a_result_is_false(scene: Any) -> None:
    async with scene.parts() as parts:
        signed, inputs = await scene.receipt(1)
        inputs["index"][:] = 99  # outside the table: no run of this has a result
        root = bundle_root(tensor_root(inputs[name]) for name in ("x", "index"))
        old = signed.receipt
        job = job_id(old.channel, old.sequence, old.model, old.program, root)
        receipt = replace(old, inputs=root, job=job)
        made = sign_receipt(receipt, signed.domain, scene.world.hot_key)
        entry, _ = await parts.intake.take(scene.submission((made, inputs)))
        await parts.examiner.step()
        await parts.examiner.step()
        found = parts.book.find(entry.receipt)
        assert (found.state, found.found) == (State.FALSE, NO_RESULT)


async def test_where_the_engines_disagree_nobody_is_accused(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.parts() as parts:
        entry = await taken(scene, parts, 1)
        first = parts.examiner._engines.first
        real = first.run

        async def broken(*place: Any) -> list[bytes]:
            outputs = await real(*place)
            return [bytes(len(outputs[0])), *outputs[1:]]

        monkeypatch.setattr(first, "run", broken)
        await parts.examiner.step()
        assert parts.book.find(entry.receipt).state is State.SUSPECT
        await parts.examiner.step()
        found = parts.book.find(entry.receipt)
        assert found.state is State.UNCHECKED
        assert "the engines disagree" in found.reason


async def test_a_receipt_that_ends_its_workers_is_given_up_after_some_attempts(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.parts() as parts:
        entry = await taken(scene, parts, 1)

        async def dies(*_: Any) -> list[bytes]:
            raise EngineUnavailable("the worker died twice on this job")

        monkeypatch.setattr(parts.examiner._engines.first, "run", dies)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            await parts.examiner.examine(parts.book.find(entry.receipt))
            found = parts.book.find(entry.receipt)
            assert (found.state, found.attempts) == (State.DUE, attempt)
            assert await parts.examiner.step() is False  # not again at once
        await parts.examiner.examine(parts.book.find(entry.receipt))
        found = parts.book.find(entry.receipt)
        assert (found.state, found.reason) == (
            State.UNCHECKED,
            "the worker died twice on this job",
        )


async def test_the_hours_budget_is_kept_and_the_rest_waits(scene: Any) -> None:
    async with scene.parts() as parts:
        first = await taken(scene, parts, 1)
        await taken(scene, parts, 2)
    budget = Budget(gas_per_hour=8 * first.gas)
    async with scene.parts(budget=budget) as parts:
        now = (await scene.chain.block()).time
        parts.book.begin(replace(first, receipt=b"", gas=budget.gas_per_hour - 1), now)
        assert await parts.examiner.step() is True  # there was something left
        assert await parts.examiner.step() is False
        assert parts.book.counts() == {"holds": 1, "due": 1}


async def test_idle_hours_go_to_what_was_passed_over(scene: Any) -> None:
    async with scene.parts(policy=NEVER) as parts:
        await taken(scene, parts, 1)
    async with scene.parts() as parts:
        assert await parts.examiner.step() is True
        assert await parts.examiner.step() is True
        assert parts.book.counts() == {"holds": 1}


async def test_a_defect_in_one_examination_does_not_end_the_others(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene.parts() as parts:
        await taken(scene, parts, 1)
        real, calls = parts.examiner.step, 0

        async def sometimes() -> bool:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise RuntimeError("a defect")
            return bool(await real())

        monkeypatch.setattr(parts.examiner, "step", sometimes)
        monkeypatch.setattr("aivm.verifier.examiner.IDLE_SECONDS", 0.01)
        watching = asyncio.create_task(parts.examiner.watch())
        for _ in range(500):
            if parts.book.counts() == {"holds": 1}:
                break
            await asyncio.sleep(0.02)
        watching.cancel()
        assert parts.book.counts() == {"holds": 1}

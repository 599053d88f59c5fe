"""Re-execution for a dispute: every value, the very inputs, and clear refusals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.dispute.conftest import Table
from tests.unit.litigation.conftest import CHEAT, OpenWorkers, receipt_about
from tests.unit.provider.conftest import WEIGHT, World

from aivm.commitments import bundle_root, program_root, tensor_root
from aivm.dispute.game import Outcome
from aivm.errors import InternalError, MalformedReceipt, NotAllowed, WrongTensor
from aivm.litigation.execution import demand_disputable, execute
from aivm.receipts import Pipeline, Receipt, SignedReceipt, Tier

GIVEN = {"x": np.float32([[1, 2, 3, 4]]), "index": np.array([2], np.int64)}


async def test_every_value_is_there_and_the_roots_bear_out_a_right_receipt(
    world: World, open_workers: OpenWorkers
) -> None:
    async with open_workers() as workers:
        receipt = await receipt_about(world, GIVEN, workers)
        program, trace = done = await execute(world.package, receipt, GIVEN, workers)
        assert program_root(program.program) == receipt.program
        assert len(trace.roots) == len(trace.types)
        assert bundle_root(trace.roots[: program.program.first_constant]) == receipt.inputs
        row = await asyncio.to_thread(trace.data, trace.program.outputs[1])
        assert bytes(row) == WEIGHT[2].tobytes()
        assert done.confirms(receipt)
        assert not done.confirms(replace(receipt, outputs=bytes(32)))
        with pytest.raises(NotAllowed, match="the receipt is right"):
            done.challenger(receipt)
        with pytest.raises(NotAllowed, match="cannot be defended"):
            done.provider(replace(receipt, outputs=bytes(32)))


async def test_a_cheat_defends_what_it_did_and_loses(
    world: World, open_workers: OpenWorkers
) -> None:
    async with open_workers(CHEAT) as theirs, open_workers() as ours:
        receipt = await receipt_about(world, GIVEN, theirs)
        defence = await execute(world.package, receipt, GIVEN, theirs)
        doubt = await execute(world.package, receipt, GIVEN, ours)
        assert not doubt.confirms(receipt)

        def play() -> Outcome:
            return Table(defence.provider(receipt), doubt.challenger(receipt), receipt.time).play()

        assert await asyncio.to_thread(play) is Outcome.CONVICTED


async def test_a_receipt_about_a_run_without_result_is_disputed_by_its_fault(
    world: World, open_workers: OpenWorkers
) -> None:
    wrong = {**GIVEN, "index": np.array([9], np.int64)}
    async with open_workers() as workers:
        right = await receipt_about(world, GIVEN, workers)
        inputs = bundle_root([tensor_root(wrong["x"]), tensor_root(wrong["index"])])
        receipt = replace(right, inputs=inputs)
        done = await execute(world.package, receipt, wrong, workers)
        assert len(done.trace.roots) < len(done.trace.types)
        assert not done.confirms(receipt)
        challenger = await asyncio.to_thread(done.challenger, receipt)
        assert challenger.fault == (0, 0)


async def test_inputs_are_hashed_as_the_client_sent_them(
    world: World, open_workers: OpenWorkers
) -> None:
    """A NaN that is not the canonical one is read as that, and must not change the input root."""
    odd = {**GIVEN, "x": np.array([[0x7F800001, 0, 0, 0]], np.uint32).view(np.float32)}
    async with open_workers() as workers:
        receipt = await receipt_about(world, odd, workers)
        done = await execute(world.package, receipt, odd, workers)
        assert bundle_root(done.trace.roots[:2]) == receipt.inputs
        assert done.confirms(receipt)


async def test_a_derived_program_is_disputable_too(world: World, open_workers: OpenWorkers) -> None:
    wide = {**GIVEN, "x": np.ones((5, 4), np.float32)}
    async with open_workers() as workers:
        receipt = await receipt_about(world, wide, workers)
        assert (await execute(world.package, receipt, wide, workers)).confirms(receipt)


@pytest.mark.parametrize(
    ("changes", "inputs", "error", "says"),
    [
        ({"model": bytes(32)}, GIVEN, MalformedReceipt, "is about model 0000"),
        ({"program": bytes(32)}, GIVEN, NotAllowed, "neither lists nor gives"),
        ({}, {**GIVEN, "x": np.zeros((2, 4), np.float32)}, WrongTensor, "these inputs run program"),
        ({}, {**GIVEN, "x": np.zeros((1, 4), np.float32)}, WrongTensor, "have the root"),
        ({}, {**GIVEN, "x": np.zeros((1, 4), np.float64)}, WrongTensor, "dtype float64"),
        ({}, {"x": GIVEN["x"]}, WrongTensor, "'index' is missing"),
    ],
)
async def test_what_does_not_fit_is_refused(
    world: World,
    open_workers: OpenWorkers,
    changes: dict[str, Any],
    inputs: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    async with open_workers() as workers:
        receipt = replace(await receipt_about(world, GIVEN, workers), **changes)
        with pytest.raises(error, match=says):
            await execute(world.package, receipt, inputs, workers)


async def test_a_trace_is_not_asked_in_the_loop_that_has_to_serve_it(
    world: World, open_workers: OpenWorkers
) -> None:
    async with open_workers() as workers:
        receipt = await receipt_about(world, GIVEN, workers)
        done = await execute(world.package, receipt, GIVEN, workers)
        with pytest.raises(InternalError, match="event loop"):
            done.trace.data(0)


def receipt(**changes: Any) -> Receipt:
    root = bytes(32)
    fields: dict[str, Any] = {
        **dict.fromkeys(("job", "model", "program", "inputs", "outputs", "channel"), root),
        **dict.fromkeys(("client", "provider"), "0x" + "00" * 20),
        "sequence": 1,
        "tier": Tier.OPTIMISTIC,
        "numerics": 1,
        "time": 0,
    }
    return Receipt(**{**fields, **changes})


def test_only_signed_claims_of_equal_bits_are_disputable(world: World) -> None:
    signed = SignedReceipt(world.staking, receipt(), bytes(65))
    demand_disputable(signed)
    with pytest.raises(NotAllowed, match="tier ATTESTED"):
        demand_disputable(replace(signed, receipt=receipt(tier=Tier.ATTESTED)))
    with pytest.raises(NotAllowed, match="modules took part"):
        demand_disputable(replace(signed, pipeline=Pipeline(bytes(32), ())))

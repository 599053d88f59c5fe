"""Shapes that a package does not list: served where the provider's terms allow it, and marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aivm.errors import PaymentRefused, TooLarge, WrongTensor
from aivm.market.openinference import RECEIPT_PARAMETER
from aivm.packages import Programs, compiler_version
from aivm.receipts import Expectation, parse_receipt, verify_receipt


async def test_another_shape_is_derived_run_and_marked(world: Any, run_agent: Any) -> None:
    given = world.inputs(batch=5)
    async with run_agent() as bench:
        served = bench.agent.catalog.find("demo/tiny")
        channel = world.open()
        for sequence in (1, 2):  # derived, then known
            answer = await bench.agent.infer(served, world.request(given, channel, sequence))
    outputs = {tensor.name: tensor.array for tensor in answer.tensors}
    expected = world.expected(given)
    np.testing.assert_array_equal(outputs["y"], expected["y"])
    signed = parse_receipt(answer.parameters[RECEIPT_PARAMETER].encode())
    assert signed.derived == compiler_version()
    found = Programs(world.package).find({name: array.shape for name, array in given.items()})
    checks = Expectation(program=found.program, derived=True)
    assert verify_receipt(signed, checks).ok
    assert not verify_receipt(replace(signed, derived=None), checks).ok


async def test_a_listed_shape_is_not_marked(world: Any, run_agent: Any) -> None:
    async with run_agent() as bench:
        served = bench.agent.catalog.find("demo/tiny")
        answer = await bench.agent.infer(served, world.request(world.inputs(), world.open(), 1))
    assert parse_receipt(answer.parameters[RECEIPT_PARAMETER].encode()).derived is None


async def test_nothing_is_derived_for_who_cannot_pay(world: Any, run_agent: Any) -> None:
    request = world.request(world.inputs(batch=6), b"\x09" * 32, 1)
    async with run_agent() as bench:
        served = bench.agent.catalog.find("demo/tiny")
        with pytest.raises(PaymentRefused):
            await bench.agent.infer(served, request)
        closed = world.open(model=b"\x01" * 32)
        with pytest.raises(PaymentRefused, match="another model"):
            await bench.agent.infer(served, world.request(world.inputs(batch=6), closed, 1))
        assert bench.workers.pids == []  # no worker was even started
        assert not served.derived


async def test_the_terms_bound_what_is_derived(world: Any, run_agent: Any) -> None:
    for limit, kind in ((0, WrongTensor), (10, TooLarge)):
        async with run_agent(terms=world.terms(max_derived_gas=limit)) as bench:
            served = bench.agent.catalog.find("demo/tiny")
            request = world.request(world.inputs(batch=7), world.open(), 1)
            with pytest.raises(kind):
                await bench.agent.infer(served, request)
            assert not served.derived
            listed = world.request(world.inputs(), world.open(), 1)
            assert await bench.agent.infer(served, listed)

"""The provider's tiny package, workers that are honest or not, and receipts about its runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from tests.unit.provider.conftest import World, package, world

from aivm import host
from aivm.commitments import bundle_root, tensor_root
from aivm.packages import Programs
from aivm.receipts import Receipt, Tier, job_id
from aivm.workers.pool import WorkerPool

__all__ = ["package", "world"]

Array = np.ndarray[Any, Any]
HONEST, CHEAT = "aivm.workers.worker", "aivm.devnet.cheat"
OpenWorkers = Callable[..., AbstractAsyncContextManager[WorkerPool]]


@asynccontextmanager
async def workers_of(module: str = HONEST) -> AsyncIterator[WorkerPool]:
    """A worker process of that module."""
    pool = WorkerPool(engine="native", module=module)
    try:
        yield pool
    finally:
        await pool.stop()


@pytest.fixture
def open_workers() -> OpenWorkers:
    return workers_of


async def receipt_about(
    world: World,
    given: Mapping[str, Array],
    workers: WorkerPool,
    *,
    channel: bytes = bytes(32),
    sequence: int = 1,
    time: int | None = None,
) -> Receipt:
    """What a provider with these workers says of a run, whatever it is worth."""
    shapes = {name: array.shape for name, array in given.items()}
    found = Programs(world.package).find(shapes)
    blobs = [np.ascontiguousarray(given[name]).tobytes() for name in found.input_names]
    model = world.package.model_id
    inputs = bundle_root(tensor_root(given[name]) for name in found.input_names)
    answers = await workers.run(model.hex(), world.package.directory, shapes, blobs)
    outputs = (
        np.frombuffer(blob, np.float32).reshape(kind.shape)
        for blob, kind in zip(answers, found.output_types, strict=True)
    )
    return Receipt(
        job=job_id(channel, sequence, model, found.root, inputs),
        model=model,
        program=found.root,
        inputs=inputs,
        outputs=bundle_root(map(tensor_root, outputs)),
        client=world.client.address,
        provider=world.owner.address,
        channel=channel,
        sequence=sequence,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=host.now() if time is None else time,
    )

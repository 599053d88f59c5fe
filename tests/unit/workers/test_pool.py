"""Workers may die, hang or babble at any moment: a job gets its own answer or a clear error."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.errors import (
    AivmError,
    DeadlineExceeded,
    EngineUnavailable,
    InvalidIndex,
    TamperedContent,
)
from aivm.workers.pool import WorkerPool

# A worker that misbehaves at the n-th run of its life, counted in a file across its successors.
FAULTY = """
import os, signal, sys, time
from pathlib import Path
from aivm.workers.worker import Worker, main

PLAN = Path(os.environ["FAULT_PLAN"])

class Faulty(Worker):
    def _run(self, model, entry, requests, blobs):
        with open(PLAN.with_name("sizes"), "a") as sizes:
            sizes.write(f"{requests} ")
        steps = PLAN.read_text().split()
        step = steps[0] if steps else "work"
        PLAN.write_text(" ".join(steps[1:]))
        if step == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == "hang":
            time.sleep(600)
        if step == "slow":
            time.sleep(1)
        if step == "babble":
            return b"\\x00\\x00\\x00\\x05hello"
        if step == "crash":
            raise RuntimeError("a defect")
        answer = super()._run(model, entry, requests, blobs)
        if step == "die-after":
            os.write(OUT, answer[:10])
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

OUT = os.dup(1)
main(Faulty)
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the next runs do, whichever worker they fall to."""
    (tmp_path / "faulty_worker.py").write_text(FAULTY)
    path = tmp_path / "plan"
    path.write_text("")
    monkeypatch.setenv("FAULT_PLAN", str(path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return path


@pytest.fixture
def blobs(world: Any) -> list[bytes]:
    given = world.inputs(1)
    return [given["x"].tobytes(), given["index"].tobytes()]


@pytest.fixture
def answer(world: Any) -> list[bytes]:
    outputs = world.expected(world.inputs(1))
    return [outputs["y"].tobytes(), outputs["row"].tobytes()]


def arguments(world: Any, blobs: list[bytes]) -> tuple[str, Path, dict[str, Any], list[bytes]]:
    package = world.package
    shapes = {port.name: port.shape for port in package.manifest.entries[0].inputs}
    return package.model_id.hex(), package.directory, shapes, blobs


class Pool:
    """A pool that is stopped at the end."""

    def __init__(self, **options: Any) -> None:
        self.pool = WorkerPool(engine="native", **options)

    async def __aenter__(self) -> WorkerPool:
        return self.pool

    async def __aexit__(self, *_: object) -> None:
        await self.pool.stop()


async def test_a_worker_killed_while_idle_is_replaced(
    world: Any, blobs: list[bytes], answer: list[bytes]
) -> None:
    async with Pool() as pool:
        for _ in range(2):
            assert await pool.run(*arguments(world, blobs)) == answer
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)  # the pool has had no chance to notice it


@pytest.mark.parametrize("fault", ["die", "die-after"])
async def test_a_worker_killed_in_a_run_is_replaced_and_the_job_runs_again(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes], fault: str
) -> None:
    async with Pool(module="faulty_worker") as pool:
        assert await pool.run(*arguments(world, blobs)) == answer
        plan.write_text(fault)
        before = pool.pids
        assert await pool.run(*arguments(world, blobs)) == answer
        assert pool.pids != before


async def test_a_job_that_kills_two_workers_is_given_up_and_the_next_one_runs(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes]
) -> None:
    plan.write_text("die die")
    async with Pool(module="faulty_worker") as pool:
        with pytest.raises(EngineUnavailable, match="died twice"):
            await pool.run(*arguments(world, blobs))
        assert await pool.run(*arguments(world, blobs)) == answer


async def test_a_run_over_its_deadline_ends_and_the_next_job_gets_its_own_answer(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes]
) -> None:
    async with Pool(module="faulty_worker", deadline_seconds=30) as pool:
        await pool.run(*arguments(world, blobs))
        (pid,) = pool.pids
        pool._deadline_seconds = 0.2
        plan.write_text("slow")
        with pytest.raises(DeadlineExceeded):
            await pool.run(*arguments(world, blobs))
        assert not Path(f"/proc/{pid}").exists()
        pool._deadline_seconds = 30
        other = world.inputs(2)
        got = await pool.run(*arguments(world, [other["x"].tobytes(), other["index"].tobytes()]))
        assert got[0] == world.expected(other)["y"].tobytes() != answer[0]


async def test_a_cancelled_run_leaves_no_answer_for_the_next_job(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes]
) -> None:
    async with Pool(module="faulty_worker") as pool:
        await pool.run(*arguments(world, blobs))
        plan.write_text("slow")
        task = asyncio.create_task(pool.run(*arguments(world, blobs)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        other = world.inputs(2)
        got = await pool.run(*arguments(world, [other["x"].tobytes(), other["index"].tobytes()]))
        assert got[0] == world.expected(other)["y"].tobytes() != answer[0]


async def test_a_worker_that_babbles_is_replaced_and_the_job_runs_again(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes]
) -> None:
    plan.write_text("babble")
    async with Pool(module="faulty_worker") as pool:
        assert await pool.run(*arguments(world, blobs)) == answer
        assert plan.read_text() == ""


async def test_a_defect_in_a_worker_is_reported_and_the_worker_goes_on(
    world: Any, plan: Path, blobs: list[bytes], answer: list[bytes]
) -> None:
    plan.write_text("crash")
    async with Pool(module="faulty_worker") as pool:
        with pytest.raises(AivmError, match="a defect"):
            await pool.run(*arguments(world, blobs))
        before = pool.pids
        assert await pool.run(*arguments(world, blobs)) == answer
        assert pool.pids == before


async def test_the_engines_own_error_arrives_as_itself(world: Any, answer: list[bytes]) -> None:
    wrong = world.inputs(1, index=99)
    async with Pool() as pool:
        with pytest.raises(InvalidIndex):
            await pool.run(*arguments(world, [wrong["x"].tobytes(), wrong["index"].tobytes()]))
        good = world.inputs(1)
        got = await pool.run(*arguments(world, [good["x"].tobytes(), good["index"].tobytes()]))
        assert got == answer


async def test_a_package_that_was_changed_on_disk_is_refused(
    world: Any, blobs: list[bytes], tmp_path: Path
) -> None:
    model, directory, shapes, _ = arguments(world, blobs)
    copy = tmp_path / "copy"
    for source in sorted(directory.rglob("*")):
        if source.is_file():
            target = copy / source.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    weights = copy / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    async with Pool() as pool:
        with pytest.raises(TamperedContent):
            await pool.run(model, copy, shapes, blobs)


async def test_many_jobs_on_few_workers_each_get_their_own_answer(world: Any) -> None:
    given = [world.inputs(seed) for seed in range(40)]
    async with Pool(workers=2) as pool:
        results = await asyncio.gather(
            *(
                pool.run(*arguments(world, [one["x"].tobytes(), one["index"].tobytes()]))
                for one in given
            )
        )
        assert len(pool.pids) == 2
    for one, (y, row) in zip(given, results, strict=True):
        assert y == world.expected(one)["y"].tobytes()
        assert row == world.expected(one)["row"].tobytes()


async def test_every_engine_gives_the_same_bytes(world: Any, answer: list[bytes]) -> None:
    given = world.inputs(1)
    for engine in ("wasm", "reference"):
        pool = WorkerPool(engine=engine)
        try:
            blobs = [given["x"].tobytes(), given["index"].tobytes()]
            assert await pool.run(*arguments(world, blobs)) == answer
        finally:
            await pool.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is needed")
async def test_a_worker_in_the_middle_of_a_run_dies_with_its_agent(world: Any, plan: Path) -> None:
    plan.write_text("hang")
    model, directory, shapes, _ = arguments(world, [])
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from aivm.workers.pool import WorkerPool\n"
        "async def main():\n"
        "    pool = WorkerPool(engine='native', module='faulty_worker')\n"
        f"    job = {model!r}, Path({str(directory)!r}), {shapes!r}, [bytes(16), bytes(8)]\n"
        "    task = asyncio.create_task(pool.run(*job))\n"
        "    while not pool.pids or Path(sys.argv[1]).read_text(): await asyncio.sleep(0.02)\n"
        "    print(*pool.pids, flush=True)\n"
        "    await task\n"
        "asyncio.run(main())\n"
    )
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(plan), stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    worker = int(await agent.stdout.readline())
    assert Path(f"/proc/{worker}").exists()
    agent.kill()
    await agent.wait()
    for _ in range(200):
        if not _alive(worker):
            return
        await asyncio.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its agent")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_expected_bytes_are_those_of_numerics_1(world: Any) -> None:
    """The oracle of these tests is not the engine under test."""
    given = world.inputs(3, batch=2)
    outputs = world.expected(given)
    assert np.allclose(
        outputs["y"], np.maximum(given["x"] @ np.linspace(-1, 1, 12).reshape(4, 3), 0)
    )


# --- several at once ------------------------------------------------------------------------------


def raw(given: Any) -> list[bytes]:
    return [given["x"].tobytes(), given["index"].tobytes()]


async def together(pool: WorkerPool, world: Any, given: list[Any]) -> list[Any]:
    """The answers, or errors, to requests that come at once."""
    runs = [pool.run(*arguments(world, raw(each))) for each in given]
    return await asyncio.gather(*runs, return_exceptions=True)


def sizes(plan: Path) -> list[int]:
    return [int(size) for size in plan.with_name("sizes").read_text().split()]


async def test_requests_that_wait_run_together_and_each_gets_its_own_answer(
    world: Any, plan: Path
) -> None:
    given = [world.inputs(seed) for seed in range(1, 12)]
    async with Pool(module="faulty_worker", batch=8) as pool:
        answers = await together(pool, world, given)
    assert sizes(plan) == [8, 3]
    for answer, each in zip(answers, given, strict=True):
        expected = world.expected(each)
        assert answer == [expected["y"].tobytes(), expected["row"].tobytes()]


async def test_a_fault_fails_its_own_request_only(world: Any, plan: Path) -> None:
    given = [world.inputs(1), world.inputs(2, index=99), world.inputs(3)]
    async with Pool(module="faulty_worker") as pool:
        answers = await together(pool, world, given)
    assert sizes(plan) == [3]
    assert isinstance(answers[1], InvalidIndex)
    for answer, each in zip(answers[::2], given[::2], strict=True):
        assert answer[0] == world.expected(each)["y"].tobytes()


@pytest.mark.parametrize("fault", ["die", "die-after", "babble", "crash"])
async def test_a_batch_that_comes_to_nothing_runs_one_by_one(
    world: Any, plan: Path, fault: str
) -> None:
    plan.write_text(fault)
    given = [world.inputs(seed) for seed in (1, 2, 3)]
    async with Pool(module="faulty_worker") as pool:
        answers = await together(pool, world, given)
    assert sizes(plan) == [3, 1, 1, 1]
    for answer, each in zip(answers, given, strict=True):
        assert answer[0] == world.expected(each)["y"].tobytes()


async def test_a_caller_that_leaves_a_batch_takes_nobody_along(world: Any, plan: Path) -> None:
    async with Pool(module="faulty_worker") as pool:
        await pool.run(*arguments(world, raw(world.inputs(0))))
        plan.write_text("slow")
        tasks = [
            asyncio.create_task(pool.run(*arguments(world, raw(world.inputs(seed)))))
            for seed in (1, 2)
        ]
        await asyncio.sleep(0.3)
        tasks[0].cancel()
        assert (await tasks[1])[0] == world.expected(world.inputs(2))["y"].tobytes()
    assert sizes(plan) == [1, 2]


async def test_a_free_worker_waits_for_company_no_longer_than_told(world: Any, plan: Path) -> None:
    async with Pool(module="faulty_worker", batch_delay_seconds=0.3) as pool:
        runs = [pool.run(*arguments(world, raw(world.inputs(seed)))) for seed in (1, 2)]
        answers = await asyncio.gather(*runs)
        await pool.run(*arguments(world, raw(world.inputs(3))))
    assert sizes(plan) == [2, 1]
    for answer, seed in zip(answers, (1, 2), strict=True):
        assert answer[0] == world.expected(world.inputs(seed))["y"].tobytes()


async def test_stopping_the_pool_cancels_whoever_waits(world: Any, plan: Path) -> None:
    plan.write_text("hang")
    pool = WorkerPool(engine="native", module="faulty_worker")
    tasks = [
        asyncio.create_task(pool.run(*arguments(world, raw(world.inputs(seed)))))
        for seed in (1, 2, 3)
    ]
    await asyncio.sleep(0.3)
    await pool.stop()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError] * 3
    assert pool.pids == []

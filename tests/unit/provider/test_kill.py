"""kill -9 of the whole provider at every point of a job's life: nothing is lost, nothing is paid
twice.

The provider is a process of its own whose journal ends it at a chosen moment; it is started again
on the same files, and the client repeats the same request.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aivm.market.openinference import (
    HEADER_LENGTH,
    RECEIPT_PARAMETER,
    decode_response,
    encode_request,
)
from aivm.provider.journal import Journal
from aivm.receipts import parse_receipt

# argv: package folder, state folder, moment, channel as JSON
PROVIDER = """
import asyncio, json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from aivm.chain.account import Account
from aivm.chain.escrow import Channel, ChannelStatus
from aivm.packages import open_package
from aivm.provider.admission import Admission, Channels, Terms
from aivm.provider.agent import Agent, Identity
from aivm.provider.catalog import Catalog
from aivm.provider import journal as module
from aivm.provider.journal import Journal
from aivm.provider.server import make_app
from aivm.workers.pool import WorkerPool
from aivm.receipts import Domain

package, state, moment, channel = sys.argv[1:]
channel = json.loads(channel)
channel["id"] = bytes.fromhex(channel["id"])
channel["model"] = bytes.fromhex(channel["model"])
channel["status"] = ChannelStatus(channel["status"])
channel = Channel(**channel)
ESCROW = Domain(31337, "0x" + "e5" * 20)
STAKING = Domain(31337, "0x" + "57" * 20)


def end(now):
    if now == moment:
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Journal):
    step = ""

    def accept(self, job):
        end("before accept")
        Mortal.step = "accept"
        super().accept(job)
        end("after accept")

    def finish(self, job, receipt, body, inputs):
        end("before finish")
        Mortal.step = "finish"
        super().finish(job, receipt, body, inputs)
        end("after finish")


whole_transaction = module.transaction


@contextmanager
def mortal_transaction(database):
    with whole_transaction(database) as db:
        yield db
        end(f"inside {Mortal.step}")


module.transaction = mortal_transaction


async def main():
    async def describe(_):
        return channel

    terms = Terms(price_per_gas=0, minimum_price=1000)
    journal = Mortal(Path(state) / "journal.db")
    owner, hot_key = Account(b"\\x01" * 32), Account(b"\\x02" * 32)
    catalog = Catalog()
    catalog.install(open_package(Path(package)))
    agent = Agent(
        identity=Identity(owner.address, hot_key, STAKING),
        terms=terms,
        catalog=catalog,
        admission=Admission(
            provider=owner.address,
            domain=ESCROW,
            terms=terms,
            channels=Channels(describe, 15),
            journal=journal,
        ),
        journal=journal,
        workers=WorkerPool(engine="native", module="mortal_worker"),
    )
    runner = web.AppRunner(make_app(agent), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
WORKER = """
import os, signal, sys
from pathlib import Path
from aivm.workers.worker import Worker, main

class Mortal(Worker):
    def _run(self, *request):
        order = Path(os.environ["KILL_AGENT"])
        if order.exists():
            order.unlink()
            os.kill(os.getppid(), signal.SIGKILL)
        return super()._run(*request)

main(Mortal)
"""


@asynccontextmanager
async def provider(world: Any, folder: Path, channel: bytes, moment: str = "") -> Any:
    """A provider process on the files in `folder`; yields its base URL and the process."""
    described = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in vars(world.channels[channel]).items()
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(folder / "provider.py"),
        *(str(world.package.directory), str(folder), moment, json.dumps(described)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask(url: str, message: Any) -> Any:
    body, headers = encode_request(message)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v2/models/demo/tiny/infer", data=body, headers=headers) as response,
    ):
        assert response.status == 200, await response.text()
        content = await response.read()
        return decode_response(content, response.headers.get(HEADER_LENGTH), max_bytes=1 << 20)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "provider.py").write_text(PROVIDER)
    (tmp_path / "mortal_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("KILL_AGENT", str(tmp_path / "kill"))
    return tmp_path


def left_behind(folder: Path) -> tuple[list[str], int]:
    """What the dead process left in its journal: the states of jobs, how many inputs."""
    db = sqlite3.connect(folder / "journal.db")
    try:
        states = [row[0] for row in db.execute("SELECT state FROM jobs")]
        return states, db.execute("SELECT COUNT(*) FROM inputs").fetchone()[0]
    finally:
        db.close()


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("before accept", []),
        ("inside accept", []),
        ("after accept", ["accepted"]),
        ("in the run", ["accepted"]),
        ("before finish", ["accepted"]),
        ("inside finish", ["accepted"]),
        ("after finish", ["done"]),
    ],
)
async def test_a_killed_provider_loses_nothing_and_is_paid_once(
    world: Any, folder: Path, moment: str, left: list[str]
) -> None:
    channel, given = world.open(), world.inputs()
    message = world.request(given, channel, 1)
    if moment == "in the run":
        (folder / "kill").touch()
    async with provider(world, folder, channel, moment) as (url, process):
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await ask(url, message)
        assert await process.wait() == -signal.SIGKILL
    assert left_behind(folder) == (left, left.count("done"))

    async with provider(world, folder, channel) as (url, _):
        first = await ask(url, message)
        again = await ask(url, message)
    outputs = {tensor.name: tensor.array.tobytes() for tensor in first.tensors}
    assert outputs == {name: array.tobytes() for name, array in world.expected(given).items()}
    assert first.parameters == again.parameters
    receipt = parse_receipt(first.parameters[RECEIPT_PARAMETER].encode()).receipt
    assert receipt.job == world.job(given, channel, 1)

    journal = Journal(folder / "journal.db")
    try:
        account, best = journal.account(channel), journal.redeemable(channel)
        assert journal.counts() == {"done": 1}
        kept = journal.inputs(receipt.job)
        assert kept is not None
        assert {name: array.tobytes() for name, array in kept.arrays().items()} == {
            name: array.tobytes() for name, array in given.items()
        }
        assert account.owed == account.earned == world.price
        assert best is not None and best.amount == world.price
    finally:
        journal.close()


async def test_a_receipt_that_was_sent_before_the_kill_is_the_one_sent_after_it(
    world: Any, folder: Path
) -> None:
    channel = world.open()
    message = world.request(world.inputs(), channel, 1)
    async with provider(world, folder, channel) as (url, process):
        before = await ask(url, message)
        process.kill()
        await process.wait()
    async with provider(world, folder, channel) as (url, _):
        after = await ask(url, message)
    assert after.parameters == before.parameters
    assert [t.array.tobytes() for t in after.tensors] == [t.array.tobytes() for t in before.tensors]

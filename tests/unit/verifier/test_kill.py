"""kill -9 of the whole verifier at the moments that matter: nothing is lost, no bond is paid twice.

The verifier is a process of its own that ends itself at a chosen moment; another one is started on
the same files.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.verifier.test_prosecution import BOND, playing, until, worth

from aivm.verifier.states import State

# argv: moment, receipt.json, inputs.npz; settings in the environment
VERIFIER = """
import asyncio, os, signal, sys
from pathlib import Path

import numpy as np

from aivm import config
from aivm.chain.devchain import dev_account
from aivm.litigation.conductor import Conductor
from aivm.receipts import parse_receipt
from aivm.verifier.book import Book
from aivm.verifier.node import NodeOptions, open_parts
from aivm.verifier.policy import Policy
from aivm.verifier.states import State
from aivm.verifier.submission import Submission, named_tensors

moment, receipt, inputs = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

real_move, real_add = Book.move, Book.add

def move(self, entry, state, **more):
    if (moment, state) in (("found", State.SUSPECT), ("opened", State.DISPUTED)):
        die()
    done = real_move(self, entry, state, **more)
    if (moment, state) == ("false", State.FALSE):
        die()
    return done

def add(self, *what):
    done = real_add(self, *what)
    if moment == "taken":
        die()
    return done

Book.move, Book.add = move, add

async def main():
    options = NodeOptions(policy=Policy(floor=1.0), engines=("native", "reference"))
    async with open_parts(config.load({}), dev_account(2), options) as parts:
        signed = parse_receipt(Path(receipt).read_bytes())
        with np.load(inputs) as arrays:
            sent = Submission(signed, named_tensors(dict(arrays)), "test")
        await parts.intake.take(sent)
        while await parts.examiner.step():
            pass
        await parts.prosecutor.step()

asyncio.run(main())
"""


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "moment",
    [pytest.param("taken", marks=slow), pytest.param("found", marks=slow), "false", "opened"],
)
async def test_killed_at_any_moment_it_goes_on_where_it_was(
    scene: Any, tmp_path: Path, moment: str
) -> None:
    signed, inputs = await scene.receipt(1, false=True)
    (tmp_path / "r.json").write_bytes(signed.to_json())
    np.savez(tmp_path / "i.npz", **inputs)
    before = await worth(scene, scene.verifier.address)
    config = scene.config
    environment = {
        **os.environ,
        "AIVM_RPC_URL": config.rpc_url,
        "AIVM_STORAGE_URL": config.storage_url,
        "AIVM_ADDRESS_BOOK": str(config.address_book),
        "AIVM_STATE_DIR": str(config.state_dir),
        "AIVM_CACHE_DIR": str(config.cache_dir),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VERIFIER, moment),
        *(str(tmp_path / "r.json"), str(tmp_path / "i.npz")),
        env=environment,
    )
    assert await process.wait() == -signal.SIGKILL
    async with scene.parts() as parts, playing(parts):
        (entry,) = parts.book.of_job(signed.receipt.job)
        expected = State.FALSE if moment in ("false", "opened") else State.DUE
        assert entry.state is expected
        while await parts.examiner.step():
            pass
        await until(parts, entry, State.DISPUTED)
        assert await worth(scene, scene.verifier.address) == before - BOND

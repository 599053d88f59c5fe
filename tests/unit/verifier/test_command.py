"""`aivm verifier run` as an operator starts and ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from aivm.chain.account import Account
from aivm.devnet.children import write_key
from aivm.verifier.remote import RemoteVerifier


def settings(scene: Any, folder: Path, account: Account, **changes: str) -> dict[str, str]:
    write_key(folder, "verifier", account)
    return {
        **os.environ,
        "AIVM_RPC_URL": scene.config.rpc_url,
        "AIVM_STORAGE_URL": scene.config.storage_url,
        "AIVM_ADDRESS_BOOK": str(scene.config.address_book),
        "AIVM_STATE_DIR": str(folder / "state"),
        "AIVM_CACHE_DIR": str(scene.config.cache_dir),
        "AIVM_KEYSTORE": str(folder / "keystore"),
        "AIVM_ACCOUNT": "verifier",
        "AIVM_PASSWORD_FILE": str(folder / "password"),
        **changes,
    }


async def start(environment: dict[str, str], *options: object) -> asyncio.subprocess.Process:
    ports = ("--port", "0", "--operator-port", "0", "--json")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aivm.cli", "verifier", "run", *ports, *map(str, options)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_it_watches_its_folder_and_stops_when_asked(scene: Any, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    signed, inputs = await scene.receipt(1)
    (inbox / "one.json").write_bytes(signed.to_json())
    np.savez(inbox / "one.npz", **inputs)
    environment = settings(scene, tmp_path / "own", scene.verifier)
    process = await start(environment, "--inbox", inbox, "--floor", "1")
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession() as session:
        operator = RemoteVerifier(session, said["operator_url"])
        for _ in range(600):
            status = await operator.status()
            if status["receipts"]["holds"]:
                break
            await asyncio.sleep(0.1)
        assert (status["seen"], status["receipts"]["holds"]) == (1, 1)
    assert (inbox / "taken" / "one.json").is_file()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_it_does_not_start_where_it_could_not_dispute(scene: Any, tmp_path: Path) -> None:
    poor = Account(b"\x55" * 32)
    cases = (
        ("poor", poor, {}, "AIVM-E0304", "a bond of 100 AIVM"),
        ("other", poor, {"AIVM_ADDRESS_BOOK": str(foreign(scene, tmp_path))}, "AIVM-E0402", "7"),
    )
    for name, account, changes, code, words in cases:
        process = await start(settings(scene, tmp_path / name, account, **changes))
        out, _ = await process.communicate()
        error = json.loads(out)["error"]
        assert (error["code"], words in error["message"]) == (code, True), error
        assert process.returncode != 0


def foreign(scene: Any, folder: Path) -> Path:
    """The address book of another network."""
    book = json.loads(scene.config.address_book.read_text())
    path = folder / "foreign.json"
    path.write_text(json.dumps({**book, "chain_id": 7}))
    return path

"""Members of the development network as what they really are: processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aivm import host
from aivm.chain.account import Account
from aivm.chain.keystore import LIGHT, Keystore
from aivm.errors import Unavailable

START_SECONDS = 120.0
STOP_SECONDS = 30.0
_ACCOUNT = "hot"
_VERIFIER = "verifier"


@dataclass(frozen=True)
class Membership:
    """What a member of the network must know, as environment variables."""

    rpc_url: str
    storage_url: str
    address_book: Path
    cache_dir: Path
    storage_token_file: Path

    def environment(self, folder: Path, account: str) -> dict[str, str]:
        """Settings for a process that keeps its keys and state in `folder`."""
        return {
            **os.environ,
            "AIVM_RPC_URL": self.rpc_url,
            "AIVM_STORAGE_URL": self.storage_url,
            "AIVM_STORAGE_TOKEN_FILE": str(self.storage_token_file),
            "AIVM_ADDRESS_BOOK": str(self.address_book),
            "AIVM_CACHE_DIR": str(self.cache_dir),
            "AIVM_STATE_DIR": str(folder / "state"),
            "AIVM_DATA_DIR": str(folder / "data"),
            "AIVM_KEYSTORE": str(folder / "keystore"),
            "AIVM_ACCOUNT": account,
            "AIVM_PASSWORD_FILE": str(folder / "password"),
        }


def write_key(folder: Path, name: str, account: Account) -> None:
    """Keep a play-money key encrypted in `folder/keystore`, its password beside it."""
    password = host.random_bytes(16).hex()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password + "\n")
    Keystore(folder / "keystore").save(name, account, password, cost=LIGHT)


class Child:
    """One command of ours that serves something; it drains on SIGTERM and dies with this process.

    `said` is the JSON document with which it reported that it serves.
    """

    def __init__(self, process: asyncio.subprocess.Process, said: Mapping[str, Any]) -> None:
        self._process = process
        self.said = said

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it serves."""
        return str(self.said["url"])

    @classmethod
    async def start(cls, command: Sequence[str], environment: dict[str, str], log: Path) -> Child:
        """Start and wait until it serves. Raises Unavailable with what it said if it ends."""
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "aivm.cli",
                *command,
                "--json",
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                preexec_fn=host.die_with_parent(),
            )
        assert process.stdout is not None
        with suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
            if line and process.returncode is None:
                return cls(process, json.loads(line))
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        told = log.read_text(errors="replace")[-500:]
        raise Unavailable(f"aivm {' '.join(command[:2])} did not start: {told or 'it is silent'}")

    async def stop(self) -> None:
        """Ask it to drain and wait; kill it if it does not end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@dataclass(frozen=True)
class ProviderProcess:
    """One `aivm provider serve`."""

    child: Child
    owner: str

    @property
    def url(self) -> str:
        return self.child.url

    @classmethod
    async def start(
        cls,
        membership: Membership,
        folder: Path,
        *,
        hot_key: Account,
        owner: str,
        port: int,
        model: str,
        arguments: Sequence[str] = (),
    ) -> ProviderProcess:
        """Start and wait until it serves. Raises Unavailable with what it said if it ends."""
        write_key(folder, _ACCOUNT, hot_key)
        command = ["provider", "serve", "--owner", owner, "--model", model, "--port", str(port)]
        environment = membership.environment(folder, _ACCOUNT)
        child = await Child.start([*command, *arguments], environment, folder / "log")
        return cls(child, owner)


@dataclass(frozen=True)
class VerifierProcess:
    """One `aivm verifier run`; `url` is for everybody, `operator_url` for its operator."""

    child: Child

    @property
    def url(self) -> str:
        return self.child.url

    @property
    def operator_url(self) -> str:
        return str(self.child.said["operator_url"])

    @classmethod
    async def start(
        cls, membership: Membership, folder: Path, account: Account, arguments: Sequence[str]
    ) -> VerifierProcess:
        """Start and wait until it serves. Raises Unavailable with what it said if it ends."""
        write_key(folder, _VERIFIER, account)
        command = ["verifier", "run", "--port", "0", "--operator-port", "0", *arguments]
        environment = membership.environment(folder, _VERIFIER)
        return cls(await Child.start(command, environment, folder / "log"))

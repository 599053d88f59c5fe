"""The installed command as users start it, and a small network in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from onnx import TensorProto, helper, numpy_helper

from aivm import config as settings
from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.client import AsyncClient
from aivm.config import Config
from aivm.devnet.storage import run_storage
from aivm.devnet.wheel import fetch_model
from aivm.market.publish import publish
from aivm.packages import open_package, pack_model
from aivm.provider.admission import Terms
from aivm.provider.node import Node, NodeOptions, run_node
from aivm.provider.settlement import SettlementPolicy

TOKEN = 10**18
PRICE = 10**12
MODEL = "demo/tiny"
WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)

# The weights of the demo's model are fetched once a checkout; git ignores the folder.
CACHE = Path(__file__).parents[2] / ".cache"
_MARK = "AIVM_TEST_MARK"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as exactly one JSON document."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out + self.err
        return json.loads(lines[0])


class Terminal:
    """Starts commands; every process that descends from them can be found again."""

    def __init__(self, home: Path, anvil: Path) -> None:
        self.home = home
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIVM_")}
        self.environment = {
            **kept,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(CACHE),
            "AIVM_ANVIL": str(anvil),
            _MARK: self._mark.partition("=")[2],
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "aivm.cli", *map(str, arguments)]
        with (self.home / "stderr").open("w") as stderr:
            return subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    def run(self, *arguments: object, timeout: float = 100) -> Done:
        command = [sys.executable, "-m", "aivm.cli", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def processes(self) -> dict[int, str]:
        """Command lines by process id of everything that was started here and lives."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if self._mark.encode() not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if command:  # a zombie has none
                found[int(folder.name)] = command
        return found

    def wait_until_all_ended(self, seconds: float) -> dict[int, str]:
        """What still lives after that time, if anything does."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@pytest.fixture(scope="session")
def weights() -> Path:
    """The demo's weights, in the cache that every test of this folder shares."""
    return fetch_model(CACHE / "aivm")


@pytest.fixture(scope="module")
def terminal(
    tmp_path_factory: pytest.TempPathFactory, anvil_path: Path, weights: Path
) -> Iterator[Terminal]:
    assert weights.is_dir()
    opened = Terminal(tmp_path_factory.mktemp("home"), anvil_path)
    yield opened
    for pid in opened.processes():
        os.kill(pid, 9)


def tiny_model() -> bytes:
    """y = x @ WEIGHT, row = WEIGHT[index]."""
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["y"]),
            helper.make_node("Gather", ["weight", "index"], ["row"]),
        ],
        "tiny",
        [info("x", TensorProto.FLOAT, [1, 4]), info("index", TensorProto.INT64, [1])],
        [info("y", TensorProto.FLOAT, [1, 3]), info("row", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@dataclass
class Network:
    """A published model, a staked provider, a client with tokens; nodes start when asked."""

    devchain: DevChain
    chain: Chain
    config: Config
    folder: Path
    owner: Account
    hot_key: Account
    client: Account
    port: int
    model: bytes

    @asynccontextmanager
    async def node(self, **options: Any) -> AsyncIterator[Node]:
        """The provider at its registered address, always on the same state."""
        chosen = NodeOptions(
            owner=self.owner.address,
            models=(MODEL,),
            port=self.port,
            terms=Terms(minimum_price=PRICE, channel_refresh_seconds=0),
            settlement=SettlementPolicy(poll_seconds=3600),
        )
        config = replace(self.config, state_dir=self.folder / "provider")
        async with run_node(config, self.hot_key, replace(chosen, **options)) as node:
            yield node

    @asynccontextmanager
    async def buyer(self) -> AsyncIterator[AsyncClient]:
        async with AsyncClient.connect(self.config, account=self.client, engine="native") as found:
            yield found


@pytest_asyncio.fixture
async def network(deployed: Chain, devchain: DevChain, tmp_path: Path) -> AsyncIterator[Network]:
    bank, publisher, owner, client = devchain.accounts[:4]
    hot_key = Account.generate()
    port = host.free_port()
    info = pack_model(
        tiny_model(),
        name=MODEL,
        version="1.0.0",
        license="MIT",
        shapes=[{}],
        out_dir=tmp_path / "package",
        signer=publisher,
        created=1_800_000_000,
    )
    await deployed.token.transfer(bank, client.address, TOKEN)
    await deployed.token.transfer(bank, owner.address, 2_000 * TOKEN)
    await deployed.transfer(owner, hot_key.address, TOKEN)
    await deployed.staking.register_provider(owner, hot_key.address, f"http://127.0.0.1:{port}")
    await deployed.token.ensure_allowance(owner, deployed.staking.address, 2_000 * TOKEN)
    await deployed.staking.stake(owner, 2_000 * TOKEN)
    deployed.address_book.write(tmp_path / "book.json")
    token = tmp_path / "token"
    async with run_storage(tmp_path / "storage", token) as storage_url:
        async with aiohttp.ClientSession() as session:
            package = open_package(info.directory)
            await publish(
                deployed, session, publisher, storage_url, package, token=token.read_text()
            )
        environment = {
            "HOME": str(tmp_path),
            "AIVM_RPC_URL": devchain.url,
            "AIVM_STORAGE_URL": storage_url,
            "AIVM_ADDRESS_BOOK": str(tmp_path / "book.json"),
        }
        config = settings.load({}, environment=environment, folder=tmp_path)
        yield Network(
            devchain, deployed, config, tmp_path, owner, hot_key, client, port, info.model_id
        )

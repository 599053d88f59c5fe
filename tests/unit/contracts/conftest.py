"""What the tests of the contracts share: the checkout's folders, the artifacts, and a bare EVM."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aivm.chain.anvil import AnvilProcess
from aivm.chain.artifact import load
from aivm.chain.rpc import Rpc

NAMES = (
    "AIVMToken",
    "ModelRegistry",
    "Staking",
    "EscrowManager",
    "Exponentials",
    "Hyperbolics",
    "Trigonometry",
    "Numerics",
    "OneStep",
    "Referee",
    "DisputeGame",
    "Misconduct",
)

REQUEST_GAS = 12_000_000  # the chain allows 2**24
REQUEST_CALLS = 3_000  # a request then has less than 1 MiB
WORD_BYTES = 32

# Calldata: an address, the size of one call, the calls. Answer: one word for each call. It reverts
# where one of them does.
#    0  PUSH1 64, PUSH2 512                              the next call's and answer's places
#    5  JUMPDEST, CALLDATASIZE, DUP3, LT, ISZERO, PUSH1 46, JUMPI
#       PUSH1 32, CALLDATALOAD                           the size
#       DUP1, DUP4, PUSH1 0, CALLDATACOPY                the call
#       PUSH1 32, DUP3, DUP3, PUSH1 0, PUSH1 0, CALLDATALOAD, GAS, STATICCALL
#       ISZERO, PUSH1 56, JUMPI
#       DUP3, ADD, SWAP2, POP, PUSH1 32, ADD, PUSH1 5, JUMP
#   46  JUMPDEST, PUSH2 512, SWAP1, SUB, PUSH2 512, RETURN
#   56  JUMPDEST, PUSH1 0, PUSH1 0, REVERT
REPEATER_CODE = (
    "0x60406102005b36821015602e5760203580836000376020828260006000355afa"
    "15603857820191506020016005565b6102009003610200f35b60006000fd"
)
REPEATER = "0x" + "c1" * 20
CONTRACT = "0x" + "c0" * 20
# What `Numerics` asks, in the order of its constructor.
FLOAT_FUNCTIONS = {
    "Exponentials": "0x" + "c2" * 20,
    "Hyperbolics": "0x" + "c3" * 20,
    "Trigonometry": "0x" + "c4" * 20,
}


@pytest.fixture(scope="session")
def contracts() -> Path:
    """The folder of the Solidity sources."""
    return Path(__file__).parents[3] / "contracts"


@pytest.fixture(scope="session", params=NAMES)
def artifact(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each artifact in turn, as the package ships it."""
    path = resources.files("aivm.chain") / "artifacts" / f"{request.param}.json"
    return {"file": request.param, **json.loads(path.read_text(encoding="utf-8"))}


@dataclass(frozen=True)
class NumericsContract:
    """The shipped code of `Numerics` on an EVM, called for many operands in one request."""

    rpc: Rpc

    async def call(
        self, function: str, *columns: npt.ArrayLike, gas: int
    ) -> npt.NDArray[np.uint64]:
        """A function of words below 2**64, for each row of the columns; `gas` bounds one call."""
        calls = self._encoded(function, np.broadcast_arrays(*columns))
        rows = min(REQUEST_CALLS, REQUEST_GAS // gas)
        parts = [calls[start : start + rows] for start in range(0, len(calls), rows)]
        answers = b"".join([await self._request(part) for part in parts])
        words = np.frombuffer(answers, ">u8").reshape(-1, WORD_BYTES // 8)
        assert not words[:, :-1].any()
        return words[:, -1].astype(np.uint64)

    def _encoded(self, function: str, columns: list[npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
        selector = np.frombuffer(load("Numerics").abi.functions[function].selector, np.uint8)
        rows = len(columns[0])
        words = np.zeros((rows, len(columns), WORD_BYTES // 8), ">u8")
        words[:, :, -1] = np.stack([column.astype(np.uint64) for column in columns], axis=1)
        data = words.view(np.uint8).reshape(rows, -1)
        return np.hstack([np.broadcast_to(selector, (rows, 4)), data])

    async def _request(self, calls: npt.NDArray[np.uint8]) -> bytes:
        target = bytes.fromhex(CONTRACT[2:]).rjust(WORD_BYTES, b"\0")
        size = calls.shape[1].to_bytes(WORD_BYTES, "big")
        data = "0x" + (target + size + calls.tobytes()).hex()
        request = {"to": REPEATER, "data": data, "gas": hex(1 << 24)}
        return bytes.fromhex((await self.rpc.call("eth_call", request, "latest"))[2:])


@pytest.fixture(scope="session")
def evm() -> Iterator[str]:
    """The endpoint of a chain without contracts."""
    with AnvilProcess() as process:
        yield process.url


@pytest.fixture
async def numerics(evm: str) -> AsyncIterator[NumericsContract]:
    """`Numerics` as it ships, with the contracts that it asks."""
    async with Rpc(evm, timeout_seconds=60.0) as rpc:
        creation = load("Numerics").bytecode
        for name, address in FLOAT_FUNCTIONS.items():
            await rpc.call("anvil_setCode", address, await created(rpc, load(name).bytecode))
            creation += bytes.fromhex(address[2:]).rjust(WORD_BYTES, b"\0")
        await rpc.call("anvil_setCode", CONTRACT, await created(rpc, creation))
        await rpc.call("anvil_setCode", REPEATER, REPEATER_CODE)
        yield NumericsContract(rpc)


async def created(rpc: Rpc, creation: bytes) -> str:
    """The code that a constructor leaves."""
    code: str = await rpc.call("eth_call", {"input": "0x" + creation.hex()}, "latest")
    return code

"""The local chain: clock, snapshots, state, and its end together with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aivm.chain.anvil import AnvilProcess
from aivm.chain.client import Chain
from aivm.chain.devchain import DEFAULT_BALANCE, DevChain, dev_account
from aivm.errors import ToolMissing, Unavailable

pytestmark = pytest.mark.usefixtures("anvil_path")


async def test_accounts_are_funded_and_follow_from_the_seed() -> None:
    async with DevChain.start(chain_id=4242, accounts=3, seed="one") as devchain:
        assert await devchain.rpc.call("eth_chainId") == hex(4242)
        assert [account.address for account in devchain.accounts] == [
            dev_account(number, "one").address for number in range(3)
        ]
        for account in devchain.accounts:
            balance = await devchain.rpc.call("eth_getBalance", account.address, "latest")
            assert int(balance, 16) == DEFAULT_BALANCE
    assert dev_account(0, "one") != dev_account(0, "two")


async def test_attaching_again_does_not_fund_again(deployed: Chain, devchain: DevChain) -> None:
    spender = devchain.accounts[0]
    await deployed.transfer(spender, devchain.accounts[1].address, 10**18)
    async with DevChain.attach(devchain.url, accounts=1):
        assert await deployed.balance(spender.address) < DEFAULT_BALANCE - 10**18


async def test_the_clock_moves_forward(deployed: Chain, devchain: DevChain) -> None:
    before = await deployed.block()
    await devchain.advance(86_400)
    after = await deployed.block()
    assert after.number == before.number + 1
    assert 86_400 <= after.time - before.time < 86_460


async def test_a_snapshot_brings_everything_back(deployed: Chain, devchain: DevChain) -> None:
    before = await deployed.block()
    snapshot = await devchain.snapshot()
    await deployed.token.burn(devchain.accounts[0], 1)
    await devchain.revert(snapshot)
    assert await deployed.block() == before


async def test_blocks_come_by_the_clock_when_asked() -> None:
    async with DevChain.start(block_seconds=0.1, accounts=1) as devchain:
        for _ in range(200):
            if int(await devchain.rpc.call("eth_blockNumber"), 16) >= 2:
                return
            await asyncio.sleep(0.05)
    pytest.fail("no block was mined")


async def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state.json"
    async with DevChain.start(state=state) as devchain:
        book = await devchain.deploy()
        async with await Chain.connect(devchain.url, book) as chain:
            await chain.token.transfer(devchain.accounts[0], devchain.accounts[1].address, 5)
    async with (
        DevChain.start(state=state) as again,
        await Chain.connect(again.url, book) as chain,
    ):
        assert await chain.token.balance_of(again.accounts[1].address) == 5
        await chain.token.transfer(again.accounts[0], again.accounts[1].address, 5)
        assert len((await chain.follow().read()).events) > 0


def test_nothing_is_written_outside_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with AnvilProcess() as process:
        assert process.url.startswith("http://127.0.0.1:")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_an_error_with_anvils_words() -> None:
    with AnvilProcess() as process:
        port = int(process.url.rpartition(":")[2])
        with pytest.raises(Unavailable, match="anvil ended before it listened"):
            AnvilProcess(port=port)


def test_its_end_is_noticed() -> None:
    with AnvilProcess() as process:
        process.check()
        assert process.running
        process.kill()
        assert not process.running
        with pytest.raises(Unavailable, match="anvil ended with status -9"):
            process.check()


def test_closing_twice_is_no_error() -> None:
    process = AnvilProcess()
    process.close()
    process.close()
    assert not process.running


def test_a_missing_anvil_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIVM_ANVIL", str(tmp_path / "none"))
    with pytest.raises(ToolMissing, match="AIVM_ANVIL names"):
        AnvilProcess()


def _program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_an_old_c_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = '#!/bin/sh\necho "anvil: libc.so.6: version \\`GLIBC_2.35\' not found" >&2\nexit 1\n'
    monkeypatch.setenv("AIVM_ANVIL", _program(tmp_path / "anvil", script))
    with pytest.raises(ToolMissing, match=r"glibc 2\.35"):
        AnvilProcess()


def test_a_binary_for_another_machine_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIVM_ANVIL", _program(tmp_path / "anvil", "\x7fELF not really"))
    with pytest.raises(ToolMissing, match="does not run on this machine"):
        AnvilProcess()


PARENT = """
import sys, time
from aivm.chain.anvil import AnvilProcess
process = AnvilProcess()
print(process.pid, flush=True)
time.sleep(60)
"""


def test_anvil_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert _alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        for _ in range(200):
            if not _alive(child):
                return
            time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("anvil outlived its parent")


def _alive(pid: int) -> bool:
    """Whether the process exists and is no zombie that its new parent has yet to collect."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"

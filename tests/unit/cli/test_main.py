"""How every command talks: one JSON document, a status with a meaning, each stream its own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from aivm.chain.address_book import AddressBook, ContractEntry
from aivm.cli import main as command_line
from aivm.cli.output import printable
from aivm.errors import InternalError

COMMANDS = sorted(command_line._COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(aivm: Any, command: str) -> None:
    done = aivm(command, "--help")
    assert (done.status, done.err) == (0, "")
    assert "Usage: aivm" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["run"],
        ["run", "x", "--engine", "abacus"],
        ["run", "x", "--frobnicate"],
        ["run", "x", "--max-price", "much"],
        ["verify"],
        ["pack", "x"],
        ["devnet", "--providers", "0"],
        ["keys", "frobnicate"],
        ["push", "x", "--royalty-bps", "9999"],
    ],
)
def test_wrong_usage_is_status_2_and_one_document(aivm: Any, arguments: list[str]) -> None:
    done = aivm(*arguments, "--json")
    assert done.status == 2
    assert done.document["ok"] is False
    assert done.document["error"]["code"] == "AIVM-E0100"
    done = aivm(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "error:" in done.err


def test_without_arguments_there_is_help(aivm: Any) -> None:
    done = aivm()
    assert done.status in (0, 2)
    assert "aivm demo" in done.out + done.err


def test_an_unexpected_error_is_a_defect_of_ours(
    aivm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("[/] a defect")

    monkeypatch.setattr(command_line.cli, "main", broken)
    done = aivm("doctor", "--json")
    assert done.status == 1
    assert done.document["error"]["code"] == InternalError.code


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.exceptions.Abort()])
def test_an_interrupt_is_status_130(
    aivm: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(command_line.cli, "main", interrupted)
    assert aivm("doctor").status == 130


def test_doctor(aivm: Any) -> None:
    done = aivm("doctor", "--json")
    assert done.status == 0, done.document
    findings = {finding["name"]: finding for finding in done.document["findings"]}
    assert all(findings[f"engine {name}"]["ok"] for name in ("reference", "wasm", "native"))
    assert findings["chain"]["ok"] is False
    assert "aivm devnet" in findings["chain"]["hint"]
    assert aivm("doctor").status == 0


def test_config_names_every_origin(aivm: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIVM_RPC_URL", "http://127.0.0.1:1")
    (home / "work" / "aivm.toml").write_text("account = 'alice'\n")
    settings = aivm("config", "--json").document["settings"]
    assert settings["rpc_url"]["origin"] == "environment"
    assert settings["account"] == {
        "value": "alice",
        "origin": str(home / "work" / "aivm.toml"),
        "variable": "AIVM_ACCOUNT",
    }
    assert settings["storage_url"]["origin"] == "default"
    (home / "work" / "aivm.toml").write_text("acount = 'alice'\n")
    done = aivm("config", "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0111")
    assert "account" in done.document["error"]["hint"]


def test_keys_are_made_listed_and_never_shown(aivm: Any, home: Path, key: Any) -> None:
    done = aivm("keys", "new", "alice", "--json")
    assert done.status == 0
    assert done.document["address"].startswith("0x")
    done = aivm("keys", "ls", "--json")
    assert done.document["names"] == ["alice", "default"]
    assert key.secret().hex() not in done.out + done.err
    for name in ("alice", "../x", "", "a" * 65):
        done = aivm("keys", "new", name, "--json")
        assert done.status == 2, name
    (home / "password").unlink()
    done = aivm("keys", "new", "bob", "--json")
    assert done.status in (2, 4)
    assert aivm("keys", "ls", "-q").out.split() == ["alice", "default"]


@pytest.mark.parametrize(
    "arguments",
    [["ls"], ["show", "demo/x"], ["pull", "demo/x"], ["run", "demo/x", "--text", "hello"]],
)
def test_without_a_network(
    aivm: Any, arguments: list[str], key: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No address book: refused (4); a chain that is down: unreachable (5)."""
    assert key.address
    done = aivm(*arguments, "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    assert "aivm devnet" in done.document["error"]["hint"]
    entry = ContractEntry("0x" + "11" * 20, "0x" + "22" * 32)
    names = ("AIVMToken", "ModelRegistry", "Staking", "EscrowManager")
    AddressBook(31337, dict.fromkeys(names, entry)).write(home / "book.json")
    monkeypatch.setenv("AIVM_ADDRESS_BOOK", str(home / "book.json"))
    done = aivm(*arguments, "--rpc-url", "http://127.0.0.1:1", "--json")
    assert (done.status, done.document["error"]["code"]) == (5, "AIVM-E0401")
    (home / "book.json").write_text("{}")
    done = aivm(*arguments, "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0111")


async def test_the_address_book_of_another_chain(
    deployed: Any, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    import asyncio

    book = replace(deployed.address_book, chain_id=1)
    book.write(home / "book.json")
    monkeypatch.setenv("AIVM_ADDRESS_BOOK", str(home / "book.json"))
    arguments = ["ls", "--rpc-url", deployed.rpc.url, "--json"]
    assert await asyncio.to_thread(command_line.run, arguments) == 5
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "AIVM-E0402"
    deployed.address_book.write(home / "book.json")
    assert await asyncio.to_thread(command_line.run, arguments) == 0
    assert json.loads(capfd.readouterr().out) == {"ok": True, "models": []}
    for verb in ("show", "pull"):
        arguments = [verb, "demo/none", "--rpc-url", deployed.rpc.url, "--json"]
        assert await asyncio.to_thread(command_line.run, arguments) == 4
        error = json.loads(capfd.readouterr().out)["error"]
        assert (error["code"], "demo/none" in error["message"]) == ("AIVM-E0301", True)


def test_hostile_text_is_harmless_on_a_terminal() -> None:
    hostile = "[red]\x1b[2J\x07[/]\u202e\nnext"
    assert printable(hostile).plain == "[red]\\x1b[2J\\x07[/]\\x202e\nnext"
    assert printable(hostile).spans == []

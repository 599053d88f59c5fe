"""The blocking client ends its thread whatever happens, and works inside a running loop."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aivm import config as settings
from aivm.chain.account import Account
from aivm.client import Client
from aivm.errors import ChainUnreachable, NotFound


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "aivm-client"]


@pytest.fixture
def config(tmp_path: Path) -> settings.Config:
    return settings.load({}, environment={"HOME": str(tmp_path)}, folder=tmp_path)


def test_without_an_address_book(config: settings.Config) -> None:
    with pytest.raises(NotFound, match="address book"):
        Client(config, account=Account(b"\x01" * 32))
    assert threads() == []


def test_without_a_password(config: settings.Config) -> None:
    with pytest.raises(NotFound, match="password"):
        Client(config)
    assert threads() == []


async def test_inside_a_running_loop(
    config: settings.Config, deployed: Any, tmp_path: Path
) -> None:
    deployed.address_book.write(tmp_path / "book.json")
    connected = replace(config, rpc_url=deployed.rpc.url, address_book=tmp_path / "book.json")
    client = Client(connected, account=Account(b"\x01" * 32))
    assert threads() == ["aivm-client"]
    with client, pytest.raises(NotFound, match="demo/none"):
        client.infer("demo/none", {})
    client.close()
    assert threads() == []
    with pytest.raises(ChainUnreachable):
        Client(replace(connected, rpc_url="http://127.0.0.1:1"), account=Account(b"\x01" * 32))
    assert threads() == []

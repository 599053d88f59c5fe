"""While a devnet runs its settings are everybody's defaults; one network a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aivm import config as settings
from aivm.devnet.profile import claim_folder, write_profile
from aivm.errors import NotAllowed


@pytest.mark.parametrize("name", ["plain", "it's", 'say "hello"', "back\\slash", "ünï[code]"])
def test_settings_of_a_running_network_are_found_and_taken_back(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    home.mkdir()
    environment = {"HOME": str(home)}
    here = replace(
        settings.load({}, environment=environment, folder=tmp_path),
        rpc_url="http://127.0.0.1:1234",
        password_file=home / "password",
        storage_token_file=home / "token",
    )
    folder = here.state_dir / "devnet"
    with claim_folder(folder), write_profile(folder, here):
        found = settings.load({}, environment=environment, folder=tmp_path)
        assert found.rpc_url == "http://127.0.0.1:1234"
        assert found.password_file == home / "password"
        assert found.origins["rpc_url"] == "devnet"
        flagged = settings.load(
            {"rpc_url": "http://other"}, environment=environment, folder=tmp_path
        )
        assert flagged.rpc_url == "http://other"
    after = settings.load({}, environment=environment, folder=tmp_path)
    assert after.origins["rpc_url"] == "default"


def test_one_network_a_folder(tmp_path: Path) -> None:
    with (
        claim_folder(tmp_path / "devnet"),
        pytest.raises(NotAllowed, match="running already"),
        claim_folder(tmp_path / "devnet"),
    ):
        pass
    with claim_folder(tmp_path / "devnet") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert [entry.name for entry in folder.iterdir()] == ["lock"]

"""Settings: precedence, origins, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm import config
from aivm.config import SETTINGS, load
from aivm.errors import MalformedConfig


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a user file; `tmp_path / "work"` is the working folder."""
    (tmp_path / ".config/aivm").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    return tmp_path


def environment(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), **variables}


def test_defaults_need_nothing(home: Path) -> None:
    found = load(environment=environment(home), folder=home / "work")
    assert found.rpc_url == "http://127.0.0.1:8545"
    assert found.data_dir == home / ".local/share/aivm"
    assert found.cache_dir == home / ".cache/aivm"
    assert found.state_dir == home / ".local/state/aivm"
    assert found.keystore == found.data_dir / "keystore"
    assert found.address_book == found.data_dir / "address_book.json"
    assert found.password_file is None
    assert set(found.origins.values()) == {"default"}


def test_each_layer_wins_over_the_next(home: Path) -> None:
    user_file, local_file = home / ".config/aivm/config.toml", home / "work/aivm.toml"
    folder, plain = home / "work", environment(home)

    user_file.write_text('account = "of user"')
    found = load(environment=plain, folder=folder)
    assert (found.account, found.origins["account"]) == ("of user", str(user_file))

    local_file.write_text('account = "of folder"')
    found = load(environment=plain, folder=folder)
    assert (found.account, found.origins["account"]) == ("of folder", str(local_file))

    with_variable = environment(home, AIVM_ACCOUNT="of variable")
    found = load(environment=with_variable, folder=folder)
    assert (found.account, found.origins["account"]) == ("of variable", "environment")

    found = load({"account": "of flag"}, environment=with_variable, folder=folder)
    assert (found.account, found.origins["account"]) == ("of flag", "flag")


def test_what_was_not_given_falls_through(home: Path) -> None:
    found = load(
        {"account": None}, environment=environment(home, AIVM_ACCOUNT=""), folder=home / "work"
    )
    assert (found.account, found.origins["account"]) == ("default", "default")


def test_folders_follow_xdg_unless_relative(home: Path) -> None:
    variables = environment(home, XDG_DATA_HOME=str(home / "data"), XDG_CACHE_HOME="relative")
    found = load(environment=variables, folder=home / "work")
    assert found.data_dir == home / "data/aivm"
    assert found.keystore == home / "data/aivm/keystore"
    assert found.cache_dir == home / ".cache/aivm"


def test_the_user_file_follows_xdg(home: Path) -> None:
    (home / "settings/aivm").mkdir(parents=True)
    (home / "settings/aivm/config.toml").write_text('log_level = "debug"')
    variables = environment(home, XDG_CONFIG_HOME=str(home / "settings"))
    assert load(environment=variables, folder=home / "work").log_level == "debug"


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    flags = {"keystore": "~/keys", "password_file": Path("/run/secrets/word"), "data_dir": "~"}
    found = load(flags, environment=environment(home), folder=home / "work")
    assert found.keystore == home / "keys"
    assert found.password_file == Path("/run/secrets/word")
    assert found.data_dir == home


def test_a_misspelt_setting_is_named_with_the_right_one(home: Path) -> None:
    (home / "work/aivm.toml").write_text('rpc_ulr = "http://x"')
    with pytest.raises(MalformedConfig, match="'rpc_ulr', which is no setting") as caught:
        load(environment=environment(home), folder=home / "work")
    assert caught.value.hint == "Did you mean 'rpc_url'?"


def test_a_strange_setting_lists_all(home: Path) -> None:
    with pytest.raises(MalformedConfig, match="flag sets 'zzz'") as caught:
        load({"zzz": "1"}, environment=environment(home), folder=home / "work")
    assert "keystore" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [b"account = ", b"\xff\xfe", b"account = 5", b"[account]\nname = 'x'", b"account = ['x']"],
)
def test_a_broken_file_is_named(home: Path, content: bytes) -> None:
    (home / "work/aivm.toml").write_bytes(content)
    with pytest.raises(MalformedConfig, match=r"aivm\.toml"):
        load(environment=environment(home), folder=home / "work")


def test_a_huge_file_is_refused(home: Path) -> None:
    (home / "work/aivm.toml").write_bytes(b"#" * (config.MAX_FILE_BYTES + 1))
    with pytest.raises(MalformedConfig, match="more than"):
        load(environment=environment(home), folder=home / "work")


def test_settings_do_not_change_afterwards(home: Path) -> None:
    found = load(environment=environment(home), folder=home / "work")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.account = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        found.origins["account"] = "other"  # type: ignore[index]


def test_every_setting_has_a_variable_and_a_sentence() -> None:
    names = {item.name for item in dataclasses.fields(config.Config)} - {"origins"}
    assert {setting.name for setting in SETTINGS} == names
    for setting in SETTINGS:
        assert setting.variable == "AIVM_" + setting.name.upper()
        assert setting.sentence.endswith(".")


@given(st.sampled_from(SETTINGS), st.text(min_size=1).filter(lambda text: text[0] != "~"))
def test_any_text_arrives_unchanged(setting: config.Setting, text: str) -> None:
    found = load({setting.name: text}, environment={"HOME": "/home/x"}, folder=Path("/nowhere"))
    value = getattr(found, setting.name)
    assert value == (Path(text) if setting.is_path else text)
    assert found.origins[setting.name] == "flag"

"""Settings: where each comes from, what it means, what it is when nobody says anything.

A setting is taken from the first of these places that names it:

    flag  >  AIVM_* environment  >  ./aivm.toml  >  $XDG_CONFIG_HOME/aivm/config.toml
          >  a running development network  >  default

    config = load({"rpc_url": None})       # a flag that was not given is None
    config.rpc_url                         # "http://127.0.0.1:8545"
    config.origins["rpc_url"]              # "default"

The class `Config` is the one table: environment variables, help and documentation follow from it.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

from aivm.errors import MalformedConfig

MAX_FILE_BYTES = 64 * 1024
DEVNET_PROFILE = "settings.toml"
"""Written into `<state_dir>/devnet` by `aivm devnet` for as long as it runs."""

Environment = Mapping[str, str]


def _xdg(variable: str, fallback: str) -> Callable[[Environment], str]:
    """The default of a folder: `aivm` beneath an XDG base folder, which must be absolute."""

    def folder(environment: Environment) -> str:
        base = Path(environment.get(variable, ""))
        if not base.is_absolute():  # the XDG specification: a relative path counts as unset
            base = Path(environment.get("HOME") or Path.home()) / fallback
        return str(base / "aivm")

    return folder


_data_dir = _xdg("XDG_DATA_HOME", ".local/share")
_cache_dir = _xdg("XDG_CACHE_HOME", ".cache")
_state_dir = _xdg("XDG_STATE_HOME", ".local/state")
_config_dir = _xdg("XDG_CONFIG_HOME", ".config")


@dataclass(frozen=True)
class About:
    """What stands beside a setting's type: its sentence, its default from the environment."""

    sentence: str
    default: Callable[[Environment], str]


@dataclass(frozen=True)
class Config:
    """All settings, and the origin of each."""

    rpc_url: Annotated[
        str, About("The chain's JSON-RPC endpoint.", lambda _: "http://127.0.0.1:8545")
    ]
    address_book: Annotated[
        Path,
        About(
            "File that names the network's contracts.",
            lambda environment: _data_dir(environment) + "/address_book.json",
        ),
    ]
    gateway_url: Annotated[
        str, About("The gateway that applications talk to.", lambda _: "http://127.0.0.1:8700")
    ]
    verifier_url: Annotated[
        str,
        About("The verifier that receipts are submitted to.", lambda _: "http://127.0.0.1:8720"),
    ]
    verifier_operator_url: Annotated[
        str,
        About("The own verifier's face for its operator.", lambda _: "http://127.0.0.1:8721"),
    ]
    storage_url: Annotated[
        str, About("The gateway that serves content by CID.", lambda _: "http://127.0.0.1:8701")
    ]
    storage_token_file: Annotated[
        Path | None,
        About("File with the token that lets `aivm push` store blocks.", lambda _: ""),
    ]
    arweave_url: Annotated[
        str,
        About("The Arweave node or gateway for permanent copies.", lambda _: "https://arweave.net"),
    ]
    keystore: Annotated[
        Path,
        About(
            "Folder of the encrypted keys (Ethereum keystore v3).",
            lambda environment: _data_dir(environment) + "/keystore",
        ),
    ]
    account: Annotated[
        str, About("Name of the key in the keystore that signs.", lambda _: "default")
    ]
    password_file: Annotated[
        Path | None,
        About("File with the keystore's password; without one it is asked for.", lambda _: ""),
    ]
    data_dir: Annotated[Path, About("Folder of keys, packages and the block store.", _data_dir)]
    cache_dir: Annotated[Path, About("Folder of what can be fetched or made again.", _cache_dir)]
    state_dir: Annotated[
        Path, About("Folder of journals and of the local network's state.", _state_dir)
    ]
    log_level: Annotated[
        str,
        About("Least level that is logged: debug, info, warning or error.", lambda _: "warning"),
    ]
    log_style: Annotated[str, About("How log lines look: auto, human or json.", lambda _: "auto")]
    origins: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """A row of the table, for `--help`, `aivm config` and the documentation."""

    name: str
    variable: str  # the environment variable
    sentence: str
    default: Callable[[Environment], str]
    is_path: bool


def _table() -> Iterator[Setting]:
    for name, annotation in get_type_hints(Config, include_extras=True).items():
        for about in getattr(annotation, "__metadata__", ()):
            is_path = annotation.__origin__ is not str
            yield Setting(name, f"AIVM_{name.upper()}", about.sentence, about.default, is_path)


SETTINGS: tuple[Setting, ...] = tuple(_table())


def _setting(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)


def load(
    flags: Mapping[str, object] | None = None,
    *,
    environment: Environment | None = None,
    folder: Path | None = None,
) -> Config:
    """The settings of this process; `folder` is the working folder, where `aivm.toml` may lie.

    Flags that are None count as not given. Raises MalformedConfig for a file that is not TOML, a
    setting that does not exist or a value that is no text.
    """
    environment = os.environ if environment is None else environment
    user_file = Path(_config_dir(environment)) / "config.toml"
    local_file = (folder or Path.cwd()) / "aivm.toml"
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers: list[tuple[str, Mapping[str, object]]] = [
        ("flag", _known(given, "flag")),
        ("environment", _from_environment(environment)),
        (str(local_file), _from_file(local_file)),
        (str(user_file), _from_file(user_file)),
    ]
    state_dir, _ = _first(_setting("state_dir"), layers, environment)
    profile = Path(state_dir) / "devnet" / DEVNET_PROFILE
    layers.append(("devnet", _from_file(profile)))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        value, origins[setting.name] = _first(setting, layers, environment)
        values[setting.name] = _path(value, environment) if setting.is_path else value
    return Config(**values, origins=MappingProxyType(origins))


def cache_folder() -> Path:
    """Where caches lie as far as the environment says: engines read no settings files."""
    setting = _setting("cache_dir")
    return Path(os.environ.get(setting.variable) or setting.default(os.environ))


def _first(
    setting: Setting, layers: list[tuple[str, Mapping[str, object]]], environment: Environment
) -> tuple[str, str]:
    """The value of the first layer that names the setting, and that layer's name."""
    for origin, layer in layers:
        if setting.name in layer:
            value = layer[setting.name]
            if not isinstance(value, str | Path):
                raise MalformedConfig(f"{setting.name} from {origin} must be text, not {value!r}")
            return str(value), origin
    return setting.default(environment), "default"


def _path(text: str, environment: Environment) -> Path | None:
    """A path from text: `~` is the home folder, the empty text is no path."""
    if text == "~" or text.startswith("~/"):
        text = str(environment.get("HOME") or Path.home()) + text[1:]
    return Path(text) if text else None


def _from_environment(environment: Environment) -> dict[str, object]:
    """The settings among the variables; an empty variable counts as unset."""
    return {
        setting.name: environment[setting.variable]
        for setting in SETTINGS
        if environment.get(setting.variable)
    }


def _from_file(path: Path) -> Mapping[str, object]:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if len(data) > MAX_FILE_BYTES:
        raise MalformedConfig(f"{path} has more than {MAX_FILE_BYTES} bytes")
    try:
        table = tomllib.loads(data.decode())
    except ValueError as error:
        raise MalformedConfig(f"{path} is not TOML: {error}") from None
    return _known(table, str(path))


def _known(table: Mapping[str, object], origin: str) -> Mapping[str, object]:
    """The table itself, once every name in it is known to be a setting."""
    names = [setting.name for setting in SETTINGS]
    for name in table:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            raise MalformedConfig(
                f"{origin} sets {name!r}, which is no setting",
                hint=f"Did you mean {close[0]!r}?" if close else "Known: " + ", ".join(names) + ".",
            )
    return table

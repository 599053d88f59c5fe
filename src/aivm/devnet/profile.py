"""While a development network runs, its settings are the defaults of every other command."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aivm.config import DEVNET_PROFILE, Config
from aivm.errors import NotAllowed

_SETTINGS = (
    "rpc_url",
    "storage_url",
    "storage_token_file",
    "gateway_url",
    "verifier_url",
    "verifier_operator_url",
    "address_book",
    "keystore",
    "account",
    "password_file",
)


@contextmanager
def claim_folder(folder: Path) -> Iterator[Path]:
    """The folder, for one network at a time. Raises NotAllowed if another one runs in it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAllowed(
                "a development network is running already",
                hint="Stop it first, or set AIVM_STATE_DIR to have a second one.",
            ) from None
        yield folder


@contextmanager
def write_profile(folder: Path, config: Config) -> Iterator[None]:
    """Publish the network's settings to `aivm.config`; take them back at the end."""
    path = folder / DEVNET_PROFILE
    # A JSON string is a TOML string too, whatever quotes a path has in it.
    lines = [f"{name} = {json.dumps(str(getattr(config, name)))}\n" for name in _SETTINGS]
    path.write_text("".join(lines))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)

"""Options that many commands share, as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from aivm import config
from aivm.cli.output import Output
from aivm.errors import NotFound


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--json` and `-q`; the command receives one `Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Print ids only, no progress.")
    @functools.wraps(command)
    def with_output(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> Any:
        return command(Output(as_json=as_json, quiet=quiet), *args, **kwargs)

    return with_output


_NETWORK_SETTINGS = (
    "rpc_url",
    "address_book",
    "storage_url",
    "keystore",
    "account",
    "password_file",
)


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds a flag per network setting; the command receives the resolved `settings`."""

    @functools.wraps(command)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        flags = {name: kwargs.pop(name) for name in _NETWORK_SETTINGS}
        return command(*args, settings=config.load(flags), **kwargs)

    wrapped: Callable[..., Any] = with_settings
    for setting in config.SETTINGS:
        if setting.name in _NETWORK_SETTINGS:
            flag = "--" + setting.name.replace("_", "-")
            wrapped = click.option(flag, setting.name, default=None, help=setting.sentence)(wrapped)
    return wrapped


engine_option = click.option(
    "--engine",
    type=click.Choice(["wasm", "native", "cuda", "reference"]),
    default="wasm",
    show_default=True,
    help="What executes the program; the bits are the same.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="Native threads."
)


def ask_password() -> str:
    """Ask on the terminal; never a flag, never echoed. Raises NotFound where nobody answers."""
    try:
        password: str = click.prompt("keystore password", hide_input=True, err=True)
    except click.Abort:
        raise NotFound("no password for the keystore", hint="Set AIVM_PASSWORD_FILE.") from None
    return password

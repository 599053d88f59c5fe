"""`aivm keys`: accounts in the keystore. A private key is never printed."""

from __future__ import annotations

import click

from aivm.chain.keystore import Keystore
from aivm.cli.options import network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config


@click.group()
def keys() -> None:
    """Make and list the keys that sign."""


@keys.command()
@click.argument("name")
@network_options
@output_options
def new(output: Output, name: str, settings: Config) -> None:
    """Make a new key NAME, encrypted with a password."""
    if settings.password_file is not None:
        password = settings.password_file.read_text().rstrip("\n")
    else:
        password = click.prompt("new password", hide_input=True, confirmation_prompt=True, err=True)
    account = Keystore(settings.keystore).create(name, password)
    document = {"ok": True, "name": name, "address": account.address}
    output.data(f"{name}: {account.address}", document, brief=account.address)


@keys.command("ls")
@network_options
@output_options
def list_keys(output: Output, settings: Config) -> None:
    """List the names of the keys."""
    names = Keystore(settings.keystore).names()
    output.data(
        "\n".join(names) or f"no keys in {settings.keystore}",
        {"ok": True, "keystore": str(settings.keystore), "names": names},
        brief="\n".join(names),
    )

"""The network of this configuration: its chain, checked, and the account that signs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.client import Chain
from aivm.chain.keystore import Keystore
from aivm.chain.transactions import SendPolicy
from aivm.config import Config
from aivm.errors import NotFound


@asynccontextmanager
async def connect_chain(config: Config, policy: SendPolicy | None = None) -> AsyncIterator[Chain]:
    """The configured chain, with chain id and contract code checked against the address book.

    `policy` says how transactions are sent. Raises NotFound (no address book), ChainUnreachable,
    WrongChain.
    """
    if not config.address_book.is_file():
        raise NotFound(
            f"no address book at {config.address_book}",
            hint="Start a network with `aivm devnet`, or set AIVM_ADDRESS_BOOK.",
        )
    book = AddressBook.read(config.address_book)
    async with await Chain.connect(config.rpc_url, book, policy=policy) as chain:
        yield chain


def open_account(
    config: Config, ask: Callable[[], str] | None = None, *, name: str | None = None
) -> Account:
    """The configured account, or another one of its keystore; `ask` prompts for the password where
    no password file is set."""
    if config.password_file is not None:
        if not config.password_file.is_file():
            raise NotFound(f"no password file {config.password_file}")
        password = config.password_file.read_text().rstrip("\n")
    elif ask is not None:
        password = ask()
    else:
        raise NotFound("no password for the keystore", hint="Set AIVM_PASSWORD_FILE.")
    return Keystore(config.keystore).load(name or config.account, password)

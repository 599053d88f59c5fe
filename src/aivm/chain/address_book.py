"""The address book: which contracts an AIVM network consists of, and on which chain.

    {"chain_id": 31337, "contracts": {"Staking": {"address": "0x...", "code_hash": "0x..."}, ...}}

The code hash is the Keccak-256 of the deployed code (EXTCODEHASH): a client that checks it at start
finds out at once that it talks to another chain, or to another contract, than was meant.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aivm.errors import MalformedConfig, NotFound
from aivm.receipts.addresses import checked_address

MAX_BYTES = 64 * 1024
MAX_CHAIN_ID = (1 << 63) - 1

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True)
class ContractEntry:
    """Where a contract lives (EIP-55 address) and the hash of its code (0x and 64 digits)."""

    address: str
    code_hash: str


@dataclass(frozen=True)
class AddressBook:
    """The contracts of one network by name."""

    chain_id: int
    contracts: Mapping[str, ContractEntry]

    def __post_init__(self) -> None:
        object.__setattr__(self, "contracts", MappingProxyType(dict(self.contracts)))

    def __getitem__(self, name: str) -> ContractEntry:
        """The entry of the contract called `name`. Raises NotFound."""
        try:
            return self.contracts[name]
        except KeyError:
            known = ", ".join(sorted(self.contracts)) or "none"
            raise NotFound(
                f"the address book of chain {self.chain_id} names no contract {name!r}",
                hint=f"It names: {known}.",
            ) from None

    def to_json(self) -> str:
        """The document: names sorted, indented by two, a final newline; always the same bytes."""
        contracts = {
            name: {"address": entry.address, "code_hash": entry.code_hash}
            for name, entry in sorted(self.contracts.items())
        }
        return json.dumps({"chain_id": self.chain_id, "contracts": contracts}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> AddressBook:
        """Parse a document; every unknown, missing or repeated key is refused (MalformedConfig)."""
        if len(text) > MAX_BYTES:
            raise MalformedConfig(f"the address book has more than {MAX_BYTES} bytes")
        try:
            document = json.loads(text, object_pairs_hook=_no_repeated_keys)
        except (ValueError, RecursionError) as error:
            raise MalformedConfig(f"the address book is not JSON: {error}") from None
        fields = _exactly(document, {"chain_id", "contracts"}, "the address book")
        chain_id, contracts = fields["chain_id"], fields["contracts"]
        if type(chain_id) is not int or not 0 < chain_id <= MAX_CHAIN_ID:
            raise MalformedConfig(f"chain_id {chain_id!r} is no chain id")
        if not isinstance(contracts, dict):
            raise MalformedConfig("contracts is no JSON object in the address book")
        return cls(chain_id, {name: _entry(name, value) for name, value in contracts.items()})

    @classmethod
    def read(cls, path: Path) -> AddressBook:
        """Read a file. Raises NotFound if there is none, MalformedConfig if it is not one."""
        try:
            return cls.from_json(path.read_bytes())
        except FileNotFoundError:
            raise NotFound(
                f"there is no address book at {path}",
                hint="Start a network with `aivm devnet`, or set AIVM_ADDRESS_BOOK.",
            ) from None

    def write(self, path: Path) -> None:
        """Write the file in one step: a reader sees the old book or the new one, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(self.to_json())
        partial.replace(path)


def _entry(name: str, value: object) -> ContractEntry:
    if not _NAME.fullmatch(name):
        raise MalformedConfig(f"{name!r} cannot name a contract in the address book")
    fields = _exactly(value, {"address", "code_hash"}, f"the address book's entry {name}")
    address, code_hash = fields["address"], fields["code_hash"]
    if not isinstance(address, str) or not isinstance(code_hash, str):
        raise MalformedConfig(f"address and code_hash of {name} must be strings")
    if not _HASH.fullmatch(code_hash):
        raise MalformedConfig(f"the code_hash of {name} is not 0x and 64 lower-case digits")
    return ContractEntry(checked_address(address), code_hash)


def _exactly(value: object, keys: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise MalformedConfig(f"{what} must be a JSON object with exactly {sorted(keys)}")
    return value


def _no_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is repeated")
    return fields

"""EIP-712: from a flat struct of static fields to the 32-byte digest that a key signs.

Only what receipts and vouchers need: bytes32, address and uintN fields. The same bytes as a wallet
computes from the JSON form (`as_typed_data`), and as the contracts compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak

from aivm.receipts.addresses import checked_address

Fields = tuple[tuple[str, str], ...]
"""(name, solidity type) of each field, in order."""

_DOMAIN_FIELDS: Fields = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
_NAME = "AIVM"
_VERSION = "1"


@dataclass(frozen=True)
class Domain:
    """Where a signature counts: one chain, one contract."""

    chain_id: int
    contract: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "contract", checked_address(self.contract))
        encode_field("uint256", self.chain_id)

    @property
    def separator(self) -> bytes:
        """The EIP-712 domain separator."""
        return _separator(self.chain_id, self.contract)


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: str) -> bytes:
    return bytes(
        keccak(
            type_hash("EIP712Domain", _DOMAIN_FIELDS)
            + keccak(_NAME.encode())
            + keccak(_VERSION.encode())
            + encode_field("uint256", chain_id)
            + encode_field("address", contract)
        )
    )


@lru_cache(maxsize=16)
def type_hash(name: str, fields: Fields) -> bytes:
    """keccak256 of the encoded type, for example `Voucher(bytes32 channel,uint64 sequence,...)`."""
    members = ",".join(f"{kind} {field}" for field, kind in fields)
    return bytes(keccak(f"{name}({members})".encode()))


def struct_hash(name: str, fields: Fields, values: Mapping[str, Any]) -> bytes:
    """hashStruct(values)."""
    words = [encode_field(kind, values[field]) for field, kind in fields]
    return bytes(keccak(type_hash(name, fields) + b"".join(words)))


def digest(domain: Domain, struct: bytes) -> bytes:
    """What is signed: keccak256(0x1901 || domain separator || struct hash)."""
    return bytes(keccak(b"\x19\x01" + domain.separator + struct))


def encode_field(kind: str, value: Any) -> bytes:
    """The 32-byte word of one field; ValueError where the value does not fit its type."""
    if kind == "bytes32":
        if not isinstance(value, bytes) or len(value) != 32:
            raise ValueError("a bytes32 field needs exactly 32 bytes")
        return value
    if kind == "address":
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    bits = int(kind.removeprefix("uint"))
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise ValueError(f"{value!r} is not a {kind}")
    return value.to_bytes(32, "big")


def as_typed_data(
    domain: Domain, name: str, fields: Fields, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON form that wallets show and sign (`eth_signTypedData_v4`)."""
    return {
        "types": {
            "EIP712Domain": [{"name": field, "type": kind} for field, kind in _DOMAIN_FIELDS],
            name: [{"name": field, "type": kind} for field, kind in fields],
        },
        "primaryType": name,
        "domain": {
            "name": _NAME,
            "version": _VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        "message": {
            field: "0x" + values[field].hex() if kind == "bytes32" else values[field]
            for field, kind in fields
        },
    }

"""Compiled contracts as AIVM ships them: ABI and bytecode, from `artifacts/<Name>.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from aivm.chain.abi import Abi, Signature
from aivm.errors import InternalError


@dataclass(frozen=True)
class Artifact:
    """One contract: what it understands, and the code that creates it."""

    name: str
    abi: Abi
    bytecode: bytes


@cache
def load(name: str) -> Artifact:
    """The artifact of the contract called `name`."""
    path = resources.files("aivm.chain").joinpath(f"artifacts/{name}.json")
    try:
        document: Mapping[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InternalError(f"this installation lacks the contract artifact {name}") from None
    return Artifact(name, Abi(document["abi"]), _code(name, document["bytecode"]))


def _code(name: str, text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:  # a library's address was never linked in
        raise InternalError(f"the bytecode of {name} is not complete") from None


@cache
def known_errors() -> Mapping[bytes, Signature]:
    """The errors of all shipped contracts by selector: one contract passes on another's error."""
    found: dict[bytes, Signature] = {}
    for path in resources.files("aivm.chain").joinpath("artifacts").iterdir():
        if path.name.endswith(".json"):
            found |= load(path.name.removesuffix(".json")).abi.errors
    return found

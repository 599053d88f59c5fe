"""A contract's ABI: encodes calls, decodes results, errors and logs.

Addresses come out as EIP-55 text, structs as dictionaries by field name, everything else as eth-abi
gives it (`int`, `bool`, `bytes`, `str`, tuples for arrays).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_hash.auto import keccak

from aivm.errors import BadInput, InternalError, WrongChain
from aivm.receipts.addresses import checked_address

_MAX_BYTES = 1 << 20  # bytes of one call's result or one log's data


@dataclass(frozen=True)
class Parameter:
    """A named, typed value: `kind` is its canonical type, `components` are a struct's fields."""

    name: str
    kind: str
    components: tuple[Parameter, ...] = ()
    indexed: bool = False

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Parameter:
        """One entry of `inputs`, `outputs` or `components` of a JSON ABI."""
        components = tuple(cls.from_json(part) for part in entry.get("components", ()))
        kind = str(entry["type"])
        if components:  # "tuple", "tuple[]", "tuple[3]" become "(a,b)", "(a,b)[]", "(a,b)[3]"
            inner = ",".join(part.kind for part in components)
            kind = f"({inner})" + kind.removeprefix("tuple")
        return cls(str(entry["name"]), kind, components, bool(entry.get("indexed", False)))


@dataclass(frozen=True)
class Signature:
    """A function, event or error: its name and parameters; `outputs` only for functions."""

    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...] = ()

    @cached_property
    def hash(self) -> bytes:
        """Keccak-256 of the canonical signature: an event's topic; its first 4 bytes select."""
        kinds = ",".join(parameter.kind for parameter in self.inputs)
        return bytes(keccak(f"{self.name}({kinds})".encode()))

    @property
    def selector(self) -> bytes:
        """The four bytes that select a function or name an error."""
        return self.hash[:4]


class Abi:
    """The functions, events and errors of one contract."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """`entries` is the JSON ABI that the compiler wrote; of overloads the last one counts."""
        self.functions: dict[str, Signature] = {}
        self.events: dict[bytes, Signature] = {}
        self.errors: dict[bytes, Signature] = {}
        self.constructor: tuple[Parameter, ...] = ()
        for entry in entries:
            inputs = tuple(Parameter.from_json(part) for part in entry.get("inputs", ()))
            outputs = tuple(Parameter.from_json(part) for part in entry.get("outputs", ()))
            signature = Signature(str(entry.get("name", "")), inputs, outputs)
            match entry["type"]:
                case "function":
                    self.functions[signature.name] = signature
                case "event" if not entry.get("anonymous"):
                    self.events[signature.hash] = signature
                case "error":
                    self.errors[signature.selector] = signature
                case "constructor":
                    self.constructor = inputs

    def encode_call(self, function: str, arguments: Sequence[Any]) -> bytes:
        """Calldata: selector and arguments. Raises BadInput if a value does not fit its type."""
        signature = self._function(function)
        return signature.selector + encode(signature.inputs, arguments, what=function)

    def decode_call(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """The function that calldata calls, and its arguments; None if it is none of these.

        Raises WrongChain if the rest is no encoding of its arguments.
        """
        for signature in self.functions.values():
            if signature.selector == data[:4]:
                return signature.name, decode(signature.inputs, data[4:])
        return None

    def decode_result(self, function: str, data: bytes) -> Any:
        """A call's result: None, one value, or a tuple of values."""
        values = decode(self._function(function).outputs, data)
        if len(values) <= 1:
            return values[0] if values else None
        return values

    def _function(self, name: str) -> Signature:
        try:
            return self.functions[name]
        except KeyError:
            raise InternalError(f"the ABI has no function {name!r}") from None


def encode(parameters: Sequence[Parameter], values: Sequence[Any], *, what: str) -> bytes:
    """ABI-encode values; structs may be given as mappings. Raises BadInput naming `what`."""
    if len(parameters) != len(values):
        raise BadInput(f"{what} takes {len(parameters)} arguments, not {len(values)}")
    plain = [_to_plain(*pair) for pair in zip(parameters, values, strict=True)]
    encoded = _try_encode([parameter.kind for parameter in parameters], plain)
    if encoded is None:
        # not eth-abi's own words: they repeat the value, which can be a voucher's signature
        wrong = (
            parameter
            for parameter, value in zip(parameters, plain, strict=True)
            if _try_encode([parameter.kind], [value]) is None
        )
        names = ", ".join(f"{parameter.name} ({parameter.kind})" for parameter in wrong)
        raise BadInput(f"{what} cannot take the value of its argument {names}")
    return encoded


def _try_encode(kinds: list[str], values: list[Any]) -> bytes | None:
    from eth_abi.abi import encode as eth_abi_encode
    from eth_abi.exceptions import EncodingError

    try:
        return bytes(eth_abi_encode(kinds, values))
    except (EncodingError, TypeError, ValueError):
        return None


def decode(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...]:
    """Decode ABI data. Raises WrongChain if the bytes are no encoding of these types."""
    from eth_abi.abi import decode as eth_abi_decode
    from eth_abi.exceptions import DecodingError

    if len(data) > _MAX_BYTES:
        raise WrongChain(f"{len(data)} bytes of ABI data exceed {_MAX_BYTES}")
    kinds = [parameter.kind for parameter in parameters]
    try:
        values = eth_abi_decode(kinds, data)
    except (DecodingError, OverflowError, ValueError) as error:
        raise WrongChain(f"the chain's data are no ({','.join(kinds)}): {error}") from None
    return tuple(_from_plain(*pair) for pair in zip(parameters, values, strict=True))


def _to_plain(parameter: Parameter, value: Any) -> Any:
    if parameter.components and isinstance(value, Mapping):
        return tuple(_to_plain(part, value[part.name]) for part in parameter.components)
    if parameter.components and parameter.kind.endswith("]"):
        element = _element(parameter)
        return [_to_plain(element, item) for item in value]
    return value


def _from_plain(parameter: Parameter, value: Any) -> Any:
    if parameter.kind.endswith("]"):
        element = _element(parameter)
        return tuple(_from_plain(element, item) for item in value)
    if parameter.components:
        pairs = zip(parameter.components, value, strict=True)
        return {part.name: _from_plain(part, item) for part, item in pairs}
    return checked_address(value) if parameter.kind == "address" else value


def _element(parameter: Parameter) -> Parameter:
    """What an array holds: the type without its last brackets."""
    kind = parameter.kind[: parameter.kind.rindex("[")]
    return Parameter(parameter.name, kind, parameter.components)

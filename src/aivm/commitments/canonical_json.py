"""JSON with one meaning and one spelling, for documents that are hashed or signed.

`parse` refuses what parsers read differently: duplicate keys, floats and NaN, integers of 2^53 and
more, strings that are not NFC or not encodable, a byte order mark. `parse_canonical` also demands
the RFC 8785 spelling, so that equal values are equal bytes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import rfc8785

from aivm.errors import AivmError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
_BRACKETS_AND_STRINGS = re.compile(rb'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_MAX_PLACE = 200  # characters
_MAX_DIGITS = len(str(MAX_INTEGER)) + 1  # with a sign


class _Refused(ValueError):
    """Carries the reason out of the walk, and the keys and indices on the way up from the place."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.steps: list[str | int] = []

    @property
    def place(self) -> str:
        """Where it is, as in JSONPath; a long way is cut."""
        path = "".join(
            f"[{step}]" if isinstance(step, int) else f".{ascii(step)[1:-1][:40]}"
            for step in reversed(self.steps)
        )
        return f"${path[:_MAX_PLACE]}"


class _Wrong:
    """Stands in a value where the parser met something strict JSON has no place for."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def parse(data: bytes, error: type[AivmError]) -> Any:
    """The JSON value in `data`; raises `error` with the reason where it is not strict JSON."""
    try:
        _check_depth(data)
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
        _check(value)
    except _Refused as refused:
        raise error(f"not strict JSON: {refused}, at {refused.place}") from None
    except ValueError as problem:  # invalid UTF-8 and every syntax error
        raise error(f"not JSON: {problem}") from None
    return value


def parse_canonical(data: bytes, error: type[AivmError]) -> Any:
    """As `parse`, and `data` must be exactly the RFC 8785 bytes of its value."""
    value = parse(data, error)
    if spell(value) != data:
        raise error("not canonical JSON: the bytes differ from their RFC 8785 form")
    return value


def dumps(value: Any, error: type[AivmError]) -> bytes:
    """The RFC 8785 bytes of a value; raises `error` for what `parse_canonical` would not read."""
    try:
        data = spell(value)
    except (rfc8785.CanonicalizationError, RecursionError, TypeError, ValueError) as problem:
        raise error(f"cannot be written as canonical JSON: {problem}") from None
    if parse(data, error) != value:
        raise error("cannot be written as canonical JSON: a key is not a string")
    return data


def spell(value: Any) -> bytes:
    """The RFC 8785 bytes of a value that is known to be strict; `dumps` is for all others.

    The standard library's encoder does it where it can, twenty times quicker. In ASCII text both
    sort keys alike (by code point, by UTF-16 unit) and escape alike. Numbers are integers: `parse`
    lets no others through.
    """
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return text.encode() if text.isascii() else rfc8785.dumps(value)


def _check_depth(data: bytes) -> None:
    """Bounds the nesting before the parser sees it: CPython's can exhaust the C stack."""
    depth = 0
    for match in _BRACKETS_AND_STRINGS.finditer(data):
        token = match[0]
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Wrong:
    keyed: dict[str, Any] = {}
    for key, value in pairs:
        if key in keyed:
            return _Wrong(f"key {key[:40]!a} is there twice")
        keyed[key] = value
    return keyed


def _integer(digits: str) -> int | _Wrong:
    if len(digits) > _MAX_DIGITS or abs(int(digits)) > MAX_INTEGER:
        return _Wrong("an integer is outside -(2^53-1)..2^53-1")
    if digits == "-0":
        return _Wrong("an integer is minus zero")
    return int(digits)


def _no_float(text: str) -> _Wrong:
    return _Wrong(f"{text[:40]!a} is not an integer")


def _check(value: Any) -> None:
    """Every string must be NFC and free of lone surrogates. Parsing has bounded the depth."""
    if isinstance(value, str):
        if not unicodedata.is_normalized("NFC", value):
            raise _Refused(f"string {value[:40]!a} is not in Unicode normal form C")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _Refused(f"string {value[:40]!a} has half of a surrogate pair")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_at(index, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_at(key, key)
            _check_at(key, item)
    elif isinstance(value, _Wrong):
        raise _Refused(value.reason)


def _check_at(step: str | int, value: Any) -> None:
    try:
        _check(value)
    except _Refused as refused:
        refused.steps.append(step)
        raise

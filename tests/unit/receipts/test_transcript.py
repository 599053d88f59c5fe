from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from aivm.commitments import bundle_root
from aivm.errors import MalformedReceipt
from aivm.receipts import Transcript, first_difference, parse_transcript


def root(number: int) -> bytes:
    return sha256(bytes([number])).digest()


MADE = Transcript(
    model=root(0),
    program=root(1),
    numerics=1,
    inputs=(root(2), root(3)),
    constants=(root(4),),
    results=(root(5), root(6)),
    outputs=(4, 3),
)


def test_a_transcript_comes_back_from_its_bytes() -> None:
    assert parse_transcript(MADE.to_json()) == MADE


def test_roots_are_those_of_a_receipt() -> None:
    assert MADE.input_root == bundle_root([root(2), root(3)])
    assert MADE.output_root == bundle_root([root(6), root(5)])
    assert MADE.trace_root == bundle_root([root(n) for n in range(2, 7)])


def test_places() -> None:
    places = [MADE.place(value) for value in range(5)]
    assert places == ["input 0", "input 1", "constant 0", "instruction 0", "instruction 1"]


def test_the_first_difference() -> None:
    assert first_difference(MADE, MADE) is None
    other = replace(MADE, results=(root(9), root(8)))
    assert first_difference(MADE, other) == 3
    assert first_difference(MADE, replace(other, constants=(root(7),))) == 2
    with pytest.raises(MalformedReceipt, match="different programs"):
        first_difference(MADE, replace(MADE, program=root(9)))
    with pytest.raises(MalformedReceipt, match="number of values"):
        first_difference(MADE, replace(MADE, results=(root(5),)))


def changed(**fields: Any) -> bytes:
    document = {**json.loads(MADE.to_json()), **fields}
    document = {name: value for name, value in document.items() if value is not ...}
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "no document"),
        (changed(type="aivm.receipt.v1"), "no document"),
        (changed(more=1), "no document"),
        (changed(outputs=...), "no document"),
        (changed(program="0x12"), "program"),
        (changed(numerics=True), "numerics"),
        (changed(results="0x"), "results is not a list"),
        (changed(results=["0x"]), "results"),
        (changed(outputs=[5]), "no value 5"),
        (changed(outputs=[-1]), "outputs"),
        (changed(constants=["0x" + root(9).hex()]), "trace root"),
        (MADE.to_json() + b"\n", "canonical"),
    ],
)
def test_malformed(data: bytes, message: str) -> None:
    with pytest.raises(MalformedReceipt, match=message):
        parse_transcript(data)

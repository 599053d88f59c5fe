"""RLP against the rlp package and the examples of the Yellow Paper."""

from __future__ import annotations

import rlp as reference
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.rlp import encode

items = st.recursive(
    st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6), max_leaves=30
)


@given(items)
def test_the_bytes_are_those_of_the_rlp_package(item: bytes | list[bytes]) -> None:
    assert encode(item) == reference.encode(item)


@given(st.integers(0, 2**260))
def test_integers_are_big_endian_without_leading_zeros(number: int) -> None:
    assert encode(number) == reference.encode(number)


def test_examples() -> None:
    assert encode(b"dog") == b"\x83dog"
    assert encode([b"cat", b"dog"]) == b"\xc8\x83cat\x83dog"
    assert encode(0) == b"\x80"
    assert encode(15) == b"\x0f"
    assert encode(1024) == b"\x82\x04\x00"
    assert encode([[], [[]], [[], [[]]]]) == bytes.fromhex("c7c0c1c0c3c0c1c0")
    assert encode(b"a" * 56) == b"\xb8\x38" + b"a" * 56
    assert encode([b"a" * 60]) == b"\xf8\x3e\xb8\x3c" + b"a" * 60

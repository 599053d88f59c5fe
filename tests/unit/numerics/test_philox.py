"""Philox 4x32-10 against the known answers of its authors (Random123, kat_vectors)."""

from __future__ import annotations

import pytest

from aivm.numerics.machine import ScalarMachine
from aivm.numerics.philox import halves, philox

ONES = 0xFFFF_FFFF

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN)
def test_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], block: tuple[int, int, int, int]
) -> None:
    assert philox(ScalarMachine(), counter, key) == block


def test_halves() -> None:
    assert halves(ScalarMachine(), 0x1234_5678_9ABC_DEF0) == (0x9ABC_DEF0, 0x1234_5678)

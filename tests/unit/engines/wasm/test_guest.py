from __future__ import annotations

import pytest

from aivm.engines.wasm.guest import ADDRESS_SPACE_BYTES, PAGE_BYTES, FastCall, Guest
from aivm.errors import InternalError, TooLarge


def test_the_reserved_block_is_the_guests_memory() -> None:
    guest = Guest(None)
    start = guest.reserve(1000)
    block = guest.block()
    assert (start % 64, block.size) == (0, 1000)
    block[:] = 7
    assert guest.block().tolist() == [7] * 1000
    guest.close()


def test_memory_beyond_the_limit_is_refused() -> None:
    guest = Guest(64 * PAGE_BYTES)
    with pytest.raises(TooLarge, match="the limit is 4194304"):
        guest.reserve(64 * PAGE_BYTES)
    guest.close()
    with pytest.raises(TooLarge):
        Guest(PAGE_BYTES)


def test_the_address_space_is_a_limit_too() -> None:
    guest = Guest(None)
    with pytest.raises(TooLarge, match=str(ADDRESS_SPACE_BYTES)):
        guest.reserve(ADDRESS_SPACE_BYTES)
    guest.close()


def test_a_trap_is_an_error_of_ours_and_is_reported() -> None:
    guest = Guest(None)
    with pytest.raises(InternalError, match="trap"):
        guest._run(0, 0xFFFF_FF00, 0xFFFF_FFF0, 0, 0, 1)
    guest.close()


def test_a_function_of_another_type_is_refused() -> None:
    guest = Guest(None)
    with pytest.raises(InternalError, match="has type"):
        FastCall(guest._store, guest._run._function, "i32")
    guest.close()

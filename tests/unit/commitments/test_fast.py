"""The compiled tree gives the bytes of the definition at every border size."""

from __future__ import annotations

import numpy as np
import pytest

from aivm import kernels
from aivm.commitments import fast, merkle
from aivm.errors import EngineUnavailable

LEAF = merkle.LEAF_BYTES
BORDERS = sorted(
    {max(0, leaves * LEAF + by) for leaves in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33,
                                               63, 64, 65, 127, 128, 129, 1023, 1024, 1025)
     for by in (-1, 0, 1, 55, 56, 63, 64, 65, 119, 120)}
)  # fmt: skip


def noise(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)


@pytest.mark.parametrize("size", BORDERS)
def test_same_root_as_the_definition(size: int) -> None:
    data = noise(size).data
    assert fast.root_of_data(data) == merkle.root_of_data(data)


def test_unaligned_data_give_the_same_root() -> None:
    data = noise(10_000)
    for offset in range(1, 17):
        view = data[offset:].data
        assert fast.root_of_data(view) == merkle.root_of_data(view)


def test_the_compiled_tree_is_really_used_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        kernels.library()
    except EngineUnavailable:
        pytest.skip("the compiled library does not fit this CPU")
    monkeypatch.setattr(merkle, "root_of_data", lambda _data: b"the definition ran")
    assert len(fast.root_of_data(bytes(4096))) == 32


def test_without_a_fitting_library_the_definition_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def does_not_fit() -> None:
        raise EngineUnavailable("no AVX2 here")

    monkeypatch.setattr(kernels, "library", does_not_fit, raising=False)
    fast._library.cache_clear()
    try:
        data = bytes(5000)
        assert fast.root_of_data(data) == merkle.root_of_data(data)
    finally:
        fast._library.cache_clear()

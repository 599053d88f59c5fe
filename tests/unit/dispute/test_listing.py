"""Listings: what is under the registry's root, and that nothing else can be put there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.commitments import merkle
from aivm.dispute.listing import Listing, listing_of
from aivm.errors import NotFound

ROOTS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True)


@given(ROOTS, st.data())
def test_every_listed_program_has_a_listing(roots: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(roots) - 1))
    listing = listing_of(roots, roots[at])
    programs = merkle.root_of_leaves(roots)
    assert listing.proves(programs, roots[at])
    assert not listing.proves(programs, merkle.leaf_hash(roots[at]))
    assert not listing.proves(merkle.leaf_hash(b""), roots[at])


@pytest.mark.parametrize("roots", [[], [b"\x01" * 32], [b"\x01" * 32, b"\x02" * 32]])
def test_a_derived_program_has_none(roots: list[bytes]) -> None:
    with pytest.raises(NotFound, match="not listed"):
        listing_of(roots, b"\x03" * 32)
    assert not Listing(0, 1, ()).proves(merkle.root_of_leaves(roots), b"\x03" * 32)

"""Mutations of bytes, for the property tests of every parser."""

from __future__ import annotations

from hypothesis import strategies as st

Mutation = tuple[float, str, int]

MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from("xid"), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, mutations: list[Mutation]) -> bytes:
    """Replaces (x), inserts (i) or deletes (d) a byte at each place, a fraction of the length."""
    changed = bytearray(data)
    for place, kind, byte in mutations:
        at = int(place * len(changed))
        changed[at : at + (kind != "i")] = b"" if kind == "d" else bytes([byte])
    return bytes(changed)

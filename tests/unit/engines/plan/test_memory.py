from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aivm.engines.plan.memory import ALIGNMENT, Lifetime, place

lifetimes = st.builds(
    lambda size, first, length: Lifetime(size, first, first + length),
    st.integers(0, 5000),
    st.integers(0, 20),
    st.integers(0, 10),
)


@given(st.lists(lifetimes, max_size=30))
def test_whatever_lives_at_the_same_time_lies_apart(wanted: list[Lifetime]) -> None:
    offsets, total = place(wanted)
    placed = sorted(zip(offsets, wanted, strict=True), key=lambda pair: pair[0])
    for offset, lifetime in placed:
        assert offset % ALIGNMENT == 0
        assert offset + lifetime.size <= total
    for index, (offset, lifetime) in enumerate(placed):
        for later, other in placed[index + 1 :]:
            together = lifetime.first <= other.last and other.first <= lifetime.last
            assert not together or offset + lifetime.size <= later or other.size == 0


def test_a_chain_of_values_needs_room_for_two() -> None:
    chain = [Lifetime(1000, time, time + 1) for time in range(50)]
    assert place(chain)[1] == 2 * 1024


def test_nothing_needs_nothing() -> None:
    assert place([]) == ([], 0)

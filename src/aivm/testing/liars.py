"""Liars about executions: one wrong value, and steps that lead to it.

`Said` and `FalseMemory` make a liar of an honest player, whichever side it is on: it plays by the
rules, and well, with an execution that was none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from aivm.commitments import Array, tensor_root
from aivm.dispute.claims import lane_steps, shape_of
from aivm.dispute.trace import Trace
from aivm.dispute.values import Values
from aivm.isa.program import Program


@dataclass(frozen=True)
class Said:
    """The values of an execution but for one, and all later ones then have other roots too."""

    program: Program
    true: Values
    value: int
    array: Array

    def roots(self) -> list[bytes]:
        roots, dtype = self.true.roots(), self.program.value_types[self.value].dtype
        later = [sha256(root).digest() for root in roots[self.value + 1 :]]
        return [*roots[: self.value], tensor_root(self.array, dtype), *later]

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        said = {self.value: self.array} if self.value in wanted else {}
        return {**self.true.arrays(wanted), **said}


def said(program: Program, true: Values, value: int, element: int, flip: int) -> Said:
    """Values in which an element has other bits: those of its pattern that are set in `flip`."""
    array = np.array(true.arrays({value})[value], order="C")
    words = array.reshape(-1).view(f"<u{array.itemsize}")
    words[element] ^= words.dtype.type(flip)
    return Said(program, true, value, array)


class FalseMemory(Trace):
    """An execution whose chains end in what its values say, as they went otherwise.

    A chain is wrong from `share` of its steps on, by the bits of `flip` in each word; of a float
    sum the lanes in `lanes` are.
    """

    def __init__(
        self,
        program: Program,
        values: Values,
        *,
        share: float = 0.5,
        flip: int = 1 << 3,
        lanes: Collection[int] = (3,),
    ) -> None:
        super().__init__(program, values)
        self._share = share
        self._flip = flip
        self._lanes = frozenset(lanes)

    def states(
        self, value: int, element: int, lane: int | None, ends: Collection[int]
    ) -> list[tuple[int, ...]]:
        length = shape_of(self.instruction(value), self.operand_types(value)).steps
        claimed = self.word(value, element)
        if lane is not None:
            length, claimed = lane_steps(length, lane), self.lanes(value, element)[lane]
        told = []
        states = super().states(value, element, lane, ends)
        for end, state in zip(sorted(ends), states, strict=True):
            if end > self._share * length:
                state = tuple(word ^ self._flip for word in state)
            told.append((*state[:-1], claimed) if end == length else state)
        return told

    def lanes(self, value: int, element: int) -> tuple[int, ...]:
        steps = shape_of(self.instruction(value), self.operand_types(value)).steps
        return tuple(
            word ^ self._flip if lane in self._lanes and lane < steps else word
            for lane, word in enumerate(super().lanes(value, element))
        )

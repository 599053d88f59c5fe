"""What a plan makes once of the constants, in parts that can be kept and shared.

The setup falls into *units*: runs of steps that have no buffer in common but constants. A unit's
*recipe* is a digest of its steps, of the constants that they read and of where in the unit each
result lies. Equal recipes, run by the same kernels, give equal bytes; so the packed weights of a
model are the same unit in its programs for all shapes, and in every process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from aivm.engines.plan.memory import ALIGNMENT
from aivm.engines.plan.tape import Address, Step

FORMAT = "aivm.unit.v1"


@dataclass(frozen=True, slots=True)
class Unit:
    """Steps of the setup, and the buffers of theirs that every inference reads.

    `places` says at which byte of the unit's memory each such buffer lies; it has `size_bytes`.
    """

    steps: tuple[Step, ...]
    places: Mapping[int, int]
    size_bytes: int
    recipe: bytes


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a setup begins: names of the constants' contents, and the literals' contents."""

    constants: Mapping[int, bytes]
    literals: Mapping[int, bytes]

    def name(self, buffer: int) -> tuple[str, str] | None:
        """What is in a buffer before any step ran; None where nothing is."""
        if buffer in self.constants:
            return "constant", self.constants[buffer].hex()
        if buffer in self.literals:
            return "literal", self.literals[buffer].hex()
        return None


def find_units(
    setup: Sequence[Step], wanted: Iterable[int], sizes: Sequence[int], sources: Sources
) -> list[Unit]:
    """The units of a setup, in order of their first steps.

    `wanted` are the buffers that outlive the setup, `sizes` the bytes of every buffer.
    """
    keep = set(wanted)
    return [_unit(steps, keep, sizes, sources) for steps in _separated(setup, sources)]


def _separated(setup: Sequence[Step], sources: Sources) -> list[list[Step]]:
    """Steps in groups that share no buffer which a step writes; what is joined stays together."""
    group_of: dict[int, int] = {}  # by buffer; a group has the number of one of its steps
    members: dict[int, list[int]] = {}
    for position, step in enumerate(setup):
        made = [buffer for buffer in step.buffers if sources.name(buffer) is None]
        joined = {group_of[buffer] for buffer in made if buffer in group_of}
        if position and setup[position - 1].joined:
            joined.add(next(group for group in members if position - 1 in members[group]))
        members[position] = sorted([position, *(m for g in joined for m in members.pop(g))])
        group_of |= dict.fromkeys(made, position)
        group_of |= {buffer: position for buffer, group in group_of.items() if group in joined}
    return [[setup[position] for position in group] for group in sorted(members.values())]


def _unit(steps: Sequence[Step], keep: set[int], sizes: Sequence[int], sources: Sources) -> Unit:
    numbers: dict[int, int] = {}  # of the unit's own buffers, in the order in which they occur

    def spelled(word: int | Address) -> object:
        if not isinstance(word, Address):
            return word
        named = sources.name(word.buffer)
        if named is None:
            number = numbers.setdefault(word.buffer, len(numbers))
            named = ("buffer", f"{number}:{sizes[word.buffer]}")
        return [*named, word.offset]

    spelling = [[step.kind, [spelled(word) for word in step.words]] for step in steps]
    places: dict[int, int] = {}
    end = 0
    for buffer in numbers:
        if buffer in keep:
            places[buffer] = end
            end += -(-sizes[buffer] // ALIGNMENT) * ALIGNMENT
    kept = [[numbers[buffer], place] for buffer, place in places.items()]
    recipe = sha256(json.dumps([FORMAT, spelling, kept]).encode()).digest()
    return Unit(tuple(steps), places, end, recipe)

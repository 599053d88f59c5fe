"""Words that know which operand elements they depend on.

The recipes of `aivm.isa` read some elements only to throw them away: a CONCAT looks at all its
operands, a MOVE outside its source at element 0, so that engines can work on whole arrays. A
dispute opens each element at a price, so here a recipe runs on words with an origin. Choosing
between words by an *index* (a coordinate, or what an index tensor holds) depends on the chosen one
alone; choosing by a word, as SELECT does, depends on all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aivm.isa.instructions import TensorType
from aivm.isa.operands import Index
from aivm.isa.recipes import canonical
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap
from aivm.numerics.machine import Machine, ScalarMachine

Reader = Callable[[int, int], int]
"""(slot, element) to the bit pattern of that operand element."""

Place = tuple[int, int]
"""Operand slot and element."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the specification's machine, and the elements that it was computed from."""

    value: int
    origins: frozenset[Place] = frozenset()


class _WordMachine:
    """The specification's machine on `Word`s: a result has the origins of all its operands."""

    def __getattr__(self, name: str) -> Callable[..., Word]:
        operation = getattr(_SCALAR, name)

        def traced(*arguments: Any) -> Word:
            origins = (each.origins for each in arguments if isinstance(each, Word))
            values = (each.value if isinstance(each, Word) else each for each in arguments)
            return Word(operation(*values), frozenset().union(*origins))

        return traced

    def select(self, truth: Word | bool, a: Word, b: Word) -> Word:
        if not isinstance(truth, Word):
            return a if truth else b
        chosen = a if truth.value else b
        return Word(chosen.value, truth.origins | a.origins | b.origins)


_SCALAR = ScalarMachine()
_MACHINE = cast(Machine[Word], _WordMachine())


class TracedOperands:
    """`Operands[Word]` over a reader. NaNs are read as the canonical one."""

    machine = _MACHINE

    def __init__(self, types: Sequence[TensorType], reader: Reader) -> None:
        self.types = types
        self.indices: list[int] = []  # what the index tensors held
        self._reader = reader
        self._found: dict[Place, int] = {}
        self._kept: set[Place] = set()

    def read(self, slot: int, element: Index) -> Word:
        place = (slot, int(element))
        if place not in self._found:
            self._found[place] = self._reader(*place)
        dtype = self.types[slot].dtype
        word = Word(wrap(dtype, self._found[place]), frozenset({place}))
        return canonical(self, dtype, word)

    def index(self, word: Word) -> int:
        self.keep((word,))
        self.indices.append(word.value)
        return word.value

    def keep(self, words: Sequence[Word]) -> None:
        """Count these words' origins as needed, whatever comes of the words."""
        self._kept.update(*(word.origins for word in words))

    def word(self, dtype: DType, number: Index) -> Word:
        return Word(wrap(dtype, number))

    def needed(self, words: Sequence[Word]) -> dict[Place, int]:
        """The places that these words depend on with the patterns there, in order of reading."""
        origins = self._kept.union(*(word.origins for word in words))
        return {place: word for place, word in self._found.items() if place in origins}

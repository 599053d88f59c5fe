"""What a player answers from: the values of one execution, their roots, trees and chain states.

Nothing is computed before a round needs it. Roots and data trees run in the compiled kernels; the
states of a chain take one pass over one element's recipe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import islice

import numpy as np
from eth_hash.auto import keccak

from aivm.commitments import Array, merkle, tensor_header
from aivm.dispute import claims
from aivm.dispute.claims import Claim, Stage
from aivm.dispute.origins import Reader
from aivm.dispute.trees import DataTree, LeafTree, depth, leaf_path
from aivm.dispute.values import Values
from aivm.errors import IllegalMove, WrongTensor
from aivm.isa.chains import SUM_LANES, Chained
from aivm.isa.instructions import Instruction, Reduce, TensorType
from aivm.isa.program import Program
from aivm.isa.records import RECORD_BYTES, encode


@dataclass(frozen=True, slots=True)
class Header:
    """A value of the trace shown by its header."""

    type: TensorType
    data_root: bytes

    @property
    def root(self) -> bytes:
        """The tensor root."""
        return root_of_header(self.type, self.data_root)


@dataclass(frozen=True, slots=True)
class Work:
    """What makes the value in dispute: the instruction's record, and its operands in order."""

    record: bytes
    operands: tuple[Header, ...]

    @property
    def hash(self) -> bytes:
        """How a state names it."""
        roots = b"".join(operand.root for operand in self.operands)
        return bytes(keccak(self.record + roots))


@dataclass(frozen=True, slots=True)
class OpenedLeaf:
    """A data leaf of an operand, and its path up to that operand's data root."""

    slot: int
    index: int
    data: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """An element that a step reads: where it is among the opened leaves."""

    leaf: int
    element: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What opens a step: leaves of the operands, and the elements in them."""

    leaves: tuple[OpenedLeaf, ...]
    reads: tuple[Place, ...]


def root_of_header(type_: TensorType, data_root: bytes) -> bytes:
    """The tensor root over a data root. Raises IllegalMove for a shape that no tensor has."""
    return sha256(_header(type_) + data_root).digest()


def tensor_hash(trace: bytes, type_: TensorType) -> bytes:
    """How a state names the trace and the type of the tensor in dispute; raises IllegalMove."""
    return bytes(keccak(trace + _header(type_)))


def _header(type_: TensorType) -> bytes:
    try:
        return tensor_header(type_.dtype, type_.shape)
    except WrongTensor as error:
        raise IllegalMove(error.message) from None


def element_of_leaf(type_: TensorType, leaf: bytes, element: int) -> int:
    """The bit pattern of an element in the data leaf that holds it."""
    size = type_.dtype.size_bytes
    start = element * size % merkle.LEAF_BYTES
    return int.from_bytes(leaf[start : start + size], "little")


def leaf_of_element(type_: TensorType, element: int) -> int:
    """Which data leaf holds an element."""
    return element * type_.dtype.size_bytes // merkle.LEAF_BYTES


class ProgramTree:
    """A program's records and the tree over them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        data = encode(program)
        records = [data[at : at + RECORD_BYTES] for at in range(0, len(data), RECORD_BYTES)]
        self._tree = LeafTree(records)

    @property
    def root(self) -> bytes:
        """The program root."""
        return self._tree.root

    def record(self, position: int) -> bytes:
        """Record `position`; that of value v is number v + 1."""
        return self._tree.leaf(position)

    def path(self, position: int) -> tuple[bytes, ...]:
        """The path from that record up to the program root."""
        return leaf_path(self._tree, position)

    def output_record(self, output: int) -> int:
        """The position of an OUTPUT record."""
        return 1 + len(self.program.value_types) + output


class Trace:
    """The values of one execution, in value order, and what a player says of them.

    At most one value and its operands are at hand: those that were asked for last. `values` has
    the others.
    """

    def __init__(self, program: Program, values: Values) -> None:
        self.program = program
        self.types = program.value_types
        self._values = values
        self._at_hand: Mapping[int, Array] = {}

    @cached_property
    def roots(self) -> list[bytes]:
        """The tensor root of every value that there is; a fault leaves out what comes after it."""
        return self._values.roots()

    @cached_property
    def tree(self) -> LeafTree:
        """The trace tree; values that a fault has left out count as a root of zeros."""
        return LeafTree(self.roots + [bytes(32)] * (len(self.types) - len(self.roots)))

    def data(self, value: int) -> memoryview:
        """The bytes of a value."""
        if value not in self._at_hand:
            self._fetch(value)
        dense = np.ascontiguousarray(self._at_hand[value])
        return dense.reshape(-1).view(np.uint8).data

    def _fetch(self, value: int) -> None:
        """Puts a value and its operands at hand, or the operands alone where it met a fault."""
        wanted = set(self._operands(value))
        if value < len(self.roots):
            wanted.add(value)
        if not wanted <= set(self._at_hand):
            self._at_hand = self._values.arrays(wanted)

    def _operands(self, value: int) -> tuple[int, ...]:
        is_result = value >= self.program.first_instruction
        return self.instruction(value).operands if is_result else ()

    def data_tree(self, value: int) -> DataTree:
        """The data tree of a value."""
        return DataTree(self.data(value))

    def instruction(self, value: int) -> Instruction:
        """The instruction whose result a value is."""
        return self.program.instructions[value - self.program.first_instruction]

    def operand_types(self, value: int) -> tuple[TensorType, ...]:
        return tuple(self.types[operand] for operand in self.instruction(value).operands)

    def word(self, value: int, element: int) -> int:
        """The bit pattern of an element."""
        size = self.types[value].dtype.size_bytes
        return int.from_bytes(self.data(value)[element * size : (element + 1) * size], "little")

    def reader(self, value: int) -> Reader:
        """Reads the operands of the instruction that makes `value`."""
        operands = self.instruction(value).operands
        self._fetch(value)
        views = [self.data(operand) for operand in operands]
        sizes = [self.types[operand].dtype.size_bytes for operand in operands]

        def read(slot: int, element: int) -> int:
            size = sizes[slot]
            return int.from_bytes(views[slot][element * size : (element + 1) * size], "little")

        return read

    def states(
        self, value: int, element: int, lane: int | None, ends: Collection[int]
    ) -> list[tuple[int, ...]]:
        """The states after so many steps of an element's chain, or of one lane of it, ascending."""
        states = islice(self._states(value, element, lane), max(ends))
        return [state for step, state in enumerate(states, start=1) if step in ends]

    def lanes(self, value: int, element: int) -> tuple[int, ...]:
        """The 16 lanes of a float sum after its last step."""
        last = deque(self._states(value, element), maxlen=1)
        return last[0] if last else (0,) * SUM_LANES

    def _states(
        self, value: int, element: int, lane: int | None = None
    ) -> Iterator[tuple[int, ...]]:
        instruction, types = self.instruction(value), self.operand_types(value)
        reader = self.reader(value)
        if lane is None:
            assert isinstance(instruction, Chained), "only chains have states"
            return claims.states_of(instruction, types, reader, element)
        assert isinstance(instruction, Reduce), "only float sums have lanes"
        return claims.lane_states_of(instruction, types, reader, element, lane)

    def header(self, value: int) -> Header:
        """The header of a value."""
        data = self.data_tree(value)
        return Header(self.types[value], data.node(depth(data.leaves), 0))

    def work(self, value: int, record: bytes) -> Work:
        """The instruction that makes `value`, with its operands."""
        operands = self.instruction(value).operands
        return Work(record, tuple(self.header(operand) for operand in operands))

    def claim(
        self,
        value: int,
        record: bytes,
        element: int,
        stage: Stage,
        step: int,
        before: tuple[int, ...],
    ) -> Claim:
        """A step of `value` with what it reads."""
        bare = Claim(record, self.operand_types(value), element, stage, step, before, ())
        reads = claims.reads_of(bare, self.reader(value))
        return Claim(record, bare.types, element, stage, step, before, reads)

    def evidence(self, value: int, claim: Claim) -> Evidence:
        """What opens a claim about `value`."""
        operands = self.instruction(value).operands
        self._fetch(value)
        leaves: dict[tuple[int, int], OpenedLeaf] = {}
        places = []
        for read in claim.reads:
            operand = operands[read.slot]
            key = (read.slot, leaf_of_element(self.types[operand], read.element))
            if key not in leaves:
                data = self.data_tree(operand)
                leaves[key] = OpenedLeaf(*key, data.leaf(key[1]), leaf_path(data, key[1]))
            places.append(Place(list(leaves).index(key), read.element))
        return Evidence(tuple(leaves.values()), tuple(places))

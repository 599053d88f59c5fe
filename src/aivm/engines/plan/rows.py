"""A group of elementwise functions and row reductions as one ROWS step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import prod

from aivm.engines.plan.graph import Node
from aivm.engines.plan.groups import Extent, Group
from aivm.engines.plan.slots import HandedOver, Scratch, Slot, inner_stride
from aivm.engines.plan.tape import Address, Kind, Step, Word, padded
from aivm.engines.plan.views import (
    View,
    broadcast,
    dense_strides,
    merged_axes,
    split_of,
    strides_over,
    without_ones,
)
from aivm.isa.instructions import Cast, Map, Reduce
from aivm.isa.opcodes import Function
from aivm.numerics.dtypes import DType

# Of rows that need not stay whole, and of short rows together: a few slots of them fit in any L1.
CHUNK_ELEMENTS = 1024
BLOCK_ELEMENTS = 2048
REPEATED_ROWS_MIN = 4  # in a block, for a row that is the same for all to be repeated

_ARITHMETIC = (
    Function.ADD,
    Function.SUB,
    Function.MUL,
    Function.DIV,
    Function.MIN,
    Function.MAX,
)
_OP_FIELDS = ("function", "dtype", "to", "one", "scalar", "once")


class Op(IntEnum):
    """`enum row_kind` of tape.h."""

    MAP = 1
    ARITHMETIC = 2
    CAST = 3
    LOAD = 4
    REDUCE = 5
    CANONICAL = 6


@dataclass(frozen=True, slots=True)
class Offer:
    """What the step before could hand over, row by row: a dense value of rows x columns."""

    value: int
    rows: int
    columns: int


@dataclass(slots=True)
class RowsContext:
    """What the step needs to know of the plan around it."""

    address: Callable[[View], Address | HandedOver]
    copied: Callable[[View, int], View]  # a dense copy, made by a step of its own
    stored: Callable[[int], Address | None]  # where a result goes if anybody else reads it
    dtype: Callable[[int], DType]
    offer: Offer | None = None


class RowsBuilder:
    """Lowers one group; `build` is called once."""

    def __init__(self, nodes: list[Node], group: Group, context: RowsContext) -> None:
        assert group.space is not None
        self.nodes = nodes
        self.group = group
        self.context = context
        # A single number is a row of one element.
        self.space = group.space or (1,)
        taken = self.split_for_offer()
        self.takes_over = taken is not None
        self.split = self.choose_split() if taken is None else taken
        length = prod(self.space[self.split :])
        whole_rows = group.split is not None
        self.chunk = length if whole_rows else min(length, CHUNK_ELEMENTS)
        fitting = BLOCK_ELEMENTS // length if self.chunk == length else 1
        self.block = max(1, min(fitting, prod(self.space[: self.split])))
        self.scratch = Scratch(self.chunk, self.block)
        self.slots: list[Slot] = []
        self.ops: list[tuple[int, ...]] = []
        # By what it holds: (value, extent) of a member; of an operand from outside (value, offset,
        # strides, extent) in memory, or (..., once) in scratch, where `once` says it must stay.
        self.slot_of: dict[tuple[object, ...], int] = {}
        self.last_use = {
            view.value: index for index, node in enumerate(nodes) for view in node.operands
        }

    def operand_strides(self, node: Node, view: View) -> tuple[int, ...] | None:
        """Strides of an operand from outside over the whole space; None where it has another shape
        (a reduction may read its operand as (outer, length))."""
        if not self.group.space:
            return (1,)
        if isinstance(node.work, Reduce):
            same = without_ones(view.shape) == self.group.space
            return strides_over(view, view.shape) if same else None
        strides = strides_over(view, node.type.shape)
        return strides + (0,) * (len(self.space) - len(strides))

    def inner_stride(self, strides: tuple[int, ...] | None) -> int | None:
        """The one stride along a row; None where there is none."""
        return None if strides is None else inner_stride(strides, self.space, self.split)

    def split_for_offer(self) -> int | None:
        """Where to split so that rows are those that are offered; None: they cannot be taken."""
        offer = self.context.offer
        if offer is None:
            return None
        split = split_of(self.space, offer.rows, offer.columns)
        if split is None or self.group.split not in (None, split):
            return None
        for node in self.nodes:
            for view in node.operands:
                if view.value in self.group.extents:
                    continue
                strides = self.operand_strides(node, view)
                if view.value == offer.value:
                    if strides != dense_strides(self.space) or view.offset:
                        return None
                elif strides is None or inner_stride(strides, self.space, split) is None:
                    return None
        return split

    def choose_split(self) -> int:
        """Rows as long as the operands allow, where no reduction says how long they are."""
        if self.group.split is not None:
            return self.group.split
        outside = [
            self.operand_strides(node, view)
            for node in self.nodes
            for view in node.operands
            if view.value not in self.group.extents
        ]
        known = [strides for strides in outside if strides is not None]
        for split in range(len(self.space)):
            if all(inner_stride(strides, self.space, split) is not None for strides in known):
                return split
        return len(self.space) - 1

    def build(self, instruction: int) -> Step:
        for index, node in enumerate(self.nodes):
            self.add(index, node)
        return self.encoded(instruction)

    # --- slots ----------------------------------------------------------------------------------

    def new_slot(self, slot: Slot) -> int:
        self.slots.append(slot)
        return len(self.slots) - 1

    def scratch_slot(self, dtype: DType, scalar: bool, fresh: bool = False) -> int:
        offset = self.scratch.take(dtype.size_bytes, scalar, fresh)
        return self.new_slot(Slot(dtype, scalar, offset))

    def memory_slot(
        self, dtype: DType, scalar: bool, at: Address | HandedOver, strides: tuple[int, ...]
    ) -> int:
        step = 1 if scalar else self.inner_stride(strides)
        assert step is not None, "a row has one stride"
        return self.new_slot(Slot(dtype, scalar, at, strides[: self.split], step))

    def result_slot(self, node: Node, scalar: bool) -> int:
        dtype = node.type.dtype
        place = self.context.stored(node.value)
        if place is None:
            return self.scratch_slot(dtype, scalar)
        rows = self.space[: self.split] if scalar else self.space
        strides = dense_strides(rows) + (0,) * (len(self.space) - len(rows))
        return self.memory_slot(dtype, scalar, place, strides)

    def release(self, index: int, node: Node) -> None:
        """Gives back the scratch of whatever was read for the last time."""
        for value in {view.value for view in node.operands}:
            if self.last_use[value] != index:
                continue
            for key in [key for key in self.slot_of if key[0] == value]:
                slot = self.slots[self.slot_of.pop(key)]
                if isinstance(slot.place, int) and key[-1] is not True:
                    self.scratch.give_back(slot.place, slot.dtype.size_bytes, slot.scalar)

    # --- operands and operations ----------------------------------------------------------------

    def emit(self, op: Op, out: int, operands: Sequence[int], **fields: int) -> None:
        """Appends an operation; the fields are those of `row_op` in tape.h, 0 where not given."""
        values = [fields.pop(name, 0) for name in _OP_FIELDS]
        assert not fields, "no such field"
        inputs = (*operands, *(operands[0],) * (3 - len(operands)))
        self.ops.append((op, *values, out, *inputs))

    def add(self, index: int, node: Node) -> None:
        scalar = self.group.extents[node.value] is Extent.SCALAR
        dtype = self.context.dtype(node.operands[-1].value)
        one, arithmetic = 0, False
        if isinstance(node.work, Map) and node.work.function in _ARITHMETIC and not scalar:
            arithmetic = dtype is DType.F32
        if arithmetic:
            operands, one = self.arithmetic_operands(node)
        else:
            single = scalar and not isinstance(node.work, Reduce)
            operands = [self.operand(node, view, single) for view in node.operands]
        self.release(index, node)
        out = self.result_slot(node, scalar)
        # NaNs are made canonical where others can see them.
        shown = self.slots[out].in_memory and node.type.dtype is DType.F32
        match node.work:
            case Map(function=function) if arithmetic:
                self.emit(Op.ARITHMETIC, out, operands, function=function, to=shown, one=one)
                shown = False
            case Map(function=function):
                self.emit(Op.MAP, out, operands, function=function, dtype=dtype, scalar=scalar)
            case Cast():
                to = node.type.dtype
                self.emit(Op.CAST, out, operands, dtype=dtype, to=to, scalar=scalar)
            case Reduce(function=function):
                self.emit(Op.REDUCE, out, operands, function=function, dtype=dtype)
        if shown:
            self.emit(Op.CANONICAL, out, [out], scalar=scalar)
        self.slot_of[node.value, "scalar" if scalar else "full"] = out

    def arithmetic_operands(self, node: Node) -> tuple[list[int], int]:
        """Two slots, and which of them (1, 2; 0: none) is one number for the whole row."""
        for position, view in enumerate(node.operands):
            number = self.number(node, view)
            if number is not None:
                other = self.operand(node, node.operands[1 - position], scalar=False)
                return [number, other] if position == 0 else [other, number], position + 1
        return [self.operand(node, view, scalar=False) for view in node.operands], 0

    def number(self, node: Node, view: View) -> int | None:
        """The slot of an operand that is one number for the whole row; None where it is not."""
        if view.value in self.group.extents:
            return self.slot_of.get((view.value, "scalar"))
        strides = self.operand_strides(node, view)
        if strides is None or self.inner_stride(strides) != 0:
            return None
        return self.outside_slot(view, strides, scalar=False)

    def operand(self, node: Node, view: View, scalar: bool) -> int:
        """The slot in which the node finds an operand, loaded there first if need be."""
        if view.value not in self.group.extents:
            return self.outside(node, view, scalar)
        if scalar or (view.value, "full") in self.slot_of:
            return self.slot_of[view.value, "scalar" if scalar else "full"]
        source = self.slot_of[view.value, "scalar"]
        return self.loaded((view.value, "full"), source, once=False)

    def outside(self, node: Node, view: View, scalar: bool) -> int:
        """The slot of an operand from outside: in memory, where kernels can read it there."""
        strides = self.operand_strides(node, view)
        if strides is None or (not scalar and self.inner_stride(strides) is None):
            if not isinstance(node.work, Reduce):
                view = broadcast(view, node.type.shape)
            view = self.context.copied(view, node.position)
            strides = dense_strides(self.space)
        slot = self.outside_slot(view, strides, scalar)
        step = self.slots[slot].element_stride
        repeats = not any(strides[: self.split])
        if step == 1 and repeats and not scalar and self.block >= REPEATED_ROWS_MIN:
            # The same for all rows: repeated once, so that a block of them is one run.
            return self.loaded((view.value, view.offset, strides, True), slot, once=True)
        if scalar or step == 1 or self.chunk == 1:
            return slot
        once = step == 0 and repeats
        return self.loaded((view.value, view.offset, strides, once), slot, once=once)

    def outside_slot(self, view: View, strides: tuple[int, ...], scalar: bool) -> int:
        """The window of an operand from outside, in memory."""
        key = (view.value, view.offset, strides, "scalar" if scalar else "full")
        if key not in self.slot_of:
            dtype = self.context.dtype(view.value)
            place = self.context.address(view)
            slot = self.memory_slot(dtype, scalar, place, strides)
            self.slot_of[key] = slot
        return self.slot_of[key]

    def loaded(self, key: tuple[object, ...], source: int, *, once: bool) -> int:
        if key in self.slot_of:
            return self.slot_of[key]
        dtype = self.slots[source].dtype
        out = self.scratch_slot(dtype, scalar=False, fresh=once)
        self.emit(Op.LOAD, out, (source,), once=once)
        self.slot_of[key] = out
        return out

    # --- words ----------------------------------------------------------------------------------

    def encoded(self, instruction: int) -> Step:
        in_memory = [slot for slot in self.slots if slot.in_memory]
        strides = tuple(slot.strides for slot in in_memory)
        axes = merged_axes(self.space[: self.split], strides) if self.split else []
        sizes = [size for size, _ in axes]
        rows, length = prod(sizes), prod(self.space[self.split :])
        words: list[Word] = [rows, len(axes), *padded(sizes, fill=1), length]
        words += [self.chunk, self.block, len(self.slots), len(self.ops)]
        steps = iter(zip(*(steps for _, steps in axes), strict=True) if axes else ())
        for slot in self.slots:
            words += slot.words(next(steps, ()) if slot.in_memory else (), self.chunk)
        for op in self.ops:
            words += op
        return Step(Kind.ROWS, instruction, tuple(words), self.scratch.size_bytes)

"""Sequences and optionals, which exist while compiling only: programs know tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from onnx import TensorProto

from aivm.compiler.lowering.joining import cut, joined
from aivm.compiler.node import Node, normalised_axis
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import dtype_of_onnx
from aivm.compiler.values import DoubleTensor, Entity, Maybe, TensorList, Value, described


@operator("SequenceConstruct", since=11)
def construct(node: Node) -> TensorList:
    items = node.operands()
    return TensorList(tuple(items), items[0].dtype)


@operator("SequenceEmpty", since=11)
def empty(node: Node) -> TensorList:
    return TensorList((), dtype_of_onnx(node.integer("dtype", TensorProto.FLOAT)))


def _position(node: Node, place: int, length: int) -> int:
    """A known position among `length`, counted from the front."""
    array = node.known(place)
    if array.size != 1 or array.dtype.kind != "i":
        raise Malformed("a position must be one integer")
    position = int(array.reshape(-1)[0])
    if not -length <= position < length:
        raise Malformed(f"there is no position {position} among {length}")
    return position % length


@operator("SequenceAt", since=11)
def at(node: Node) -> Value:
    items = node.sequence(0).items
    return items[_position(node, 1, len(items))]


@operator("SequenceInsert", since=11)
def insert(node: Node) -> TensorList:
    """Before a position; at the end without one."""
    sequence, item = node.sequence(0), node.input(1)
    if item.dtype is not sequence.dtype:
        raise Malformed(f"{item.dtype.name} does not fit a sequence of {sequence.dtype.name}")
    items = list(sequence.items)
    if node.entity(2) is None:
        items.append(item)
    else:
        array = node.known(2)
        position = int(array.reshape(-1)[0]) if array.size == 1 else len(items) + 1
        if not -len(items) <= position <= len(items):
            raise Malformed(f"there is no position {position} to insert at among {len(items)}")
        items.insert(position, item)
    return TensorList(tuple(items), sequence.dtype)


@operator("SequenceErase", since=11)
def erase(node: Node) -> TensorList:
    sequence = node.sequence(0)
    items = list(sequence.items)
    if node.entity(1) is None and not items:
        raise Malformed("an empty sequence has no last item")
    del items[-1 if node.entity(1) is None else _position(node, 1, len(items))]
    return TensorList(tuple(items), sequence.dtype)


@operator("SequenceLength", since=11)
def length(node: Node) -> Value:
    return node.build.constant(np.array(len(node.sequence(0).items), np.int64))


@operator("SplitToSequence", since=11)
def split_to_sequence(node: Node) -> TensorList:
    """Parts of given sizes, of one given size, or of size 1 (without the axis if keepdims is 0)."""
    value = node.input(0)
    axis = normalised_axis(node.integer("axis", 0), value.rank)
    total = value.shape[axis]
    given = node.entity(1)
    if given is None:
        sizes = [1] * total
    elif isinstance(given, Value) and not given.rank:
        size = node.known_integer(1)
        if size < 1:
            raise Malformed(f"{total} places cannot be split into parts of {size}")
        sizes = [min(size, total - start) for start in range(0, total, size)]
    else:
        sizes = node.known_integers(1)
    if sum(sizes) != total or any(size < 0 for size in sizes):
        raise Malformed(f"{total} places cannot be split into {sizes}")
    starts = [0, *accumulate(sizes)]
    items = [
        cut(node.build, value, axis, start, size)
        for start, size in zip(starts, sizes, strict=False)
    ]
    if given is None and not node.integer("keepdims", 1):
        shape = (*value.shape[:axis], *value.shape[axis + 1 :])
        items = [node.build.reshape(item, shape) for item in items]
    return TensorList(tuple(items), value.dtype)


@operator("ConcatFromSequence", since=11)
def concat_from_sequence(node: Node) -> Value:
    """Joined along an axis, or stacked along a new one."""
    items = list(node.sequence(0).items)
    if not items:
        raise Malformed("an empty sequence cannot be joined")
    rank = items[0].rank
    fresh = bool(node.integer("new_axis", 0))
    axis = normalised_axis(node.integer("axis"), rank + fresh)
    if fresh:
        items = [
            node.build.reshape(item, (*item.shape[:axis], 1, *item.shape[axis:])) for item in items
        ]
    rests = {(*item.shape[:axis], *item.shape[axis + 1 :]) for item in items}
    if len(rests) != 1 or any(item.rank != items[0].rank for item in items):
        raise Malformed(f"shapes {[item.shape for item in items]} do not join on axis {axis}")
    return joined(node.build, items, axis)


@operator("SequenceMap", since=17)
def sequence_map(node: Node) -> Sequence[Entity | None]:
    """The body once for each item; tensors among the inputs are the same every time."""
    first = node.sequence(0)
    columns: list[Sequence[Entity]] = []
    for entity in node.inputs:
        if isinstance(entity, TensorList):
            if len(entity.items) != len(first.items):
                raise Malformed("sequences of different lengths cannot be walked together")
            columns.append(entity.items)
        elif entity is None:
            raise Malformed("an input is missing")
        else:
            columns.append([entity] * len(first.items))
    rows = [node.lower_graph(node.graph("body"), row) for row in zip(*columns, strict=True)]
    if not rows:
        raise Unsupported("SequenceMap of an empty sequence")
    return [_list_of(column) for column in zip(*rows, strict=True)]


def _list_of(entities: Sequence[Entity]) -> TensorList:
    items = tuple(entity for entity in entities if isinstance(entity, Value))
    if len(items) != len(entities):
        raise Unsupported(f"a sequence of {described(entities[0])}")
    return TensorList(items, items[0].dtype)


# --- optionals ---------------------------------------------------------------------------------


@operator("Optional", since=15)
def optional(node: Node) -> Maybe:
    entity = node.entity(0)
    if isinstance(entity, DoubleTensor | Maybe):
        raise Unsupported(f"an optional of {described(entity)}")
    return Maybe(entity)


@operator("OptionalGetElement", since=15)
def optional_get_element(node: Node) -> Entity:
    entity = node.entity(0)
    if isinstance(entity, Maybe):
        entity = entity.held
    if entity is None:
        raise Malformed("the optional is empty")
    return entity


@operator("OptionalHasElement", since=15)
def optional_has_element(node: Node) -> Value:
    entity = node.entity(0)
    held = entity.held if isinstance(entity, Maybe) else entity
    return node.build.constant(np.array(held is not None))

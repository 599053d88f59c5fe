"""Broken ONNX models: any field of any message, given a value that it should not have.

Changes go through the message descriptors, so whatever the format has is met: dimensions, element
types, names (a name used twice, an output that feeds its own operand), missing and doubled inputs,
attributes of another kind, data cut short or kept elsewhere, subgraphs within themselves, opsets
that do not exist.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

_INTEGERS = (0, 1, -1, 2, 3, 7, 8, 127, 128, 2**16, 2**31 - 1, 2**31, 2**40, 2**63 - 1, -(2**63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3e38, float("inf"), float("nan"))
_WORDS = (
    "",
    "x",
    "y",
    "w",
    "\0",
    "../../etc/passwd",
    "ai.onnx",
    "NOTSET",
    "SAME_UPPER",
    "ij,jk->ki",
)
_PATHS = ("../../../etc/passwd", "/etc/passwd", "weights.bin", "")
_LONG = 100_000

Place = tuple[Any, Any]  # a message and one of its fields


def mutant(model: ModelProto, seed: int, changes: int = 1) -> bytes:
    """The model with so many changes, as bytes that may be no model any more."""
    dice = random.Random(seed)
    changed = ModelProto()
    changed.CopyFrom(model)
    for _ in range(changes):
        if dice.random() < 0.15:
            dice.choice((_keep_elsewhere, _tie_a_knot, _grow))(changed, dice)
        else:
            _change(changed, dice)
    data: bytes = changed.SerializePartialToString()
    if dice.random() < 0.03:
        return nested(changed, dice.choice((3, 20, 30, 40, 5000)))
    if dice.random() < 0.1:  # a byte of the encoding itself
        at = dice.randrange(len(data)) if data else 0
        data = data[:at] + dice.randbytes(dice.randrange(3)) + data[at + 1 :]
    return data


def nested(model: ModelProto, depth: int) -> bytes:
    """The model's graph in an attribute of a node of a graph in an attribute of a node ..."""
    content: bytes = model.graph.SerializePartialToString()
    for _ in range(depth):
        attribute = _field(AttributeProto, "name", b"then_branch") + _field(
            AttributeProto, "g", content
        )
        node = _field(NodeProto, "op_type", b"If") + _field(NodeProto, "attribute", attribute)
        content = _field(GraphProto, "node", node)
    outer = ModelProto()
    outer.CopyFrom(model)
    outer.ClearField("graph")
    start: bytes = outer.SerializePartialToString()
    return start + _field(ModelProto, "graph", content)


def _field(message: Any, name: str, content: bytes) -> bytes:
    """A length-delimited field, encoded: protobuf itself refuses to build what is nested deeply."""
    tag, size = message.DESCRIPTOR.fields_by_name[name].number << 3 | 2, len(content)
    varint = b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([tag]) + varint + bytes([size]) + content


def places(message: Any) -> Iterator[Place]:
    """Every field of the message and of those within it, set or not."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        if _is_repeated(field):
            for each in getattr(message, field.name):
                yield from places(each)
        elif message.HasField(field.name):
            yield from places(getattr(message, field.name))


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _change(model: ModelProto, dice: random.Random) -> None:
    everywhere = list(places(model))
    # What is set matters more than what is not.
    present = [place for place in everywhere if _is_set(*place)]
    message, field = dice.choice(present if present and dice.random() < 0.8 else everywhere)
    if _is_repeated(field):
        _change_list(message, field, dice)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        _change_message(message, field, everywhere, dice)
    elif dice.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(field, getattr(message, field.name), dice))


def _is_set(message: Any, field: Any) -> bool:
    if _is_repeated(field):
        return len(getattr(message, field.name)) > 0
    return bool(message.HasField(field.name))


def _scalar(field: Any, old: Any, dice: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return dice.choice((*_WORDS, old + "'", "n" * _LONG))
    if field.type == FieldDescriptor.TYPE_BYTES:
        cut = old[: dice.randrange(len(old) + 1)]
        return dice.choice((cut, old + b"\0", b"", dice.randbytes(dice.randrange(40)), b"\xff" * 8))
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return dice.choice(_FLOATS)
    if field.type == FieldDescriptor.TYPE_ENUM:  # no message can hold another number
        return dice.choice([each.number for each in field.enum_type.values])
    number = dice.choice((*_INTEGERS, int(old) + 1, int(old) - 1, -int(old)))
    if field.type == FieldDescriptor.TYPE_INT32:
        return (number + 2**31) % 2**32 - 2**31
    if field.type == FieldDescriptor.TYPE_UINT64:
        return number % 2**64
    return (number + 2**63) % 2**64 - 2**63


def _change_list(message: Any, field: Any, dice: random.Random) -> None:
    items = getattr(message, field.name)
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    at = dice.randrange(len(items)) if items else 0
    match dice.choice(("drop", "double", "swap", "other", "clear")):
        case "clear":
            message.ClearField(field.name)
        case "drop" if items:
            del items[at]
        case "double" if items:
            items.extend([items[at]])
        case "swap" if items:
            kept = list(items)
            other = dice.randrange(len(kept))
            kept[at], kept[other] = kept[other], kept[at]
            copies = [_copy(each) if is_message else each for each in kept]
            message.ClearField(field.name)
            getattr(message, field.name).extend(copies)
        case _ if is_message:
            items.add()
        case _:
            fresh = _scalar(field, items[at] if items else _zero(field), dice)
            if items:
                items[at] = fresh
            else:
                items.append(fresh)


def _change_message(message: Any, field: Any, everywhere: list[Place], dice: random.Random) -> None:
    """Cleared, emptied, or another message of the same type in its place."""
    same = [
        getattr(other, each.name)
        for other, each in everywhere
        if each.type == FieldDescriptor.TYPE_MESSAGE
        and not _is_repeated(each)
        and each.message_type is field.message_type
        and other.HasField(each.name)
    ]
    donor = _copy(dice.choice(same)) if same and dice.random() < 0.6 else None
    message.ClearField(field.name)
    if donor is not None:
        getattr(message, field.name).CopyFrom(donor)
    elif dice.random() < 0.5:
        getattr(message, field.name).SetInParent()


def _copy(message: Any) -> Any:
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh


def _zero(field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return ""
    return b"" if field.type == FieldDescriptor.TYPE_BYTES else 0


# --- changes with a plan --------------------------------------------------------------------------


def _keep_elsewhere(model: ModelProto, dice: random.Random) -> None:
    """A weight whose data is in another file, often one that is none of the model's business."""
    if not model.graph.initializer:
        return
    tensor = dice.choice(model.graph.initializer)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", dice.choice(_PATHS)


def _tie_a_knot(model: ModelProto, dice: random.Random) -> None:
    """A node that reads what depends on it, or itself."""
    if not model.graph.node:
        return
    early = dice.choice(model.graph.node)
    late = dice.choice(model.graph.node)
    if early.input and late.output:
        early.input[0] = late.output[0]


def _grow(model: ModelProto, dice: random.Random) -> None:
    """Very many of something."""
    many = dice.choice((1_000, 20_000))
    nodes = [helper.make_node("Neg", ["x"], [f"grown{n}"]) for n in range(many)]
    model.graph.node.extend(nodes)

"""Operators that pass values on: identity, dropout at inference."""

from __future__ import annotations

from collections.abc import Sequence

from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import checked_type
from aivm.compiler.values import Entity, Value
from aivm.numerics.dtypes import DType


@operator("Identity", since=1)
def identity(node: Node) -> Entity:
    entity = node.entity(0)
    if entity is None:
        raise Malformed("its input is missing")
    return entity


@operator("Dropout", since=7)
def dropout(node: Node) -> Sequence[Value | None]:
    """At inference nothing is dropped: the mask, where somebody wants it, is all true."""
    value = node.input(0)
    if node.optional(2) is not None and node.known(2).any() and _ratio(node):
        raise Unsupported(
            "what Dropout drops in training mode is random, and ONNX does not define the numbers",
            change="Export the model for inference.",
        )
    if not node.wants(1):
        return [value, None]
    mask = node.build.fill(checked_type(DType.BOOL, value.shape), 1)
    return [value, mask if node.version >= 10 else node.build.cast(mask, value.dtype)]


def _ratio(node: Node) -> float:
    """The share of elements that training drops."""
    if node.optional(1) is None:
        return 0.5
    ratio = node.known_numbers(1)
    if ratio.size != 1:
        raise Malformed("the ratio of Dropout must be one number")
    return float(ratio.reshape(-1)[0])

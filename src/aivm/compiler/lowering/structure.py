"""Operators that pass values on: identity, dropout at inference, decided branches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aivm.compiler.node import Node
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.registry import operator
from aivm.compiler.tensors import checked_type
from aivm.compiler.values import Value
from aivm.numerics.dtypes import DType


@operator("Identity", since=1)
def identity(node: Node) -> Value:
    return node.input(0)


@operator("Dropout", since=7)
def dropout(node: Node) -> Sequence[Value | None]:
    """At inference nothing is dropped: the mask, where somebody wants it, is all true."""
    value = node.input(0)
    if node.optional(2) is not None and node.known(2).any():
        raise Unsupported("Dropout in training mode", change="Export the model for inference.")
    if not node.wants(1):
        return [value, None]
    mask_dtype = DType.BOOL if node.version >= 10 else value.dtype
    if mask_dtype is not DType.BOOL:
        raise Unsupported("the mask of Dropout before version 10 cannot be computed")
    return [value, node.build.fill(checked_type(DType.BOOL, value.shape), 1)]


@operator("If", since=1)
def branch(node: Node) -> Sequence[Value]:
    """The branch that a condition known at compile time selects; the other one leaves no trace."""
    condition = node.input(0).array
    if condition is None:
        raise Unsupported(
            "the condition depends on the model's inputs",
            change="Bind the input that decides it (`bindings`) and compile one program for each "
            "case.",
        )
    if condition.dtype != np.bool_ or condition.size != 1:
        raise Malformed("the condition must be one BOOL")
    taken = "then_branch" if condition.reshape(-1)[0] else "else_branch"
    return node.lower_graph(node.graph(taken), [])

"""One ONNX node as its lowering rule sees it: operands, attributes, and ways to refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, TensorProto

from aivm.commitments import Array
from aivm.compiler.builder import Builder
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.tensors import NO_FILES, Files
from aivm.compiler.values import Entity, TensorList, Value, described
from aivm.numerics.dtypes import DType

SubgraphLowering = Callable[[GraphProto, Sequence[Entity]], list[Entity]]


@dataclass(frozen=True, slots=True)
class Node:
    """Operands and attributes of a node; `version` is the operator version in force (since)."""

    op: str
    version: int
    build: Builder
    inputs: Sequence[Entity | None]
    wanted: Sequence[bool]
    """For each output that the node names: does anything use it?"""
    attributes: Mapping[str, AttributeProto]
    lower_graph: SubgraphLowering = field(repr=False)
    """Lowers a subgraph in the scope of this node, given the values of its own inputs."""
    files: Files = field(default=NO_FILES, repr=False)
    """Where tensors among the attributes may keep their elements."""

    # --- operands -------------------------------------------------------------------------------

    def entity(self, position: int) -> Entity | None:
        """What stands at a position: a tensor, a sequence, an optional; None if left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def optional(self, position: int) -> Value | None:
        """The operand, a tensor, or None where the node leaves it out."""
        entity = self.entity(position)
        if entity is None or isinstance(entity, Value):
            return entity
        raise Malformed(f"input {position} must be a tensor, not {described(entity)}")

    def sequence(self, position: int) -> TensorList:
        """The operand, which must be a sequence."""
        entity = self.entity(position)
        if isinstance(entity, TensorList):
            return entity
        raise Malformed(f"input {position} must be a sequence, not {described(entity)}")

    def input(self, position: int) -> Value:
        """The operand, which the operator requires."""
        value = self.optional(position)
        if value is None:
            raise Malformed(f"input {position} is missing")
        return value

    def operands(self) -> list[Value]:
        """All operands of a variadic operator, of which there is at least one."""
        if not self.inputs:
            raise Malformed("an input is missing")
        return [self.input(position) for position in range(len(self.inputs))]

    def known(self, position: int) -> Array:
        """The elements of an operand that must not depend on the model's inputs."""
        array = self.input(position).array
        if array is None:
            raise Unsupported(
                f"input {position} depends on the model's inputs, so shapes would too",
                change="Make it a constant, or bind the model input that it comes from "
                "(`bindings`) to a fixed value.",
            )
        return array

    def known_numbers(self, position: int) -> Array:
        """The elements of a known operand as numpy numbers, also those of F16 and BF16."""
        array, dtype = self.known(position), self.input(position).dtype
        if dtype is DType.F16:
            return array.view(np.float16)
        if dtype is DType.BF16:
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array

    def known_integers(self, position: int) -> list[int]:
        """A known operand of rank 0 or 1 as Python integers."""
        array = self.known(position)
        if array.dtype.kind not in "iu" or array.ndim > 1:
            raise Malformed(f"input {position} must be a vector of integers")
        return [int(element) for element in array.reshape(-1)]

    def known_integer(self, position: int) -> int:
        """A known operand of one integer."""
        numbers = self.known_integers(position)
        if len(numbers) != 1:
            raise Malformed(f"input {position} must be one integer, not {len(numbers)}")
        return numbers[0]

    def wants(self, position: int) -> bool:
        """True if the output has a name and something uses it."""
        return position < len(self.wanted) and self.wanted[position]

    # --- attributes -----------------------------------------------------------------------------

    def integer(self, name: str, default: int | None = None) -> int:
        return int(self._attribute(name, AttributeProto.INT, default))

    def integers(self, name: str) -> list[int] | None:
        """A list attribute, or None where the node leaves it out."""
        if name not in self.attributes:
            return None
        return [int(item) for item in self._attribute(name, AttributeProto.INTS, None)]

    def numbers(self, name: str) -> list[float] | None:
        """A list attribute, or None where the node leaves it out."""
        if name not in self.attributes:
            return None
        return [float(item) for item in self._attribute(name, AttributeProto.FLOATS, None)]

    def texts(self, name: str) -> list[str] | None:
        """A list attribute, or None where the node leaves it out."""
        if name not in self.attributes:
            return None
        items = self._attribute(name, AttributeProto.STRINGS, None)
        return [item.decode("utf-8", "replace") for item in items]

    def number(self, name: str, default: float | None = None) -> float:
        return float(self._attribute(name, AttributeProto.FLOAT, default))

    def text(self, name: str, default: str) -> str:
        value = self._attribute(name, AttributeProto.STRING, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def tensor(self, name: str) -> TensorProto | None:
        if name not in self.attributes:
            return None
        tensor: TensorProto = self._attribute(name, AttributeProto.TENSOR, None)
        return tensor

    def graph(self, name: str) -> GraphProto:
        graph: GraphProto = self._attribute(name, AttributeProto.GRAPH, None)
        return graph

    def _attribute(self, name: str, kind: int, default: object) -> Any:
        attribute = self.attributes.get(name)
        if attribute is None:
            if default is None:
                raise Malformed(f"attribute {name!r} is missing")
            return default
        if attribute.type != kind:
            raise Malformed(f"attribute {name!r} has the wrong type")
        return onnx.helper.get_attribute_value(attribute)


def normalised_axis(axis: int, rank: int) -> int:
    """An axis counted from the front; raises Malformed outside [-rank, rank)."""
    if not -rank <= axis < rank:
        raise Malformed(f"axis {axis} does not exist in a tensor of rank {rank}")
    return axis % rank


def normalised_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front, in the given order; raises Malformed if one occurs twice."""
    found = [normalised_axis(axis, rank) for axis in axes]
    if len(set(found)) != len(found):
        raise Malformed(f"axes {list(axes)} name one axis twice")
    return found

"""Functions and subgraphs: graphs that nodes carry, call, or are defined by.

Many operators are defined by ONNX itself through a function body, a small graph of other operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, TensorProto, TypeProto

from aivm.compiler.refusals import Unsupported
from aivm.compiler.tensors import DTYPE_OF_ONNX
from aivm.compiler.values import DoubleTensor, Entity, Maybe, TensorList

FunctionKey = tuple[str, str, str]
"""Domain, name and overload of a function."""

_ONNX_OF_DTYPE = {dtype: element_type for element_type, dtype in DTYPE_OF_ONNX.items()}


def standard_body(
    schema: onnx.defs.OpSchema, opset: int, proto: NodeProto, inputs: Sequence[Entity | None]
) -> FunctionProto | None:
    """The body that ONNX defines for an operator, for these operands; None where it has none."""
    # The stubs of onnx leave out what a schema says about functions.
    facts: Any = schema
    data = b""
    plain = [version for version in facts.function_opset_versions if version <= opset]
    dependent = [v for v in facts.context_dependent_function_opset_versions if v <= opset]
    if plain:
        data = facts.get_function_with_opset_version(max(plain))
    elif dependent:
        types = [_type_proto(value).SerializeToString() for value in inputs]
        data = facts.get_context_dependent_function_with_opset_version(
            max(dependent), proto.SerializeToString(), types
        )
    if not data:
        return None
    body = FunctionProto()
    body.ParseFromString(data)
    for name, attribute in schema.attributes.items():
        if attribute.default_value.type != AttributeProto.UNDEFINED:
            default = AttributeProto()
            default.CopyFrom(attribute.default_value)
            default.name = name
            body.attribute_proto.append(default)
    return body


def _type_proto(entity: Entity | None) -> TypeProto:
    match entity:
        case None:
            return TypeProto()
        case DoubleTensor():
            return onnx.helper.make_tensor_type_proto(TensorProto.DOUBLE, entity.shape)
        case TensorList():
            element = onnx.helper.make_tensor_type_proto(_ONNX_OF_DTYPE[entity.dtype], None)
            return onnx.helper.make_sequence_type_proto(element)
        case Maybe():
            raise Unsupported("a function of ONNX takes no optional")
    return onnx.helper.make_tensor_type_proto(_ONNX_OF_DTYPE[entity.dtype], entity.shape)


def with_attributes(node: NodeProto, given: Mapping[str, AttributeProto]) -> NodeProto:
    """The node with references to its function's attributes replaced by what the caller gave."""
    if not any(attribute.ref_attr_name or attribute.HasField("g") for attribute in node.attribute):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            value = given.get(attribute.ref_attr_name)
            if value is None:
                continue
            copy.attribute.append(value)
            copy.attribute[-1].name = attribute.name
        else:
            copy.attribute.append(attribute)
            if attribute.HasField("g"):
                nodes = [with_attributes(inner, given) for inner in attribute.g.node]
                del copy.attribute[-1].g.node[:]
                copy.attribute[-1].g.node.extend(nodes)
    return copy


def without_inputs(node: NodeProto, absent: set[str]) -> NodeProto:
    """The node with the optional inputs that the caller left out left out here too."""
    if not any(name in absent for name in node.input):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input[:] = ["" if name in absent else name for name in node.input]
    return copy


def subgraphs(node: NodeProto) -> Iterable[GraphProto]:
    """The graphs among a node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def domain_of(name: str) -> str:
    """The name of an operator domain; the default one has two spellings."""
    return "" if name == "ai.onnx" else name

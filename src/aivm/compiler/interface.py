"""What a model takes and gives, before any shape is fixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from onnx import ModelProto, TensorShapeProto, ValueInfoProto

from aivm.compiler.load import Model, load_model, opsets_of
from aivm.compiler.refusals import Unsupported
from aivm.compiler.tensors import dtype_of_onnx
from aivm.errors import UnsupportedModel
from aivm.numerics.dtypes import DType

Dimension = int | str | None
"""A size, the name of a size that is the same wherever it occurs, or None: anything."""


@dataclass(frozen=True, slots=True)
class TensorInterface:
    """Name, dtype and shape of an input or output; `shape` is None where even the rank is open.

    `dtype` is None for an output whose type the model leaves to be found.
    """

    name: str
    dtype: DType | None
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True, slots=True)
class ModelInterface:
    """Inputs and outputs in the model's order, its opset, and how often each operator occurs."""

    inputs: tuple[TensorInterface, ...]
    outputs: tuple[TensorInterface, ...]
    opset: int
    operators: Mapping[str, int]


def inspect_model(model: Model) -> ModelInterface:
    """The interface of a model. Raises MalformedModel, UnsupportedModel and TooLarge."""
    return interface_of(load_model(model).proto)


def interface_of(model: ModelProto) -> ModelInterface:
    """The interface of a model that `load_model` has checked."""
    fixed = {initializer.name for initializer in model.graph.initializer}
    operators = Counter(node.op_type for node in model.graph.node)
    return ModelInterface(
        inputs=tuple(tensor_interface(i) for i in model.graph.input if i.name not in fixed),
        outputs=tuple(tensor_interface(output) for output in model.graph.output),
        opset=opsets_of(model).get("", 0),
        operators=dict(sorted(operators.items())),
    )


def tensor_interface(info: ValueInfoProto) -> TensorInterface:
    """Raises UnsupportedModel for sequences, maps, strings and other types that are no tensors."""
    if not info.HasField("type"):
        return TensorInterface(info.name, None, None)
    if info.type.HasField("sequence_type") and info.type.sequence_type.elem_type.HasField(
        "map_type"
    ):
        # What ZipMap gives: the tensor that it would take apart stands for it.
        return TensorInterface(info.name, DType.F32, None)
    if not info.type.HasField("tensor_type"):
        raise UnsupportedModel(f"{info.name!r} is not a tensor", hint="Only tensors can be passed.")
    tensor = info.type.tensor_type
    try:
        dtype = dtype_of_onnx(tensor.elem_type)
    except Unsupported as error:
        raise UnsupportedModel(f"{info.name!r}: {error.reason}", hint=error.change) from error
    if not tensor.HasField("shape"):
        return TensorInterface(info.name, dtype, None)
    return TensorInterface(info.name, dtype, tuple(map(_dimension, tensor.shape.dim)))


def _dimension(declared: TensorShapeProto.Dimension) -> Dimension:
    """Some exporters write an open dimension as -1, or as a symbol without a name."""
    if declared.HasField("dim_value"):
        return declared.dim_value if declared.dim_value >= 0 else None
    return declared.dim_param or None

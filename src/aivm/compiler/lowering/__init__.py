"""The lowering rules, one function for each ONNX operator (see `aivm.compiler.registry`)."""

from aivm.compiler.lowering import (
    arithmetic,
    comparison,
    constants,
    convolution,
    indexing,
    joining,
    linear,
    normalisation,
    pooling,
    quantisation,
    recurrent,
    reduction,
    resizing,
    shapes,
    structure,
)

MODULES = (
    arithmetic,
    comparison,
    constants,
    convolution,
    indexing,
    joining,
    linear,
    normalisation,
    pooling,
    quantisation,
    recurrent,
    reduction,
    resizing,
    shapes,
    structure,
)

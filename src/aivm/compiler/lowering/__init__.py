"""The lowering rules, one function for each ONNX operator (see `aivm.compiler.registry`)."""

from aivm.compiler.lowering import (
    arithmetic,
    caching,
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
    caching,
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

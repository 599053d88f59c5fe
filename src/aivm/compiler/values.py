"""What a name of a graph stands for: a tensor, mostly; also sequences, optionals and doubles.

The last three exist while compiling only: a program knows nothing but tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aivm.commitments import Array
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType

Doubles = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor: exactly one of `array` (known now) and `index` (place in the builder) is set."""

    type: TensorType
    array: Array | None = None
    index: int | None = None

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return len(self.type.shape)


@dataclass(frozen=True, slots=True, eq=False)
class TensorList:
    """An ONNX sequence. How many tensors it holds is known; what they hold need not be."""

    items: tuple[Value, ...]
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Maybe:
    """An ONNX optional. Whether it holds something is known."""

    held: Value | TensorList | None


@dataclass(frozen=True, slots=True, eq=False)
class DoubleTensor:
    """A DOUBLE tensor: elements known now, or a value whose elements binary64 holds exactly.

    Numerics 1 has no binary64, so none of these can be part of a program (see `doubles`). If not
    `exact`, the elements of the value, F32, are those of the tensor rounded once: it can only be
    moved on, and become FLOAT.
    """

    source: Doubles | Value
    exact: bool = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape


Entity = Value | TensorList | Maybe | DoubleTensor


def described(entity: Entity | None) -> str:
    """Type and shape of what a node is given, for messages: `f32[2, 3]`."""
    match entity:
        case None:
            return "-"
        case Value():
            return f"{entity.dtype.name.lower()}{list(entity.shape)}"
        case DoubleTensor():
            return f"f64{list(entity.shape)}"
        case TensorList():
            return f"sequence of {len(entity.items)} {entity.dtype.name.lower()}"
        case Maybe():
            return f"optional ({described(entity.held)})"

"""Operands held as numpy arrays: `Operands` for recipes that compute many elements at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from aivm.commitments import Array, numpy_dtype
from aivm.engines.reference.arrays import ArrayMachine, Words
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap

# How ArrayMachine holds words: as the arrays themselves, only f32 as bits.
WORD_DTYPES = {dtype: numpy_dtype(dtype) for dtype in DType} | {DType.F32: np.dtype("<u4")}


class ArrayOperands:
    """`Operands[Words]`: an index is an int64 array. `on_read` is called before every read."""

    machine = ArrayMachine()

    def __init__(
        self, types: Sequence[TensorType], arrays: Sequence[Array], on_read: Callable[[], None]
    ) -> None:
        self.types = types
        pairs = zip(types, arrays, strict=True)
        self._words = [array.reshape(-1).view(WORD_DTYPES[type_.dtype]) for type_, array in pairs]
        self._on_read = on_read

    def read(self, slot: int, element: npt.NDArray[np.int64]) -> Words:
        self._on_read()
        return self._words[slot].take(element)

    def index(self, word: Words) -> npt.NDArray[np.int64]:
        return word.astype(np.int64)

    def word(self, dtype: DType, number: int | npt.NDArray[np.int64]) -> Words:
        if isinstance(number, int):
            return np.array(wrap(dtype, number), WORD_DTYPES[dtype])
        return number.astype(WORD_DTYPES[dtype])

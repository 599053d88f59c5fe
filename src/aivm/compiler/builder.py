"""Collects the instructions of a program: checks them, folds what is known, shares what is equal.

Rules call one method per instruction family. Operands are `Value`s; a value known at compile time
becomes a constant of the program only when an instruction that stays needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np

from aivm.commitments import Array, dtype_of, numpy_dtype
from aivm.compiler.evaluate import evaluate
from aivm.compiler.refusals import Malformed, Unsupported
from aivm.compiler.tensors import checked_type
from aivm.compiler.values import Value
from aivm.isa import signatures
from aivm.isa.instructions import (
    Cast,
    Concat,
    Fill,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.isa.validate import MAX_REACH
from aivm.numerics.dtypes import DType
from aivm.numerics.formats import FORMAT_OF, is_nan

# A result may grow to this size when it is computed now; beyond, only if its operands were as big,
# so that folding does not make a package larger. All such results together are bounded by a budget
# in proportion to the constants of the model, or a small file could fill the memory.
SMALL_BYTES = 64 * 1024
FOLDED_BYTES_PER_BYTE = 4
MAX_INSTRUCTIONS = 1_000_000
# Functions that call functions could otherwise expand without end, and leave no instruction.
MAX_LOWERED_NODES = 500_000


@dataclass(frozen=True, slots=True)
class InputEntry:
    """An input of the program."""

    type: TensorType


@dataclass(frozen=True, slots=True, eq=False)
class ConstantEntry:
    """A constant that some instruction uses."""

    type: TensorType
    array: Array


Entry = InputEntry | ConstantEntry | Instruction
_Maker = Callable[[tuple[int, ...]], Instruction]


class Builder:
    """The program so far; `entries` is its numbering, `assemble` makes the final one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._instructions: dict[Instruction, Value] = {}
        self._constants: dict[tuple[TensorType, bytes], int] = {}
        self._budget_bytes = 0
        self._lowered_nodes = 0
        self._guard: Value | None = None

    def count_node(self) -> None:
        """One more node was lowered; raises Unsupported beyond the limit."""
        self._lowered_nodes += 1
        if self._lowered_nodes > MAX_LOWERED_NODES:
            raise Unsupported(f"the model expands to over {MAX_LOWERED_NODES} nodes")

    @contextmanager
    def guarded(self, condition: Value | None) -> Iterator[None]:
        """Within, results count only where `condition` (BOOL, rank 0; None: always) holds.

        Both branches of a choice are computed; an index outside its axis must be a fault in the
        branch that is taken, and none in the other. So indices are read as 0 where the condition
        does not hold.
        """
        outer = self._guard
        if condition is not None and outer is not None:
            condition = self.map(Function.AND, outer, condition)
        self._guard = outer if condition is None else condition
        try:
            yield
        finally:
            self._guard = outer

    # --- values -------------------------------------------------------------------------------

    def input(self, tensor_type: TensorType) -> Value:
        self.entries.append(InputEntry(tensor_type))
        return Value(tensor_type, index=len(self.entries) - 1)

    def constant(self, array: Array, dtype: DType | None = None) -> Value:
        """A value known now; `dtype` says what uint16 bits mean (F16, BF16)."""
        dtype = dtype_of(array) if dtype is None else dtype
        self._budget_bytes += FOLDED_BYTES_PER_BYTE * array.nbytes
        return Value(checked_type(dtype, array.shape), array=array)

    def scalar(self, value: float, dtype: DType) -> Value:
        """A rank 0 constant: one rounding for F32, exact for integers."""
        if dtype in signatures.STORAGE:
            return self.cast(self.scalar(value, DType.F32), dtype)
        return self.constant(np.array(value, dtype=numpy_dtype(dtype)), dtype)

    def index_of(self, value: Value) -> int:
        """The place of a value among the entries; a known one becomes a constant entry."""
        if value.index is not None:
            return value.index
        assert value.array is not None
        dense = np.asarray(value.array, order="C")
        key = (value.type, sha256(dense.reshape(-1).view(np.uint8).data).digest())
        found = self._constants.get(key)
        if found is None:
            self.entries.append(ConstantEntry(value.type, dense))
            found = self._constants[key] = len(self.entries) - 1
        return found

    # --- instruction families -----------------------------------------------------------------

    def map(self, function: Function, *operands: Value) -> Value:
        """Elementwise with broadcasting; F16 and BF16 compute in F32 and are rounded once."""
        dtypes = [value.dtype for value in operands]
        dtype = signatures.FUNCTIONS[function].result_of(dtypes)
        if dtype is None and signatures.STORAGE.intersection(dtypes):
            wide = self.map(function, *(self.widened(value) for value in operands))
            return wide if wide.dtype is DType.BOOL else self.cast(wide, dtypes[-1])
        if dtype is None:
            raise _undefined(function.name, dtypes)
        tensor_type = checked_type(dtype, broadcast_shape(*(value.shape for value in operands)))
        plain = [self._as_scalar(value, tensor_type.shape, operands) for value in operands]
        return self._emit(lambda ids: Map(function, ids, tensor_type), plain)

    def matmul(self, a: Value, b: Value) -> Value:
        """Matrix product of two values of rank 2 or more; leading dimensions broadcast.

        F32, or any mix of I8 and U8, whose product is I32.
        """
        if a.shape[-1] != b.shape[-2]:
            raise Malformed(f"matrices of shapes {a.shape} and {b.shape} cannot be multiplied")
        if a.dtype in signatures.STORAGE:
            return self.cast(self.matmul(self.widened(a), self.widened(b)), a.dtype)
        dtype = signatures.matmul_result(a.dtype, b.dtype)
        if dtype is None:
            raise _undefined("MATMUL", [a.dtype, b.dtype])
        leading = broadcast_shape(a.shape[:-2], b.shape[:-2])
        tensor_type = checked_type(dtype, (*leading, a.shape[-2], b.shape[-1]))
        return self._emit(lambda ids: MatMul((ids[0], ids[1]), tensor_type), (a, b))

    def reduce(
        self, function: Reduction, value: Value, inner: int, length: int, shape: Sequence[int]
    ) -> Value:
        """The value viewed as (outer, length, inner), reduced over length, with result `shape`."""
        dtype = signatures.REDUCTIONS[function].result_of([value.dtype])
        if dtype is None and value.dtype in signatures.STORAGE:
            wide = self.reduce(function, self.widened(value), inner, length, shape)
            return wide if wide.dtype is DType.I64 else self.cast(wide, value.dtype)
        if dtype is None:
            raise _undefined(f"REDUCE {function.name}", [value.dtype])
        if not length and function not in signatures.REDUCES_NOTHING:
            raise Malformed(f"{function.name} of no elements has no value")
        tensor_type = checked_type(dtype, tuple(shape))
        outer = tensor_type.elements // inner if inner else 0
        return self._emit(
            lambda ids: Reduce(function, (ids[0],), tensor_type, outer, length, inner),
            (self._unreshaped(value),),
        )

    def move(
        self,
        value: Value,
        shape: Sequence[int],
        *,
        source: Sequence[int],
        axes: Sequence[int],
        steps: Sequence[int] | None = None,
        origins: Sequence[int] | None = None,
        fill: int = 0,
    ) -> Value:
        """See `isa.Move`; `steps` default to 1 (0 for a broadcast), `origins` to 0."""
        tensor_type = checked_type(value.dtype, tuple(shape))
        if steps is None:
            steps = [0 if axis < 0 else 1 for axis in axes]
        if origins is None:
            origins = [0] * len(source)
        fill = _canonical(value.dtype, fill)
        walked = sum(
            max(size, 1) * abs(step) for size, step in zip(tensor_type.shape, steps, strict=True)
        )
        if walked + sum(map(abs, origins)) > MAX_REACH:
            raise Malformed(f"it reaches for elements further away than {MAX_REACH}")
        view = (tuple(source), tuple(axes), tuple(steps), tuple(origins))
        if value.shape == tensor_type.shape and _is_identity(view, tensor_type.shape):
            return value
        return self._emit(
            lambda ids: Move((ids[0],), tensor_type, *view, fill), (self._unreshaped(value),)
        )

    def gather(self, data: Value, index: Value, axis: int) -> Value:
        """Rows of `data` along `axis`, named by an I32 or I64 index of any shape."""
        shape = (*data.shape[:axis], *index.shape, *data.shape[axis + 1 :])
        tensor_type = checked_type(data.dtype, shape)
        if index.dtype not in signatures.INDEX_DTYPES:
            raise _undefined("an index", [index.dtype])
        if not data.shape[axis] and tensor_type.elements:
            raise Malformed(f"nothing can be gathered from axis {axis} of shape {data.shape}")
        outer, size, inner = prod(data.shape[:axis]), data.shape[axis], prod(data.shape[axis + 1 :])
        index = self._without_faults(index, size)
        return self._emit(
            lambda ids: Gather((ids[0], ids[1]), tensor_type, outer, size, inner),
            (self._unreshaped(data), self._unreshaped(index)),
        )

    def scatter(
        self, function: Scattering, data: Value, index: Value, updates: Value, axis: int
    ) -> Value:
        """`data` with rows of `updates` worked in along `axis`; the index may have any shape.

        Shape of the updates: that of `gather` with the same data, index and axis.
        """
        if index.dtype not in signatures.INDEX_DTYPES:
            raise _undefined("an index", [index.dtype])
        dtypes = {data.dtype, updates.dtype}
        if len(dtypes) > 1 or not dtypes <= signatures.SCATTERINGS[function]:
            raise _undefined(f"SCATTER {function.name}", [data.dtype, updates.dtype])
        expected = (*data.shape[:axis], *index.shape, *data.shape[axis + 1 :])
        if updates.shape != expected:
            raise Malformed(f"the updates have shape {updates.shape}, it must be {expected}")
        if not data.shape[axis] and updates.type.elements:
            raise Malformed(f"nothing can be scattered to axis {axis} of shape {data.shape}")
        outer, size, inner = prod(data.shape[:axis]), data.shape[axis], prod(data.shape[axis + 1 :])
        return self._emit(
            lambda ids: Scatter(function, (ids[0], ids[1], ids[2]), data.type, outer, size, inner),
            (self._unreshaped(data), self._unreshaped(index), self._unreshaped(updates)),
        )

    def rank(self, value: Value, axis: int, *, descending: bool) -> Value:
        """The place of every element in the sorted order of its line along `axis`, as I64."""
        if value.dtype in signatures.STORAGE:
            value = self.widened(value)
        if value.dtype not in signatures.NUMBERS:
            raise _undefined("an order", [value.dtype])
        tensor_type = TensorType(DType.I64, value.shape)
        shape = value.shape
        outer, length, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
        return self._emit(
            lambda ids: Rank((ids[0],), tensor_type, outer, length, inner, descending),
            (self._unreshaped(value),),
        )

    def random(self, seed: Value, shape: Sequence[int]) -> Value:
        """Random U32 words of a U64 seed (key, stream) of shape (2,)."""
        if seed.type != TensorType(DType.U64, (2,)):
            raise _undefined("a random seed", [seed.dtype])
        tensor_type = checked_type(DType.U32, tuple(shape))
        return self._emit(lambda ids: Random((ids[0],), tensor_type), (seed,))

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        """2 to 4 values joined along `axis`; all other dimensions must agree."""
        if len({value.dtype for value in values}) > 1:
            raise _undefined("CONCAT", [value.dtype for value in values])
        first = values[0].shape
        lengths = tuple(value.shape[axis] for value in values)
        shape = (*first[:axis], sum(lengths), *first[axis + 1 :])
        tensor_type = checked_type(values[0].dtype, shape)
        outer, inner = prod(first[:axis]), prod(first[axis + 1 :])
        return self._emit(
            lambda ids: Concat(ids, tensor_type, outer, lengths, inner),
            [self._unreshaped(value) for value in values],
        )

    def cast(self, value: Value, dtype: DType) -> Value:
        """The elements as another dtype; F16 and BF16 are reached by way of F32."""
        if value.dtype is dtype:
            return value
        if not signatures.can_cast(value.dtype, dtype):
            return self.cast(self.cast(value, DType.F32), dtype)
        tensor_type = TensorType(dtype, value.shape)
        return self._emit(lambda ids: Cast((ids[0],), tensor_type), (value,))

    def iota(
        self, dtype: DType, shape: Sequence[int], axis: int, *, start: int = 0, step: int = 1
    ) -> Value:
        """start + step * (index on `axis`), of dtype I32 or I64."""
        tensor_type = checked_type(dtype, tuple(shape))
        length, inner = shape[axis], prod(shape[axis + 1 :])
        return self._emit(lambda _: Iota(tensor_type, length, inner, start, step), ())

    def fill(self, tensor_type: TensorType, bits: int) -> Value:
        """Every element has the given bit pattern (a NaN becomes the canonical one)."""
        bits = _canonical(tensor_type.dtype, bits)
        return self._emit(lambda _: Fill(tensor_type, bits), ())

    # --- small combinations that every rule file needs ------------------------------------------

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """The same elements under another shape."""
        if prod(shape) != value.type.elements:
            raise Malformed(f"a tensor of shape {value.shape} cannot take shape {tuple(shape)}")
        if value.array is not None:
            return Value(checked_type(value.dtype, tuple(shape)), array=value.array.reshape(shape))
        return self.move(value, shape, source=shape, axes=range(len(shape)))

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Dimension d of the result is dimension order[d] of the value."""
        shape = [value.shape[axis] for axis in order]
        return self.move(value, shape, source=value.shape, axes=order)

    def broadcast(self, value: Value, shape: Sequence[int]) -> Value:
        """The value repeated as numpy broadcasting does."""
        added = len(shape) - value.rank
        axes = [-1] * added + [
            axis if size == wanted else -1
            for axis, (size, wanted) in enumerate(zip(value.shape, shape[added:], strict=True))
        ]
        return self.move(value, shape, source=value.shape, axes=axes)

    def widened(self, value: Value) -> Value:
        """F16 and BF16 as F32, exactly; other values as they are."""
        return self.cast(value, DType.F32) if value.dtype in signatures.STORAGE else value

    def result(self, value: Value) -> Value:
        """The value as an output of the program: inputs and constants are copied."""
        if value.index is not None and not isinstance(
            self.entries[value.index], InputEntry | ConstantEntry
        ):
            return value
        operand = self.index_of(value)
        rank = value.rank
        axes, ones, zeros = tuple(range(rank)), (1,) * rank, (0,) * rank
        return self._shared(Move((operand,), value.type, value.shape, axes, ones, zeros))

    # --- inside -----------------------------------------------------------------------------------

    def _without_faults(self, index: Value, size: int) -> Value:
        """The index, or 0 where the guard does not hold."""
        if self._guard is None:
            return index
        known = index.array
        if known is not None and (not known.size or -size <= known.min() <= known.max() < size):
            return index
        return self.map(Function.SELECT, self._guard, index, self.scalar(0, index.dtype))

    def _as_scalar(self, value: Value, shape: tuple[int, ...], operands: Sequence[Value]) -> Value:
        """A known single element as rank 0, where the other operands make the shape without it."""
        if value.array is None or value.array.size != 1 or not value.rank:
            return value
        others = [other.shape for other in operands if other is not value]
        return self.reshape(value, ()) if broadcast_shape(*others) == shape else value

    def _unreshaped(self, value: Value) -> Value:
        """The tensor under a plain reshape: families that view their operand need no reshape."""
        entry = self.entries[value.index] if value.index is not None else None
        if isinstance(entry, Move):
            view = (entry.source, entry.axes, entry.steps, entry.origins)
            if _is_identity(view, entry.type.shape):
                operand = entry.operands[0]
                return Value(self.entries[operand].type, index=operand)
        return value

    def _emit(self, make: _Maker, operands: Sequence[Value]) -> Value:
        folded = self._folded(make, operands)
        if folded is not None:
            return folded
        return self._shared(make(tuple(self.index_of(value) for value in operands)))

    def _shared(self, instruction: Instruction) -> Value:
        """The instruction's result; equal instructions are one."""
        known = self._instructions.get(instruction)
        if known is None:
            if len(self.entries) >= MAX_INSTRUCTIONS:
                raise Unsupported(f"the program would have over {MAX_INSTRUCTIONS} instructions")
            self.entries.append(instruction)
            known = Value(instruction.type, index=len(self.entries) - 1)
            self._instructions[instruction] = known
        return known

    def _folded(self, make: _Maker, operands: Sequence[Value]) -> Value | None:
        arrays = [value.array for value in operands if value.array is not None]
        if len(arrays) != len(operands):
            return None
        instruction = make(tuple(range(len(operands))))
        size = instruction.type.size_bytes
        large = size > SMALL_BYTES
        if large and size > min(
            self._budget_bytes, sum(value.type.size_bytes for value in operands)
        ):
            return None
        array = evaluate(instruction, [value.type for value in operands], arrays)
        if array is None:
            return None
        self._budget_bytes -= size if large else 0
        return Value(instruction.type, array=array)


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape under numpy's rules; raises Malformed if there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(shape) for shape in shapes)
        raise Malformed(f"shapes {listed} do not broadcast together") from None


def _canonical(dtype: DType, bits: int) -> int:
    """No result holds another NaN than the canonical one."""
    if dtype.is_float and is_nan(FORMAT_OF[dtype], bits):
        return FORMAT_OF[dtype].canonical_nan
    return bits


def _undefined(what: str, dtypes: Sequence[DType]) -> Unsupported:
    given = ", ".join(dtype.name for dtype in dtypes)
    return Unsupported(f"{what} is not defined for ({given})", change="Cast the operands.")


_View = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _is_identity(view: _View, shape: tuple[int, ...]) -> bool:
    """True for a move that changes nothing but the shape's name."""
    source, axes, steps, origins = view
    return (
        source == shape
        and axes == tuple(range(len(shape)))
        and all(step == 1 for step in steps)
        and not any(origins)
    )

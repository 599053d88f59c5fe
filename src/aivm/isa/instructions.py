"""The instruction families of a tensor program, as immutable values.

Operands are *value ids*: inputs come first (0, 1, ...), then constants, then the results of the
instructions in order. Every instruction produces exactly one tensor. Shapes are static.
A tensor is always dense and row-major, so "viewed as (a, b, c)" below costs nothing.

No result holds another NaN than the canonical one, whatever the instruction; NaNs of inputs and
constants are read as the canonical one. So an engine may replace those once, at its door: from
there on, moving elements is copying bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.numerics.dtypes import DType

MAX_RANK = 8
MAX_OPERANDS = 4


@dataclass(frozen=True, slots=True)
class TensorType:
    """Dtype and static shape of a tensor: at most MAX_RANK dimensions, any of which may be 0."""

    dtype: DType
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.elements * self.dtype.size_bytes


@dataclass(frozen=True, slots=True)
class Map:
    """result[i] = function(operand[i], ...), each operand broadcast to the result as numpy does.

    `isa.signatures` has the arity and the dtypes of each function.
    """

    function: Function
    operands: tuple[int, ...]
    type: TensorType


@dataclass(frozen=True, slots=True)
class MatMul:
    """result[..., m, n] = chain over k, ascending from +0, of fma(a[..., m, k], b[..., k, n], acc).

    F32; or each operand I8 or U8 and the result I32: exact products and a wrapping sum, so that
    any order gives the same bits. `transpose_a` says that a is stored [..., k, m], `transpose_b`
    that b is [..., n, k]. Leading dimensions broadcast to the result's. Operands and result have
    rank 2 or more.
    """

    operands: tuple[int, int]
    type: TensorType
    transpose_a: bool = False
    transpose_b: bool = False


@dataclass(frozen=True, slots=True)
class Reduce:
    """The operand, viewed as (outer, length, inner), reduced over `length` to (outer, inner).

    `type.shape` may be any shape with outer * inner elements. F32 SUM uses the 16-lane order of
    numerics 1; every other reduction is one ascending chain. SUM and PROD keep the operand's dtype
    (integers wrap) and have a value for length 0; ARG_MAX and ARG_MIN point at the first NaN if
    there is one.
    """

    function: Reduction
    operands: tuple[int]
    type: TensorType
    outer: int
    length: int
    inner: int


@dataclass(frozen=True, slots=True)
class Move:
    """Copies elements: transpose, slice, flip, expand, reshape, pad and windows are one family.

    The operand is viewed with shape `source` (same number of elements). Result dimension d walks
    along source axis `axes[d]` (-1: along none, a broadcast) by `steps[d]` per index, so the source
    coordinate on axis a is `origins[a] + sum(index[d] * steps[d] for d with axes[d] == a)`.
    Where any coordinate lies outside [0, source[a]) the result is `fill` (a bit pattern).
    A dimension that walks along no axis has step 0.
    """

    operands: tuple[int]
    type: TensorType
    source: tuple[int, ...]
    axes: tuple[int, ...]
    steps: tuple[int, ...]
    origins: tuple[int, ...]
    fill: int = 0


@dataclass(frozen=True, slots=True)
class Gather:
    """result[o, j, i] = data[o, index[j], i]; data viewed as (outer, size, inner), index flattened.

    Operands are (data, index); index is I32 or I64, a negative index counts from the end. An index
    outside [-size, size) is zero bits *and a fault*: engines raise InvalidIndex and give nothing.
    """

    operands: tuple[int, int]
    type: TensorType
    outer: int
    size: int
    inner: int


@dataclass(frozen=True, slots=True)
class Concat:
    """2 to 4 operands, each viewed as (outer, length, inner), joined along the middle axis.

    `lengths[t]` is operand t's middle axis; the result is (outer, sum(lengths), inner).
    """

    operands: tuple[int, ...]
    type: TensorType
    outer: int
    lengths: tuple[int, ...]
    inner: int


@dataclass(frozen=True, slots=True)
class Cast:
    """Each element converted to `type.dtype` by the conversion rules of numerics 1; same shape."""

    operands: tuple[int]
    type: TensorType


@dataclass(frozen=True, slots=True)
class Iota:
    """result viewed as (outer, length, inner): start + step * index on the middle axis.

    I32 or I64, wrapping.
    """

    type: TensorType
    length: int
    inner: int
    start: int
    step: int
    operands: tuple[()] = ()


@dataclass(frozen=True, slots=True)
class Fill:
    """Every element has the bit pattern `bits`."""

    type: TensorType
    bits: int
    operands: tuple[()] = ()


@dataclass(frozen=True, slots=True)
class Scatter:
    """Data with updates worked in; data viewed as (outer, size, inner), index flattened.

    For j ascending, `result[o, index[j], i]` becomes f(`result[o, index[j], i]`, update[o, j, i]).
    Operands are (data, index, updates); the updates are viewed as (outer, elements of the index,
    inner). The index is I32 or I64, a negative one counts from the end; outside [-size, size) it is
    passed over *and a fault*, as in a GATHER.
    """

    function: Scattering
    operands: tuple[int, int, int]
    type: TensorType
    outer: int
    size: int
    inner: int


@dataclass(frozen=True, slots=True)
class Rank:
    """The place of every element when its line is sorted; operand viewed as (outer, length, inner).

    `result[o, k, i]`, I64, counts the elements of the line (o, :, i) that come before element k:
    the smaller ones (`descending`: the greater ones), and the earlier ones among equals. A NaN is
    greater than every number and equal to any other NaN. Each line of ranks is a permutation, so a
    SCATTER of an IOTA by them is the sorting order.
    """

    operands: tuple[int]
    type: TensorType
    outer: int
    length: int
    inner: int
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Random:
    """Element j is word j mod 4 of block j div 4 of Philox 4x32-10; U32.

    The operand is U64 of shape (2,): the key, and the stream. See `aivm.numerics.philox`.
    """

    operands: tuple[int]
    type: TensorType


Instruction = (
    Map | MatMul | Reduce | Move | Gather | Concat | Cast | Iota | Fill | Scatter | Rank | Random
)

"""Matrix products as steps: of f32, and of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from aivm.engines.plan.graph import Node
from aivm.engines.plan.tape import Address, Kind, Step, Word, padded
from aivm.engines.plan.views import Shape, View, broadcast, dense_strides, merged_axes
from aivm.isa.instructions import MatMul
from aivm.numerics.dtypes import DType

Axis = tuple[int, tuple[int, ...]]  # size, and stride of A, B and C


@dataclass(frozen=True, slots=True)
class Target:
    """What the planner must know of the compiled kernels."""

    panel_columns: int  # aivm_panel_columns
    matmul_scratch_bytes: int  # aivm_matmul_scratch_bytes
    bytes_group: int  # aivm_bytes_group
    bytes_scratch_rows: int  # aivm_bytes_scratch_rows
    workers: int = 1  # that share a run

    def packed_words(self, k: int, n: int) -> int:
        """32-bit words of a packed f32 matrix of (k, n)."""
        return self._columns(n) * k

    def packed_byte_words(self, k: int, n: int) -> int:
        """32-bit words of a packed matrix of bytes of (k, n): gemm_bytes.h."""
        return self._columns(n) * (1 + self._groups(k))

    def byte_scratch_bytes(self, k: int) -> int:
        """Scratch of a worker of a product of bytes: `bytes_run` of gemm_bytes.h."""
        rows = self.bytes_scratch_rows * (1 + self._groups(k))
        return 4 * (8 * self.panel_columns + rows)

    def _columns(self, n: int) -> int:
        return -(-n // self.panel_columns) * self.panel_columns

    def _groups(self, k: int) -> int:
        return -(-k // self.bytes_group)


@dataclass(frozen=True, slots=True)
class Operand:
    """A stack of matrices as a product reads them: strides in elements, one a batch axis."""

    view: View
    row: int
    column: int
    batch: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """The geometry of a MATMUL: (m, k) by (k, n), over the axes of `batch`."""

    a: Operand
    b: Operand
    batch: Shape
    m: int
    n: int
    k: int

    @staticmethod
    def of(node: Node) -> Product:
        work, shape = node.work, node.type.shape
        assert isinstance(work, MatMul)
        a, b = node.operands
        depth = a.shape[-2] if work.transpose_a else a.shape[-1]
        batch = shape[:-2]
        first = _operand(a, batch, work.transpose_a)
        second = _operand(b, batch, work.transpose_b)
        return Product(first, second, batch, shape[-2], shape[-1], depth)

    def axes(self, b_batch: tuple[int, ...]) -> list[Axis]:
        """Those of the batch and of the rows of C, walked together: where the strides allow, a
        batch of products with one B is a single product with more rows."""
        result = dense_strides((*self.batch, self.m, self.n))[:-1]
        strides = ((*self.a.batch, self.a.row), (*b_batch, 0), result)
        return merged_axes((*self.batch, self.m), strides)

    def walk(self, b_batch: tuple[int, ...]) -> tuple[list[Word], list[Word]]:
        """(rows, stride of A's rows, stride of C's rows) and the axes of the batch, as words."""
        axes = self.axes(b_batch)
        is_one = axes[-1][1][1] == 0
        rows, (row_a, _, row_c) = axes.pop() if is_one else (1, (0, 0, self.n))
        words: list[Word] = [len(axes), *padded([size for size, _ in axes], fill=1)]
        for operand in range(3):
            words += padded([steps[operand] for _, steps in axes])
        return [rows, row_a, row_c], words


@dataclass(frozen=True, slots=True)
class Packing:
    """A step that packs the matrices of B: what it writes, and how much."""

    step: Step
    words: int  # of 32 bits, in all
    strides: tuple[int, ...]  # between packed matrices, in words, one a batch axis


def _operand(view: View, batch: Shape, transposed: bool) -> Operand:
    """Rows and columns as they take part in the product."""
    rows, columns = view.strides[-2:]
    outer = broadcast(View(view.value, 0, view.shape[:-2], view.strides[:-2]), batch)
    row, column = (columns, rows) if transposed else (rows, columns)
    return Operand(view, row, column, outer.strides)


def packing(
    product: Product,
    kind: Kind,
    position: int,
    to: Address,
    source: list[Word],
    matrix_words: int,
) -> Packing:
    """Packs every different matrix of B once, one after another.

    `source` holds the words of the step between the address of the result and the batch.
    """
    batch, steps = product.batch, product.b.batch
    kept = [axis for axis, stride in enumerate(steps) if stride != 0 and batch[axis] > 1]
    sizes = tuple(batch[axis] for axis in kept)
    words: list[Word] = [to, *source, len(kept), *padded(sizes, fill=1)]
    words += padded([steps[axis] for axis in kept])
    strides = [0] * len(batch)
    for axis, stride in zip(kept, dense_strides(sizes), strict=True):
        strides[axis] = stride * matrix_words
    return Packing(Step(kind, position, tuple(words)), prod(sizes) * matrix_words, tuple(strides))


def is_signed(dtype: DType) -> int:
    """1 for I8, 0 for U8: a word of a step."""
    return int(dtype is DType.I8)

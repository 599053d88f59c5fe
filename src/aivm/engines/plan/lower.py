"""Third pass: groups to steps, in order, over buffers that have no place yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from aivm.engines.plan.graph import Copy, Graph, Node
from aivm.engines.plan.groups import Group
from aivm.engines.plan.rows import RowsBuilder, RowsContext
from aivm.engines.plan.tape import Address, Kind, Step, Word, padded
from aivm.engines.plan.views import (
    View,
    broadcast,
    dense_strides,
    dense_view,
    merged_axes,
)
from aivm.isa.instructions import (
    Concat,
    Gather,
    Iota,
    MatMul,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Reduction
from aivm.numerics.dtypes import DType

RANK_SCRATCH_BYTES = 2 * 16  # an element: two entries of rank.c
REDUCE_SCRATCH_BYTES = 16 * 256 * 4  # the 16 lanes of one block of columns, reduce.c


@dataclass(frozen=True, slots=True)
class Target:
    """What the planner must know of the compiled kernels."""

    panel_columns: int  # aivm_panel_columns
    matmul_scratch_bytes: int  # aivm_matmul_scratch_bytes


@dataclass(slots=True)
class Lowering:
    """Lowers groups one by one. Buffer b holds value b; copies and packed weights are values."""

    graph: Graph
    target: Target
    shared: set[int]  # values that somebody outside their group reads
    hoist: bool  # whether what depends on constants only is done once, in `setup`
    buffer_bytes: list[int] = field(default_factory=list)
    setup: list[Step] = field(default_factory=list)  # done once, when the program is loaded
    steps: list[Step] = field(default_factory=list)
    static: set[int] = field(default_factory=set)  # values that never change
    packed: dict[tuple[object, ...], int] = field(default_factory=dict)
    copies: dict[View, View] = field(default_factory=dict)
    out: list[Step] = field(default_factory=list)  # setup or steps: where the current group goes

    def __post_init__(self) -> None:
        self.buffer_bytes = [type_.size_bytes for type_ in self.graph.types]

    def lower(self, group: Group) -> None:
        """Appends the steps of a group."""
        nodes = [self.graph.nodes[index] for index in group.members]
        hoisted = self.hoist and group.static
        self.out = self.setup if hoisted else self.steps
        if hoisted:
            self.static.update(node.value for node in nodes)
        if group.space is not None:
            self.rows(nodes, group)
        elif nodes[0].type.elements > 0:
            _FAMILIES[type(nodes[0].work)](self, nodes[0])

    def emit(self, kind: Kind, node: Node, words: list[Word], scratch_bytes: int = 0) -> None:
        self.out.append(Step(kind, node.position, tuple(words), scratch_bytes))

    def dtype(self, value: int) -> DType:
        return self.graph.types[value].dtype

    def address(self, view: View) -> Address:
        return Address(view.value, view.offset * self.dtype(view.value).size_bytes)

    # --- families -------------------------------------------------------------------------------

    def rows(self, nodes: list[Node], group: Group) -> None:
        def stored(value: int) -> Address | None:
            return Address(value) if value in self.shared else None

        context = RowsContext(self.address, self.copied, stored, self.dtype)
        self.out.append(RowsBuilder(nodes, group, context).build(nodes[-1].position))

    def copied(self, view: View, position: int) -> View:
        """A dense copy of a view, made where the current group begins."""
        if view not in self.copies:
            type_ = TensorType(self.dtype(view.value), view.shape)
            value = self.graph.add_value(type_)
            self.buffer_bytes.append(type_.size_bytes)
            copy = Node(value, type_, Copy(), (view,), position)
            group_steps = self.out
            if self.hoist and view.value in self.static:
                self.out = self.setup
                self.static.add(value)
            self.copy_view(copy, view, Address(value), dense_strides(view.shape))
            self.out = group_steps
            self.copies[view] = dense_view(value, view.shape)
        return self.copies[view]

    def copy(self, node: Node) -> None:
        self.copy_view(node, node.operands[0], Address(node.value), dense_strides(node.type.shape))

    def copy_view(
        self, node: Node, view: View, target: Address, target_strides: tuple[int, ...]
    ) -> None:
        if view.elements == 0:
            return
        size = node.type.dtype.size_bytes
        axes = merged_axes(view.shape, (target_strides, view.strides))
        sizes = [length for length, _ in axes]
        to, of = ([steps[side] * size for _, steps in axes] for side in (0, 1))
        words: list[Word] = [size, target, self.address(view), len(axes)]
        self.emit(Kind.COPY, node, [*words, *padded(sizes, fill=1), *padded(to), *padded(of)])

    def concat(self, node: Node) -> None:
        assert isinstance(node.work, Concat)
        outer, lengths, inner = node.work.outer, node.work.lengths, node.work.inner
        strides = (sum(lengths) * inner, inner, 1)
        first = 0
        for view, length in zip(node.operands, lengths, strict=True):
            offset = first * inner * node.type.dtype.size_bytes
            assert view.shape == (outer, length, inner)
            self.copy_view(node, view, Address(node.value, offset), strides)
            first += length

    def move(self, node: Node) -> None:
        move, source = node.work, node.operands[0]
        assert isinstance(move, Move)
        size = node.type.dtype.size_bytes
        shape, axes, steps = move.type.shape, move.axes, move.steps
        if not shape:
            shape, axes, steps = (1,), (-1,), (0,)
        words: list[Word] = [size, Address(node.value), self.address(source), move.fill]
        words += [len(shape), *padded(shape, fill=1), *padded(axes, fill=-1), *padded(steps)]
        words += [len(move.source), *padded(move.source, fill=1), *padded(move.origins)]
        words += padded([stride * size for stride in source.strides])
        self.emit(Kind.MOVE, node, words)

    def gather(self, node: Node) -> None:
        work, (data, index) = node.work, node.operands
        assert isinstance(work, Gather)
        index_bytes = self.dtype(index.value).size_bytes
        words: list[Word] = [Address(node.value), self.address(data), self.address(index)]
        words += [index_bytes, work.outer, work.size, index.elements]
        words.append(work.inner * node.type.dtype.size_bytes)
        self.emit(Kind.GATHER, node, words)

    def iota(self, node: Node) -> None:
        work = node.work
        assert isinstance(work, Iota)
        outer = node.type.elements // (work.length * work.inner)
        words: list[Word] = [Address(node.value), node.type.dtype.size_bytes]
        words += [outer, work.length, work.inner, work.start, work.step]
        self.emit(Kind.IOTA, node, words)

    def scatter(self, node: Node) -> None:
        work, (data, index, updates) = node.work, node.operands
        assert isinstance(work, Scatter)
        self.copy_view(node, data, Address(node.value), dense_strides(data.shape))
        words: list[Word] = [work.function, node.type.dtype, Address(node.value)]
        words += [self.address(index), self.dtype(index.value).size_bytes, self.address(updates)]
        words += [work.outer, work.size, index.elements, work.inner]
        self.emit(Kind.SCATTER, node, words)

    def rank(self, node: Node) -> None:
        work, (operand,) = node.work, node.operands
        assert isinstance(work, Rank)
        words: list[Word] = [self.dtype(operand.value), int(work.descending)]
        words += [Address(node.value), self.address(operand), work.outer, work.length, work.inner]
        self.emit(Kind.RANK, node, words, RANK_SCRATCH_BYTES * work.length)

    def random(self, node: Node) -> None:
        (seed,) = node.operands
        words: list[Word] = [Address(node.value), self.address(seed), node.type.elements]
        self.emit(Kind.RANDOM, node, words)

    def reduce(self, node: Node) -> None:
        """What is no row work: an inner axis, or nothing to reduce."""
        work, (operand,) = node.work, node.operands
        assert isinstance(work, Reduce)
        dtype = self.dtype(operand.value)
        size = dtype.size_bytes
        outer_step, length_step, _ = (stride * size for stride in operand.strides)
        words: list[Word] = [work.function, dtype, Address(node.value), self.address(operand)]
        words += [work.outer, work.length, work.inner, outer_step, length_step]
        lanes = work.function is Reduction.SUM and dtype is DType.F32
        self.emit(Kind.REDUCE, node, words, REDUCE_SCRATCH_BYTES if lanes else 0)

    def matmul(self, node: Node) -> None:
        work, shape = node.work, node.type.shape
        assert isinstance(work, MatMul)
        a, b = node.operands
        batch, (m, n) = shape[:-2], shape[-2:]
        a_row, a_col = _matrix_strides(a, work.transpose_a)
        b_row, b_col = _matrix_strides(b, work.transpose_b)
        k = a.shape[-2] if work.transpose_a else a.shape[-1]
        if k == 0:
            zero = self.copied_literal(node)
            self.copy_view(node, zero, Address(node.value), dense_strides(shape))
            return
        a_batch = broadcast(View(a.value, 0, a.shape[:-2], a.strides[:-2]), batch).strides
        b_batch = broadcast(View(b.value, 0, b.shape[:-2], b.strides[:-2]), batch).strides
        if node.type.dtype is DType.I32:
            self.matmul_bytes(
                node, batch, (m, n, k), (a_row, a_col, b_row, b_col), a_batch, b_batch
            )
            return
        packed: Word = 0
        if b.value in self.static:
            packed, b_batch = self.pack(node, b, batch, b_batch, (k, n, b_row, b_col))
        # Rows of C and the axes of the batch are walked together: where the strides allow, a batch
        # of products with one B is a single product with more rows.
        strides = ((*a_batch, a_row), (*b_batch, 0), dense_strides(shape)[:-1])
        axes = merged_axes((*batch, m), strides)
        rows, (row_a, _, row_c) = axes.pop() if axes[-1][1][1] == 0 else (1, (0, 0, n))
        words: list[Word] = [rows, n, k, self.address(a), row_a, a_col]
        words += [packed, self.address(b) if packed == 0 else 0, b_row, b_col]
        words += [Address(node.value), row_c, len(axes)]
        words += padded([size for size, _ in axes], fill=1)
        for operand in range(3):
            words += padded([steps[operand] for _, steps in axes])
        self.emit(Kind.MATMUL, node, words, self.target.matmul_scratch_bytes)

    def matmul_bytes(
        self,
        node: Node,
        batch: tuple[int, ...],
        sizes: tuple[int, int, int],
        strides: tuple[int, int, int, int],
        a_batch: tuple[int, ...],
        b_batch: tuple[int, ...],
    ) -> None:
        a, b = node.operands
        m, n, k = sizes
        a_row, a_col, b_row, b_col = strides
        a_signed, b_signed = (int(self.dtype(view.value) is DType.I8) for view in (a, b))
        axes = merged_axes(batch, (a_batch, b_batch, dense_strides((*batch, m, n))[:-2]))
        words: list[Word] = [m, n, k, self.address(a), a_signed, a_row, a_col]
        words += [self.address(b), b_signed, b_row, b_col, Address(node.value), n, len(axes)]
        words += padded([size for size, _ in axes], fill=1)
        for operand in range(3):
            words += padded([steps[operand] for _, steps in axes])
        self.emit(Kind.MATMUL_BYTES, node, words)

    def copied_literal(self, node: Node) -> View:
        """Zero, in the shape of the node: a product over no terms."""
        view = self.graph.literal(node.type, 0)
        self.buffer_bytes.append(node.type.dtype.size_bytes)
        return view

    def pack(
        self,
        node: Node,
        b: View,
        batch: tuple[int, ...],
        b_batch: tuple[int, ...],
        matrix: tuple[int, int, int, int],
    ) -> tuple[Address, tuple[int, ...]]:
        """Packs a constant B once; its address and strides over the batch (in floats)."""
        k, n, b_row, b_col = matrix
        columns = self.target.panel_columns
        floats = -(-n // columns) * columns * k
        kept = [axis for axis, stride in enumerate(b_batch) if stride != 0 and batch[axis] > 1]
        sizes = [batch[axis] for axis in kept]
        key = (b.value, b.offset, *matrix, *sizes, *(b_batch[axis] for axis in kept))
        if key not in self.packed:
            self.packed[key] = len(self.buffer_bytes)
            self.graph.add_value(TensorType(DType.F32, (prod(sizes) * floats,)))
            self.buffer_bytes.append(prod(sizes) * floats * 4)
            words: list[Word] = [Address(self.packed[key]), self.address(b), b_row, b_col, k, n]
            words += [len(kept), *padded(sizes, fill=1)]
            words += padded([b_batch[axis] for axis in kept])
            self.setup.append(Step(Kind.PACK, node.position, tuple(words)))
        strides = [0] * len(batch)
        for axis, stride in zip(kept, dense_strides(tuple(sizes)), strict=True):
            strides[axis] = stride * floats
        return Address(self.packed[key]), tuple(strides)


def _matrix_strides(view: View, transposed: bool) -> tuple[int, int]:
    """Strides of the rows and columns as they take part in the product."""
    rows, columns = view.strides[-2:]
    return (columns, rows) if transposed else (rows, columns)


_FAMILIES: dict[type, Callable[[Lowering, Node], None]] = {
    Copy: Lowering.copy,
    Concat: Lowering.concat,
    Move: Lowering.move,
    Gather: Lowering.gather,
    Iota: Lowering.iota,
    Reduce: Lowering.reduce,
    MatMul: Lowering.matmul,
    Scatter: Lowering.scatter,
    Rank: Lowering.rank,
    Random: Lowering.random,
}

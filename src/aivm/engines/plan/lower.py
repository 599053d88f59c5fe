"""Third pass: groups to steps, in order, over buffers that have no place yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aivm.engines.plan.graph import Copy, Graph, Node
from aivm.engines.plan.groups import Group
from aivm.engines.plan.joining import MadeRows
from aivm.engines.plan.products import Axis, Product, Target, is_signed, packing
from aivm.engines.plan.rows import Offer, RowsBuilder, RowsContext
from aivm.engines.plan.slots import HandedOver
from aivm.engines.plan.tape import Address, Kind, Step, Word, padded
from aivm.engines.plan.taps import lower_frame, lower_product, lower_taps
from aivm.engines.plan.views import (
    View,
    broadcast,
    dense_strides,
    dense_view,
    merged_axes,
)
from aivm.engines.plan.windows import Frame, Taps, WindowProduct
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
    tables: dict[bytes, Address] = field(default_factory=dict)
    fillers: dict[tuple[DType, int], View] = field(default_factory=dict)
    readers: dict[int, set[int]] = field(default_factory=dict)  # groups that read a value
    in_place: dict[int, int] = field(default_factory=dict)  # values: whose buffers they take over
    made: MadeRows | None = None  # what the last step made, if it is rows

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

    def home(self, buffer: int) -> int:
        """The buffer itself, or the one that it takes over."""
        while buffer in self.in_place:
            buffer = self.in_place[buffer]
        return buffer

    def dtype(self, value: int) -> DType:
        return self.graph.types[value].dtype

    def address(self, view: View) -> Address:
        return Address(view.value, view.offset * self.dtype(view.value).size_bytes)

    # --- families -------------------------------------------------------------------------------

    def rows(self, nodes: list[Node], group: Group) -> None:
        def stored(value: int) -> Address | None:
            return Address(value) if value in self.shared else None

        made = self.made if self.made is not None and self.may_join(self.made, group) else None
        offer = None if made is None else Offer(made.value, made.rows, made.columns)

        def address(view: View) -> Address | HandedOver:
            if made is not None and builder.takes_over and view.value == made.value:
                return HandedOver(made.offset)
            return self.address(view)

        context = RowsContext(address, self.copied, stored, self.dtype, offer)
        builder = RowsBuilder(nodes, group, context)
        if made is None or not builder.takes_over:
            self.out.append(builder.build(nodes[-1].position))
            return
        self.out.pop()
        step = builder.build(nodes[-1].position)  # and copies of operands before it
        self.out += [made.joined(step.scratch_bytes), step]

    def may_join(self, made: MadeRows, group: Group) -> bool:
        """Whether the step just made could hand its rows over to the group and to nobody else."""
        enough = self.target.workers == 1 or made.blocks >= 2 * self.target.workers
        alone = self.readers.get(made.value) == {group.number}
        return enough and alone and bool(self.out) and self.out[-1] is made.step

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
        fill = move.fill - (move.fill >> 63 << 64)  # the same bits as a signed word of the tape
        words: list[Word] = [size, Address(node.value), self.address(source), fill]
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
        if self.may_take_over(node, data):
            self.in_place[node.value] = data.value
        else:
            self.copy_view(node, data, Address(node.value), dense_strides(data.shape))
        words: list[Word] = [work.function, node.type.dtype, Address(node.value)]
        words += [self.address(index), self.dtype(index.value).size_bytes, self.address(updates)]
        words += [work.outer, work.size, index.elements, work.inner]
        self.emit(Kind.SCATTER, node, words)

    def may_take_over(self, node: Node, data: View) -> bool:
        """Whether the node can write to all of an operand's buffer: nobody else ever reads it."""
        whole = data.is_dense and data.elements == self.graph.types[data.value].elements
        once = sum(view.value == data.value for view in node.operands) == 1
        alone = len(self.readers.get(data.value, ())) == 1
        return whole and once and alone and data.value not in self.static

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
        product = Product.of(node)
        if product.k == 0:
            zero = broadcast(self.filler(node.type.dtype, 0), node.type.shape)
            self.copy_view(node, zero, Address(node.value), dense_strides(node.type.shape))
        elif node.type.dtype is DType.I32:
            self.matmul_bytes(node, product)
        else:
            self.matmul_f32(node, product)

    def matmul_f32(self, node: Node, product: Product) -> None:
        b, b_batch = self.placed_b(node, product)
        self.emit_product(node, product, product.axes(b_batch), b, (product.a.column, 0))

    def placed_b(self, node: Node, product: Product) -> tuple[list[Word], tuple[int, ...]]:
        """The words of a MATMUL step that say where B is, and its strides over the batch; what is
        constant is packed."""
        b = product.b
        if b.view.value not in self.static:
            return [0, self.address(b.view), b.row, b.column], b.batch
        source: list[Word] = [self.address(b.view), b.row, b.column, product.k, product.n]
        size = self.target.packed_words(product.k, product.n)
        packed, b_batch = self.packed_b(node, product, Kind.PACK, source, size)
        return [packed, 0, b.row, b.column], b_batch

    def emit_product(
        self,
        node: Node,
        product: Product,
        axes: list[Axis],
        b: list[Word],
        columns: tuple[int, Word],
    ) -> None:
        """A MATMUL step. `columns` of A are so many elements apart, or where a table says."""
        n = product.n
        rows, (a_row, _, c_row) = axes.pop() if axes[-1][1][1] == 0 else (1, (0, 0, n))
        width = a_line = 0
        if axes and axes[-1][1][1] == 0 and axes[-1][1][2] == rows * c_row:
            width, (lines, (a_line, _, _)) = rows, axes.pop()
            rows = lines * width
        total, dense = rows, c_row == n
        for size, (_, _, c_step) in reversed(axes):
            dense = dense and c_step == total * n
            total *= size
        a_col, offsets = columns
        words: list[Word] = [rows, n, product.k, self.address(product.a.view), a_row, a_col]
        words += [width, a_line, offsets, *b, Address(node.value), c_row, len(axes)]
        words += padded([size for size, _ in axes], fill=1)
        for operand in range(3):
            words += padded([steps[operand] for _, steps in axes])
        made = (total, rows, width or 1, n) if dense else None
        self.emit_rows(Kind.MATMUL, node, words, made, self.target.matmul_scratch_bytes)

    def emit_rows(
        self,
        kind: Kind,
        node: Node,
        words: list[Word],
        made: tuple[int, int, int, int] | None,
        scratch_bytes: int,
    ) -> None:
        """A step that may be joined to one behind it. `made`: how many rows there are, in runs of
        how many, in lines of how many, of how many columns; None where they are not dense."""
        self.emit(kind, node, [0, 0, *words], scratch_bytes)
        self.made = None if made is None else MadeRows(self.out[-1], node.value, *made)

    def matmul_bytes(self, node: Node, product: Product) -> None:
        """B is always packed: once if it is constant, else in every run."""
        a, b = product.a, product.b
        a_signed, b_signed = (is_signed(self.dtype(side.view.value)) for side in (a, b))
        source: list[Word] = [self.address(b.view), a_signed, b_signed]
        source += [b.row, b.column, product.k, product.n]
        size = self.target.packed_byte_words(product.k, product.n)
        packed, b_batch = self.packed_b(node, product, Kind.PACK_BYTES, source, size)
        (rows, row_a, row_c), batch = product.walk(b_batch)
        words: list[Word] = [rows, product.n, product.k]
        words += [self.address(a.view), a_signed, row_a, a.column, packed, b_signed]
        words += [Address(node.value), row_c, *batch]
        scratch = self.target.byte_scratch_bytes(product.k)
        self.emit(Kind.MATMUL_BYTES, node, words, scratch)

    def filler(self, dtype: DType, bits: int) -> View:
        """One element, to be repeated."""
        key = (dtype, bits)
        if key not in self.fillers:
            self.fillers[key] = self.graph.literal(TensorType(dtype, ()), bits)
            self.buffer_bytes.append(dtype.size_bytes)
        return self.fillers[key]

    def packed_b(
        self, node: Node, product: Product, kind: Kind, source: list[Word], matrix_words: int
    ) -> tuple[Address, tuple[int, ...]]:
        """B packed, and its strides over the batch in words; what is constant only once."""
        key = (kind, *source, product.batch, product.b.batch)
        static = product.b.view.value in self.static
        buffer = self.packed.get(key) if static else None
        fresh = buffer is None
        to = Address(len(self.buffer_bytes) if buffer is None else buffer)
        pack = packing(product, kind, node.position, to, source, matrix_words)
        if fresh:
            self.graph.add_value(TensorType(DType.F32, (pack.words,)))
            self.buffer_bytes.append(4 * pack.words)
            (self.setup if static else self.out).append(pack.step)
        if static:
            self.packed[key] = to.buffer
        return to, pack.strides


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
    WindowProduct: lower_product,
    Taps: lower_taps,
    Frame: lower_frame,
}

"""From groups of nodes to launches, in order, over buffers that have no place yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from aivm.engines.cuda.expressions import C_TYPES, NARROW_LIMIT, WORD_TYPES, is_wide, walk
from aivm.engines.cuda.kernel import Kernel, Launch
from aivm.engines.cuda.products import WIDE_BYTES, GpuTarget, Operand, gpu_product
from aivm.engines.cuda.rows import (
    ACCUMULATORS,
    BLOCKS_MAX,
    POINTWISE_THREADS,
    RowsKernel,
    Surroundings,
)
from aivm.engines.plan.graph import Copy, Graph, Node
from aivm.engines.plan.groups import Group
from aivm.engines.plan.products import Operand as Matrices
from aivm.engines.plan.products import Product
from aivm.engines.plan.tape import Address, Word
from aivm.engines.plan.views import View, dense_strides
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
from aivm.isa.opcodes import Scattering
from aivm.numerics.dtypes import DType

# Fewer lines of a scatter than this are too few threads: then one thread an element searches.
SCATTER_LINES_MIN = 2048
SCATTERINGS = {
    Scattering.REPLACE: "Replace",
    Scattering.ADD: "Add",
    Scattering.MUL: "Mul",
    Scattering.MAX: "Greatest",
    Scattering.MIN: "Least",
}


@dataclass(slots=True)
class Lowering:
    """Lowers groups one by one. Buffer b holds value b; copies and the fault word are values."""

    graph: Graph
    target: GpuTarget
    shared: set[int]  # values that somebody outside their group reads
    hoist: bool  # whether what depends on constants only is done once, in `setup`
    setup: list[Launch] = field(default_factory=list)
    steps: list[Launch] = field(default_factory=list)
    static: set[int] = field(default_factory=set)  # values that never change
    packed: dict[View, View] = field(default_factory=dict)
    out: list[Launch] = field(default_factory=list)  # where the current group goes
    fault: int = -1

    def __post_init__(self) -> None:
        program = self.graph.program
        self.static = set(range(program.first_constant, program.first_instruction))
        self.static |= set(self.graph.literals)
        self.fault = self.graph.add_value(TensorType(DType.U64, (1,)))

    def lower(self, group: Group) -> None:
        """Appends the launches of a group."""
        nodes = [self.graph.nodes[index] for index in group.members]
        hoisted = self.hoist and group.static
        self.out = self.setup if hoisted else self.steps
        if hoisted:
            self.static.update(node.value for node in nodes)
        if group.space is not None:
            around = Surroundings(self.address, self.dtype, self.shared.__contains__)
            self.out.append(RowsKernel(nodes, group, around).launch())
        elif nodes[0].type.elements > 0:
            _FAMILIES[type(nodes[0].work)](self, nodes[0])

    def dtype(self, value: int) -> DType:
        return self.graph.types[value].dtype

    def address(self, view: View) -> Address:
        return Address(view.value, view.offset * self.dtype(view.value).size_bytes)

    def emit(self, family: str, body: str, results: int, words: Sequence[Word]) -> None:
        """A launch with a thread a result, of a kernel whose argument is `<family>_arguments`."""
        arguments = f"{family}_arguments"
        kernel = Kernel(family, POINTWISE_THREADS, 1, arguments, f"    {body}(a);\n")
        self.out.append(Launch(kernel, _blocks(results), tuple(words)))

    def emit_moving(self, family: str, body: str, results: int, words: Sequence[Address]) -> None:
        """As `emit`, of a generated kernel over addresses."""
        kernel = Kernel(family, POINTWISE_THREADS, 1, f"addresses<{len(words)}>", body)
        self.out.append(Launch(kernel, _blocks(results), tuple(words)))

    # --- families -------------------------------------------------------------------------------

    def copy(self, node: Node) -> None:
        (view,) = node.operands
        self.copy_view(view, Address(node.value), dense_strides(view.shape))

    def copy_view(self, view: View, target: Address, strides: tuple[int, ...]) -> None:
        """Copies all elements of a view to a target with these strides."""
        if view.elements == 0:
            return
        word = WORD_TYPES[self.dtype(view.value).size_bytes]
        wide = is_wide(view.shape, [view.strides, strides])
        to, of = (walk("f", view.shape, steps, wide=wide) for steps in (strides, view.strides))
        body = _loop(view.elements, wide, f"y[{to}] = x[{of}];", word)
        self.emit_moving("copy", body, view.elements, [target, self.address(view)])

    def concat(self, node: Node) -> None:
        assert isinstance(node.work, Concat)
        outer, lengths, inner = node.work.outer, node.work.lengths, node.work.inner
        strides = (sum(lengths) * inner, inner, 1)
        first = 0
        for view, length in zip(node.operands, lengths, strict=True):
            assert view.shape == (outer, length, inner)
            offset = first * inner * node.type.dtype.size_bytes
            self.copy_view(view, Address(node.value, offset), strides)
            first += length

    def move(self, node: Node) -> None:
        """A Move that pads: every coordinate is compared with its axis."""
        work, (source,) = node.work, node.operands
        assert isinstance(work, Move)
        shape = work.type.shape
        reach = [
            abs(origin) + sum(abs(step) * size for size, a, step in _dims(work) if a == axis)
            for axis, origin in enumerate(work.origins)
        ]
        wide = is_wide(shape, []) or is_wide(source.shape, [source.strides])
        wide = wide or max(reach, default=0) >= NARROW_LIMIT
        signed = "i64" if wide else "i32"
        inside, terms = ["true"], ["0"]
        lines = ""
        for axis, (size, stride) in enumerate(zip(source.shape, source.strides, strict=True)):
            steps = tuple(step if a == axis else 0 for _, a, step in _dims(work))
            coordinate = walk("f", shape, steps, wide=wide) if shape else "0"
            lines += f"        const {signed} c{axis} = {work.origins[axis]} + {coordinate};\n"
            inside.append(f"c{axis} >= 0 && c{axis} < {size}")
            terms.append(f"c{axis} * {stride}")
        word = WORD_TYPES[node.type.dtype.size_bytes]
        value = f"{' && '.join(inside)} ? x[{' + '.join(terms)}] : ({word}){work.fill}ull"
        body = _loop(node.type.elements, wide, f"y[f] = {value};", word, lines)
        self.emit_moving(
            "move", body, node.type.elements, [Address(node.value), self.address(source)]
        )

    def gather(self, node: Node) -> None:
        work, (data, index) = node.work, node.operands
        assert isinstance(work, Gather)
        word = WORD_TYPES[node.type.dtype.size_bytes]
        words: list[Word] = [Address(node.value), self.address(data), self.address(index)]
        words += [Address(self.fault), node.position]
        words += [work.outer, work.size, index.elements, work.inner]
        body = f"gather<{word}, {C_TYPES[self.dtype(index.value)]}>"
        self.emit("gather", body, node.type.elements, words)

    def iota(self, node: Node) -> None:
        work, total = node.work, node.type.elements
        assert isinstance(work, Iota)
        words: list[Word] = [
            Address(node.value),
            total,
            work.length,
            work.inner,
            work.start,
            work.step,
        ]
        self.emit("iota", f"iota<{C_TYPES[node.type.dtype]}>", total, words)

    def reduce(self, node: Node) -> None:
        """What is no row work: an inner axis, or nothing to reduce."""
        work, (operand,) = node.work, node.operands
        assert isinstance(work, Reduce)
        kind = C_TYPES[self.dtype(operand.value)]
        words: list[Word] = [Address(node.value), self.address(operand)]
        words += [work.outer, work.length, work.inner, *operand.strides]
        body = f"columns<{ACCUMULATORS[work.function]}<{kind}>, {kind}>"
        self.emit("columns", body, work.outer * work.inner, words)

    def matmul(self, node: Node) -> None:
        product = Product.of(node)
        if product.k == 0:
            zero = self.graph.literal(node.type, 0)
            self.static.add(zero.value)
            self.copy_view(zero, Address(node.value), dense_strides(node.type.shape))
            return
        dtypes = [self.dtype(view.value) for view in node.operands]
        b = product.b
        if dtypes[1] is not DType.F32 and b.view.value in self.static:
            b = self.packed_columns(product)
            product = replace(product, b=b)
        places = [self.address(product.a.view), self.address(b.view), Address(node.value)]
        self.out.append(gpu_product(product, dtypes, places, node.type).launch(self.target))

    def packed_columns(self, product: Product) -> Matrices:
        """A constant integer B with k contiguous and columns at multiples of 16 bytes: itself where
        it is so, else a copy made once."""
        b, batch = product.b, product.batch
        ready = Operand(self.address(b.view), DType.I8, b.column, b.row, b.batch)
        if ready.is_wide(along_depth=True):
            return b
        kept = (size if step else 1 for size, step in zip(batch, b.batch, strict=True))
        columns = View(
            b.view.value,
            b.view.offset,
            (*kept, product.n, product.k),
            (*b.batch, b.column, b.row),
        )
        if columns not in self.packed:
            depth = -(-product.k // WIDE_BYTES) * WIDE_BYTES
            shape = (*columns.shape[:-1], depth)
            value = self.graph.add_value(TensorType(self.dtype(b.view.value), shape))
            packed = View(value, 0, columns.shape, dense_strides(shape))
            group_launches, self.out = self.out, self.setup if self.hoist else self.out
            self.copy_view(columns, Address(value), packed.strides)
            self.out = group_launches
            self.packed[columns] = packed
        packed = self.packed[columns]
        *outer, column, row = packed.strides
        steps = (step if old else 0 for step, old in zip(outer, b.batch, strict=True))
        return Matrices(packed, row, column, tuple(steps))

    def scatter(self, node: Node) -> None:
        work, (data, index, updates) = node.work, node.operands
        assert isinstance(work, Scatter)
        replaces = work.function is Scattering.REPLACE
        kind = WORD_TYPES[node.type.dtype.size_bytes] if replaces else C_TYPES[node.type.dtype]
        words: list[Word] = [Address(node.value), *map(self.address, (data, index, updates))]
        words += [Address(self.fault), node.position]
        words += [work.outer, work.size, index.elements, work.inner]
        lines = work.outer * work.inner
        by_lines = lines >= SCATTER_LINES_MIN
        name = "scatter_lines" if by_lines else "scatter_elements"
        body = f"{name}<{SCATTERINGS[work.function]}, {kind}, {C_TYPES[self.dtype(index.value)]}>"
        self.emit("scatter", body, lines if by_lines else node.type.elements, words)

    def rank(self, node: Node) -> None:
        work, (operand,) = node.work, node.operands
        assert isinstance(work, Rank)
        words: list[Word] = [Address(node.value), self.address(operand)]
        words += [work.outer, work.length, work.inner]
        descending = "true" if work.descending else "false"
        body = f"rank<{descending}, {C_TYPES[self.dtype(operand.value)]}>"
        self.emit("rank", body, node.type.elements, words)

    def random(self, node: Node) -> None:
        words: list[Word] = [Address(node.value), self.address(node.operands[0])]
        words.append(node.type.elements)
        self.emit("random", "random_words", -(-node.type.elements // 4), words)


def _dims(move: Move) -> list[tuple[int, int, int]]:
    """(size, axis, step) of every dimension of the result."""
    return list(zip(move.type.shape, move.axes, move.steps, strict=True))


def _blocks(results: int) -> int:
    return max(1, min(-(-results // POINTWISE_THREADS), BLOCKS_MAX))


def _loop(results: int, wide: bool, line: str, word: str, before: str = "") -> str:
    """The body of a kernel from words `x` to words `y`: `line` for every result f."""
    u = "u64" if wide else "u32"
    text = f"    {word} *__restrict__ y = ({word} *)a.at[0];\n"
    text += f"    const {word} *__restrict__ x = (const {word} *)a.at[1];\n"
    text += f"    for ({u} f = ({u})first_index(); f < {results}u; f += ({u})index_step()) {{\n"
    return f"{text}{before}        {line}\n    }}\n"


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

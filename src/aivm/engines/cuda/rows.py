"""A group of elementwise functions and row reductions as one generated kernel.

Without a reduction, a thread computes an element of every member. With one, sixteen threads share a
row, which is as many as the order of an F32 sum has lanes. Between two reductions full rows are not
kept but computed again from the operands: the bits are the same, and memory is what costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod

from aivm.engines.cuda.expressions import C_TYPES, cast_of, function_of, is_wide, walk
from aivm.engines.cuda.kernel import Kernel, Launch
from aivm.engines.plan.graph import Node
from aivm.engines.plan.groups import Extent, Group
from aivm.engines.plan.tape import Address
from aivm.engines.plan.views import Shape, View, broadcast, strides_over, without_ones
from aivm.isa.instructions import Cast, Map, Reduce
from aivm.isa.opcodes import Reduction
from aivm.numerics.dtypes import DType

POINTWISE_THREADS = 256
ROW_THREADS = 64
LANES = 16  # threads of a row
BLOCKS_MAX = 1 << 16  # more do not make it faster: kernels loop

ACCUMULATORS = {
    Reduction.SUM: "Sum",
    Reduction.PROD: "Prod",
    Reduction.MAX: "Max",
    Reduction.MIN: "Min",
    Reduction.ARG_MAX: "ArgMax",
    Reduction.ARG_MIN: "ArgMin",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the kernel needs to know of the plan around it."""

    address: Callable[[View], Address]
    dtype: Callable[[int], DType]
    is_shared: Callable[[int], bool]  # whether anybody else reads the value


@dataclass(frozen=True, slots=True)
class Walk:
    """Where the elements of an operand from outside are: strides over `sizes`."""

    sizes: Shape
    strides: tuple[int, ...]


class RowsKernel:
    """Builds the launch of one group; `launch` is called once."""

    def __init__(self, nodes: Sequence[Node], group: Group, around: Surroundings) -> None:
        assert group.space is not None
        self.nodes = {node.value: node for node in nodes}
        self.group = group
        self.around = around
        self.space: Shape = group.space or (1,)
        self.split = len(self.space) if group.split is None else group.split
        self.rows = prod(self.space[: self.split])
        self.length = prod(self.space[self.split :])
        self.addresses: list[Address] = []
        self.pointers: list[str] = []
        walks = [
            self.walk_of(node, view)
            for node in nodes
            for view in node.operands
            if view.value not in self.nodes
        ]
        self.wide = any(is_wide(walk.sizes, [walk.strides]) for walk in walks)
        self.wide = self.wide or is_wide(self.space, [])
        self.unsigned = "u64" if self.wide else "u32"

    # --- operands -------------------------------------------------------------------------------

    def walk_of(self, node: Node, view: View) -> Walk:
        """How the group's space walks over an operand; a reduction may see it in another shape."""
        if isinstance(node.work, Reduce):
            shape = without_ones(view.shape)
            if shape == self.group.space:
                return Walk(self.space, strides_over(view, view.shape) or (0,))
            return Walk(view.shape, view.strides)
        strides = strides_over(broadcast(view, node.type.shape), node.type.shape)
        return Walk(self.space, strides + (0,) * (len(self.space) - len(strides)))

    def pointer(self, address: Address, dtype: DType, *, written: bool) -> str:
        """The name of a pointer to the elements at the address."""
        if address in self.addresses:
            return f"{'y' if written else 'x'}{self.addresses.index(address)}"
        number = len(self.addresses)
        self.addresses.append(address)
        kind = C_TYPES[dtype] if written else f"const {C_TYPES[dtype]}"
        name = f"{'y' if written else 'x'}{number}"
        self.pointers.append(f"    {kind} *__restrict__ {name} = ({kind} *)a.at[{number}];\n")
        return name

    def outside(self, node: Node, view: View, element: str | None) -> str:
        """An element of an operand from outside: of row `row`, and of that the element named."""
        name = self.pointer(self.around.address(view), self.around.dtype(view.value), written=False)
        way = self.walk_of(node, view)
        if way.sizes != self.space:
            flat = f"(row * ({self.unsigned}){self.length} + {element})"
            return f"{name}[{walk(flat, way.sizes, way.strides, wide=self.wide)}]"
        outer = walk("row", way.sizes[: self.split], way.strides[: self.split], wide=self.wide)
        if element is None or self.split == len(self.space):
            return f"{name}[{outer}]"
        inner = walk(element, way.sizes[self.split :], way.strides[self.split :], wide=self.wide)
        return f"{name}[{outer} + {inner}]"

    def operand(self, node: Node, view: View, element: str | None) -> str:
        return f"v{view.value}" if view.value in self.nodes else self.outside(node, view, element)

    # --- members --------------------------------------------------------------------------------

    def is_full(self, node: Node) -> bool:
        return self.group.extents[node.value] is Extent.FULL

    def definition(self, node: Node, element: str | None) -> str:
        """The variable of one member, at the place where all that it reads is known."""
        dtype = self.around.dtype(node.operands[-1].value)
        operands = [self.operand(node, view, element) for view in node.operands]
        match node.work:
            case Map(function=function):
                value = function_of(function, dtype, operands)
            case Cast():
                value = cast_of(dtype, node.type.dtype, operands[0])
            case _:
                raise AssertionError("a reduction is a loop of its own")
        return f"const {C_TYPES[node.type.dtype]} v{node.value} = {value};\n"

    def needed(self, wanted: Iterable[int]) -> list[Node]:
        """The full members on which the wanted ones depend, themselves included, in order."""
        found = {value for value in wanted if value in self.nodes}
        for value, node in reversed(self.nodes.items()):
            if value in found and not isinstance(node.work, Reduce):
                found.update(view.value for view in node.operands if view.value in self.nodes)
        return [node for value, node in self.nodes.items() if value in found and self.is_full(node)]

    def reduction(self, node: Node, work: Reduce) -> str:
        """A loop over the row, and the variable with its result, known to all sixteen threads."""
        (view,) = node.operands
        dtype = self.around.dtype(view.value)
        ordered = work.function is Reduction.PROD and dtype is DType.F32
        start, step = ("0", "1") if ordered else ("lane", str(LANES))
        sums = f"sum{node.value}"
        text = f"        {ACCUMULATORS[work.function]}<{C_TYPES[dtype]}> {sums};\n"
        text += f"        {sums}.start();\n#pragma unroll 4\n"
        index = f"{self.unsigned} i"
        text += f"        for ({index} = {start}; i < {self.length}u; i += {step}) {{\n"
        for member in self.needed([view.value]):
            text += "            " + self.definition(member, "i")
        text += f"            {sums}.take({self.operand(node, view, 'i')}, (i64)i);\n        }}\n"
        result = C_TYPES[node.type.dtype]
        return (
            text + f"        {sums}.join();\n        const {result} v{node.value} = {sums}.value;\n"
        )

    # --- kernels --------------------------------------------------------------------------------

    def store(self, node: Node, at: str) -> str:
        name = self.pointer(Address(node.value), node.type.dtype, written=True)
        return f"{name}[{at}] = stored(v{node.value});\n"

    def stored_members(self, full: bool) -> list[Node]:
        shared = (n for n in self.nodes.values() if self.around.is_shared(n.value))
        return [node for node in shared if self.is_full(node) is full]

    def pointwise(self) -> str:
        """One thread, one point of the space; `row` is its number."""
        body = ""
        for node in self.needed(node.value for node in self.stored_members(full=True)):
            body += "        " + self.definition(node, None)
        for node in self.stored_members(full=True):
            body += "        " + self.store(node, "row")
        u = self.unsigned
        loop = f"for ({u} row = ({u})first_index(); row < {self.rows}u; row += ({u})index_step())"
        return f"{''.join(self.pointers)}    {loop} {{\n{body}    }}\n"

    def by_rows(self) -> str:
        """Sixteen threads, one row. Threads past the last row repeat it, and store nothing: all
        threads of a warp have to be there when they exchange."""
        u, per_block = self.unsigned, ROW_THREADS // LANES
        body = f"        {u} row = first + threadIdx.x / {LANES}u;\n"
        body += f"        const bool live = row < {self.rows}u;\n"
        body += f"        if (!live) row = {self.rows - 1}u;\n"
        for node in self.nodes.values():
            if isinstance(node.work, Reduce):
                body += self.reduction(node, node.work)
            elif not self.is_full(node):
                body += "        " + self.definition(node, None)
        full = self.stored_members(full=True)
        if full:
            body += "#pragma unroll 4\n"
            body += f"        for ({u} i = lane; live && i < {self.length}u; i += {LANES}) {{\n"
            for node in self.needed(node.value for node in full):
                body += "            " + self.definition(node, "i")
            for node in full:
                body += "            " + self.store(node, f"row * ({u}){self.length} + i")
            body += "        }\n"
        for node in self.stored_members(full=False):
            body += "        if (live && lane == 0) " + self.store(node, "row")
        loop = f"for ({u} first = blockIdx.x * {per_block}u; first < {self.rows}u; "
        loop += f"first += ({u})gridDim.x * {per_block}u)"
        lane = f"    const u32 lane = threadIdx.x % {LANES}u;\n"
        return f"{''.join(self.pointers)}{lane}    {loop} {{\n{body}    }}\n"

    def launch(self) -> Launch:
        if self.group.split is None:
            body, threads, units = self.pointwise(), POINTWISE_THREADS, POINTWISE_THREADS
        else:
            body, threads, units = self.by_rows(), ROW_THREADS, ROW_THREADS // LANES
        arguments = f"addresses<{len(self.addresses)}>"
        kernel = Kernel("rows", threads, 1, arguments, body)
        blocks = min(-(-self.rows // units), BLOCKS_MAX)
        return Launch(kernel, blocks, tuple(self.addresses))

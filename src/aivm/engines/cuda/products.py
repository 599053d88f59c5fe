"""MATMUL as a launch: which kernel, which tile, and the words that describe the operands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from aivm.engines.cuda.kernel import MAX_BLOCKS, Kernel, Launch
from aivm.engines.plan.products import Product
from aivm.engines.plan.tape import Address, Word, padded
from aivm.engines.plan.views import dense_strides, merged_axes
from aivm.errors import TooLarge
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType

BATCH_AXES = 6  # matmul_arguments; an operand has at most eight
WIDE_BYTES = 16  # of one load
TENSOR_CORES_SINCE = (8, 0)  # compute capability; before, int8 products go through dp4a


@dataclass(frozen=True, slots=True)
class GpuTarget:
    """What the choice of kernels depends on: compute capability, number of multiprocessors."""

    capability: tuple[int, int]
    multiprocessors: int


@dataclass(frozen=True, slots=True)
class Tile:
    """What one block computes, as template arguments; `speed` is a rough rate per element."""

    rows: int
    columns: int
    threads: int
    together: int
    template: str
    speed: float


# Warps down and across, squares of 4x4 a thread down and across, depth of a slice.
F32_TILES = (
    Tile(128, 128, 256, 2, "4, 2, 2, 2, 8", 1.0),
    Tile(64, 64, 256, 2, "4, 2, 1, 1, 16", 0.75),
    Tile(32, 32, 64, 8, "2, 1, 1, 1, 16", 0.5),
)
# Warps down and across, tensor tiles of 16x8 a warp down and across.
TENSOR_TILES = (
    Tile(128, 128, 256, 2, "2, 4, 4, 4", 1.0),
    Tile(32, 32, 128, 4, "2, 2, 1, 2", 0.4),
)
DOT_TILES = (Tile(64, 64, 256, 2, "64, 64", 1.0),)


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix operand: where it is, its steps over its lines and over k, and over the batch."""

    address: Address
    dtype: DType
    line: int
    depth: int
    batch: tuple[int, ...]

    def is_wide(self, *, along_depth: bool) -> bool:
        """Whether 16 bytes can be read at once, at multiples of 16 bytes."""
        each = WIDE_BYTES // self.dtype.size_bytes
        step, other = (self.depth, self.line) if along_depth else (self.line, self.depth)
        aligned = self.address.offset % WIDE_BYTES == 0 and other % each == 0
        return step == 1 and aligned and all(step % each == 0 for step in self.batch)


@dataclass(frozen=True, slots=True)
class GpuProduct:
    """One MATMUL: `sizes` are those of the batch, over which the operands' `batch` steps go."""

    a: Operand
    b: Operand
    m: int
    n: int
    k: int
    out: Address
    out_row: int
    sizes: tuple[int, ...]
    out_batch: tuple[int, ...]

    def launch(self, target: GpuTarget) -> Launch:
        """The launch with the tile that suits the shape. Raises TooLarge."""
        maker = _f32_kernel if self.a.dtype is DType.F32 else _i8_kernel
        kernel, tile = maker(self, target)
        blocks = self.blocks(tile)
        if blocks > MAX_BLOCKS:
            raise TooLarge(f"a matrix product of {blocks} tiles is over the limit of a launch")
        return Launch(kernel, blocks, self.words())

    @property
    def matrices(self) -> int:
        return prod(self.sizes)

    def blocks(self, tile: Tile) -> int:
        return self.matrices * -(-self.m // tile.rows) * -(-self.n // tile.columns)

    def best_of(self, tiles: Sequence[Tile], target: GpuTarget) -> Tile:
        """The tile whose waves of blocks over all multiprocessors take least time."""

        def cost(tile: Tile) -> float:
            waves = -(-self.blocks(tile) // target.multiprocessors)
            return waves * tile.rows * tile.columns / tile.speed

        return min(tiles, key=cost)

    def words(self) -> tuple[Word, ...]:
        """`matmul_arguments` of gemm_f32.cuh."""
        words: list[Word] = [self.a.address, self.b.address, self.out, self.m, self.n, self.k]
        words += [self.a.line, self.a.depth, self.b.depth, self.b.line, self.out_row]
        words += [self.matrices, *padded(self.sizes, BATCH_AXES, fill=1)]
        for steps in (self.a.batch, self.b.batch, self.out_batch):
            words += padded(steps, BATCH_AXES)
        return tuple(words)


def gpu_product(
    product: Product, dtypes: Sequence[DType], places: Sequence[Address], result: TensorType
) -> GpuProduct:
    """What a launch needs of a product; `places` are those of A, of B and of the result.

    Rows of C and the axes of the batch are walked together: where the strides allow, a batch of
    products with one B is a single product with more rows.
    """
    a, b = product.a, product.b
    strides = ((*a.batch, a.row), (*b.batch, 0), dense_strides(result.shape)[:-1])
    axes = merged_axes((*product.batch, product.m), strides)
    is_one = axes[-1][1][1] == 0
    rows, (a_line, _, out_row) = axes.pop() if is_one else (1, (0, 0, product.n))
    steps = [tuple(each[operand] for _, each in axes) for operand in range(3)]
    return GpuProduct(
        a=Operand(places[0], dtypes[0], a_line, a.column, steps[0]),
        b=Operand(places[1], dtypes[1], b.column, b.row, steps[1]),
        m=rows,
        n=product.n,
        k=product.k,
        out=places[2],
        out_row=out_row,
        sizes=tuple(size for size, _ in axes),
        out_batch=steps[2],
    )


def _f32_kernel(product: GpuProduct, target: GpuTarget) -> tuple[Kernel, Tile]:
    tile = product.best_of(F32_TILES, target)
    ways = []
    for operand in (product.a, product.b):
        along_depth = operand.line != 1 or operand.depth == 1
        ways += [along_depth, operand.is_wide(along_depth=along_depth)]
    flags = ", ".join("true" if way else "false" for way in ways)
    body = f"    matmul_f32<{tile.template}, {flags}>(a);\n"
    return Kernel("matmul_f32", tile.threads, tile.together, "matmul_arguments", body), tile


def _i8_kernel(product: GpuProduct, target: GpuTarget) -> tuple[Kernel, Tile]:
    operands = (product.a, product.b)
    signs = "".join("s8" if operand.dtype is DType.I8 else "u8" for operand in operands)
    if target.capability >= TENSOR_CORES_SINCE:
        tile, multiply = product.best_of(TENSOR_TILES, target), "tensor_cores"
    else:
        tile, multiply = product.best_of(DOT_TILES, target), "dot_products"
    wide = ["true" if operand.is_wide(along_depth=True) else "false" for operand in operands]
    sizes = f"{tile.rows}, {tile.columns}, {tile.threads}, {', '.join(wide)}"
    body = f"    matmul_i8<{multiply}<{signs}, {tile.template}>, {sizes}>(a);\n"
    return Kernel("matmul_i8", tile.threads, tile.together, "matmul_arguments", body), tile

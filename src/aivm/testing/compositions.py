"""Realistic programs for differential tests: what compilers emit, at sizes that cross tile edges.

`random_program` looks for trouble in single instructions; here instructions come in the order in
which models have them (softmax, layer norm, convolution, attention, quantised products), because
that is what engines fuse. Dimensions lie at and around the sizes by which kernels cut their work.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt

import numpy as np

from aivm.isa.instructions import (
    Concat,
    Gather,
    Iota,
    Move,
    Random,
    Rank,
    Reduce,
    Scatter,
    TensorType,
)
from aivm.isa.opcodes import Function, Reduction, Scattering
from aivm.isa.program import Program
from aivm.isa.validate import validate
from aivm.numerics.dtypes import DType
from aivm.testing.programs import Builder, Draw, RandomProgram, Shape
from aivm.testing.sketch import Sketch, bounded

# Tiles, panels, vectors, blocks of rows and of depth: each with its neighbours.
_EDGES = tuple(sorted({max(1, n + by) for n in (1, 4, 8, 16, 32, 48) for by in (-1, 0, 1)}))
_LARGE_EDGES = (63, 64, 65, 95, 96, 97, 127, 128, 129, 255, 256, 257, 383, 384, 385)
SMALL, LARGE = 1 << 16, 1 << 26  # multiply-adds: the reference engine takes all of the small
_F32 = DType.F32
F = Function


class _Artist:
    """What a composition is given: the sketch, the dice, and how large it may become."""

    def __init__(self, rng: np.random.Generator, budget: int) -> None:
        self.draw = Draw(rng)
        self.sketch = Sketch(rng)
        self.budget = budget

    def dim(self, most: int | None = None) -> int:
        """A dimension at an edge; with `most`, none above it."""
        large = self.budget > SMALL and self.draw.chance(0.5)
        fitting = [n for n in (_LARGE_EDGES if large else _EDGES) if most is None or n <= most]
        return int(self.draw.of(fitting or [1]))

    def sizes(self, count: int) -> Shape:
        """Dimensions whose product is in the budget."""
        while True:
            found = tuple(self.dim() for _ in range(count))
            if prod(found) <= self.budget:
                return found

    def weights(self, shape: Shape) -> int:
        """A constant as a rule, so that it is packed; now and then an input."""
        give = self.sketch.constant if self.draw.chance(0.8) else self.sketch.input
        return give(_F32, shape)

    def activation(self, x: int) -> int:
        return int(self.draw.of((_gelu, _relu, _silu, _tanh_gelu, _none))(self.sketch, x))


def composed_program(seed: int, *, budget: int = SMALL) -> RandomProgram:
    """The composition of that seed. `budget` bounds the multiply-adds of its largest product."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    artist = _Artist(rng, budget)
    for _ in range(artist.draw.between(1, 2)):
        artist.draw.of(_COMPOSITIONS)(artist)
    parts = artist.sketch.finished()
    given = [*parts.input_types, *(constant.type for constant in parts.constants)]
    builder = Builder(artist.draw, given)
    for instruction in parts.instructions:
        builder.add(instruction)
    while not builder.instructions or (budget <= SMALL and artist.draw.chance(0.5)):
        builder.add_any()
    last = len(given) + len(builder.instructions) - 1
    others = rng.integers(len(given), last + 1, size=rng.integers(0, 3)).tolist()
    program = Program(
        tuple(parts.input_types),
        tuple(parts.constants),
        tuple(builder.instructions),
        (last, *others),
    )
    validate(program)
    return RandomProgram(seed, program, tuple(parts.constant_arrays), tuple(parts.inputs))


# --- activations ----------------------------------------------------------------------------------


def _none(s: Sketch, x: int) -> int:
    del s
    return x


def _relu(s: Sketch, x: int) -> int:
    return s.map(F.MAX, x, s.number(0.0))


def _silu(s: Sketch, x: int) -> int:
    return s.map(F.MUL, x, s.map(F.SIGMOID, x))


def _gelu(s: Sketch, x: int) -> int:
    inner = s.map(F.ERF, s.map(F.MUL, x, s.number(sqrt(0.5))))
    outer = s.map(F.ADD, inner, s.number(1.0))
    return s.map(F.MUL, s.map(F.MUL, x, outer), s.number(0.5))


def _tanh_gelu(s: Sketch, x: int) -> int:
    cube = s.map(F.MUL, s.map(F.MUL, x, x), x)
    inner = s.map(F.ADD, x, s.map(F.MUL, cube, s.number(0.044715)))
    bent = s.map(F.TANH, s.map(F.MUL, inner, s.number(0.7978846)))
    return s.map(F.MUL, s.map(F.MUL, x, s.number(0.5)), s.map(F.ADD, bent, s.number(1.0)))


# --- rows -----------------------------------------------------------------------------------------


def _softmax(s: Sketch, x: int) -> int:
    shifted = s.map(F.SUB, x, s.reduce(Reduction.MAX, x))
    raised = s.map(F.EXP, shifted)
    return s.map(F.DIV, raised, s.reduce(Reduction.SUM, raised))


def _mean(s: Sketch, x: int) -> int:
    length = s.number(float(s.shape(x)[-1]))
    return s.map(F.DIV, s.reduce(Reduction.SUM, x), length)


def _layer_norm(a: _Artist, x: int) -> int:
    """With or without the mean (RMS), scale and shift."""
    s, width = a.sketch, a.sketch.shape(x)[-1]
    centred = s.map(F.SUB, x, _mean(s, x)) if a.draw.chance(0.7) else x
    variance = _mean(s, s.map(F.MUL, centred, centred))
    deviation = s.map(F.SQRT, s.map(F.ADD, variance, s.number(1e-5)))
    y = s.map(F.DIV, centred, deviation)
    if a.draw.chance(0.7):
        y = s.map(F.MUL, y, a.weights((width,)))
    return s.map(F.ADD, y, a.weights((width,))) if a.draw.chance(0.7) else y


def _rows(a: _Artist) -> None:
    s = a.sketch
    shape = (*a.sizes(a.draw.between(1, 2)), a.dim())
    x = s.input(_F32, shape if prod(shape) <= a.budget else shape[-1:])
    if a.draw.chance(0.5):
        x = s.map(F.ADD, x, s.input(_F32, s.shape(x)))  # a residual
    y = _softmax(s, x) if a.draw.chance(0.5) else _layer_norm(a, x)
    a.activation(y)


# --- products -------------------------------------------------------------------------------------


def _linear(a: _Artist, x: int, columns: int) -> int:
    """x @ w + b, then an activation."""
    s, depth = a.sketch, a.sketch.shape(x)[-1]
    transposed = a.draw.chance(0.3)
    w = a.weights((columns, depth) if transposed else (depth, columns))
    y = s.matmul(x, w, transpose_b=transposed)
    if a.draw.chance(0.7):
        y = s.map(F.ADD, y, a.weights((columns,)))
    return a.activation(y)


def _product(a: _Artist) -> None:
    s = a.sketch
    rows, depth, columns = a.sizes(3)
    leading: Shape = (a.draw.between(1, 3),) if a.draw.chance(0.4) else ()
    x = s.input(_F32, (*leading, rows, depth))
    y = _linear(a, x, columns)
    if a.draw.chance(0.5):
        y = s.map(F.ADD, y, s.input(_F32, s.shape(y)))
    if a.draw.chance(0.5):
        _layer_norm(a, y)


def _heads(s: Sketch, x: int, heads: int) -> int:
    """(batch, length, width) to (batch, heads, length, width / heads)."""
    batch, length, width = s.shape(x)
    split = s.reshape(x, (batch, length, heads, width // heads))
    return s.transpose(split, (0, 2, 1, 3))


def _attention(a: _Artist) -> None:
    s = a.sketch
    batch, heads = a.draw.between(1, 2), a.draw.between(1, 4)
    size, length = a.dim(33), a.dim(129)
    while batch * heads * length * length * size > 4 * a.budget:
        length, size = max(1, length // 2), max(1, size // 2)
    width = heads * size
    x = s.input(_F32, (batch, length, width))
    q, k, v = (_heads(s, _linear(a, x, width), heads) for _ in range(3))
    scores = s.map(F.MUL, s.matmul(q, k, transpose_b=True), s.number(1 / sqrt(size)))
    if a.draw.chance(0.5):
        scores = s.map(F.SELECT, _causal(s, length), scores, s.number(float("-inf")))
    elif a.draw.chance(0.5):
        scores = s.map(F.ADD, scores, s.input(_F32, (batch, 1, 1, length)))
    mixed = s.matmul(_softmax(s, scores), v)
    y = s.reshape(s.transpose(mixed, (0, 2, 1, 3)), (batch, length, width))
    _layer_norm(a, s.map(F.ADD, _linear(a, y, width), x))


def _causal(s: Sketch, length: int) -> int:
    """BOOL (length, length): which keys a query may see."""
    row, column = (
        s.add(Iota(TensorType(DType.I64, shape), length, 1, 0, 1))
        for shape in ((length,), (length,))
    )
    return s.map(F.LESS_EQUAL, column, s.reshape(row, (length, 1)))


def _rotary(a: _Artist) -> None:
    s = a.sketch
    rows, half = a.sizes(2)
    x = s.input(_F32, (rows, 2 * half))
    low, high = s.part(x, 1, 0, half), s.part(x, 1, half, half)
    turned = Concat(
        (s.map(F.NEG, high), low), TensorType(_F32, (rows, 2 * half)), rows, (half, half), 1
    )
    angles = s.input(_F32, (rows, 2 * half))
    other = s.map(F.MUL, s.add(turned), s.map(F.SIN, angles))
    s.map(F.ADD, s.map(F.MUL, x, s.map(F.COS, angles)), other)


# --- images ---------------------------------------------------------------------------------------


def _windows(a: _Artist, x: int, kernel: int, step: int, padding: int, fill: int) -> int:
    """(channels, height, width) to (rows, columns, channels, kernel, kernel)."""
    s = a.sketch
    channels, height, width = s.shape(x)
    rows, columns = ((n + 2 * padding - kernel) // step + 1 for n in (height, width))
    type_ = TensorType(_F32, (rows, columns, channels, kernel, kernel))
    axes, steps = (1, 2, 0, 1, 2), (step, step, 1, 1, 1)
    origins = (0, -padding, -padding)
    return s.add(Move((x,), type_, (channels, height, width), axes, steps, origins, fill))


def _image(a: _Artist) -> None:
    """Convolution as a product of windows, or pooling, or one after the other."""
    s = a.sketch
    channels, kernel = a.dim(17), a.draw.between(1, 3)
    size = max(kernel, a.dim(49 if a.budget > SMALL else 17))
    x = s.input(_F32, (channels, size, size))
    step, padding = a.draw.between(1, 2), a.draw.below(2)
    if a.draw.chance(0.7):
        windows = _windows(a, x, kernel, step, padding, 0)
        rows, columns = s.shape(windows)[:2]
        flat = s.reshape(windows, (rows * columns, channels * kernel * kernel))
        y = _linear(a, flat, a.dim(33))
        channels = s.shape(y)[-1]
        x = s.transpose(s.reshape(y, (rows, columns, channels)), (2, 0, 1))
    if a.draw.chance(0.5) and min(s.shape(x)[1:]) >= 2:
        windows = _windows(a, x, 2, a.draw.between(1, 2), 0, 0xFF800000)
        rows, columns, channels = s.shape(windows)[:3]
        function = a.draw.of((Reduction.MAX, Reduction.SUM))
        type_ = TensorType(_F32, (rows, columns, channels))
        s.add(Reduce(function, (windows,), type_, rows * columns * channels, 4, 1))


# --- integers -------------------------------------------------------------------------------------


def _embedding(a: _Artist) -> None:
    s = a.sketch
    words, width, length = a.dim(65), a.dim(), a.dim(33)
    table = a.weights((words, width))
    ids = s.input(a.draw.of((DType.I32, DType.I64)), (length,), bounded(words))
    x = s.add(Gather((table, ids), TensorType(_F32, (length, width)), 1, words, width))
    _layer_norm(a, s.map(F.ADD, x, a.weights((length, width))))


def _quantised(s: Sketch, x: int) -> tuple[int, int]:
    """I8 words of the rows of x, and each row's scale."""
    greatest = s.reduce(Reduction.MAX, s.map(F.ABS, x))
    scale = s.map(F.DIV, s.map(F.MAX, greatest, s.number(1e-20)), s.number(127.0))
    rounded = s.map(F.ROUND, s.map(F.DIV, x, scale))
    clipped = s.map(F.MIN, s.map(F.MAX, rounded, s.number(-127.0)), s.number(127.0))
    return s.cast(clipped, DType.I8), scale


def _round_trip(a: _Artist) -> None:
    """Quantise and dequantise, by rows."""
    s = a.sketch
    words, scale = _quantised(s, s.input(_F32, a.sizes(2)))
    s.map(F.MUL, s.cast(words, _F32), scale)


def _quantised_product(a: _Artist) -> None:
    """Rows quantised as they come, weights by column, the exact product scaled back."""
    s = a.sketch
    rows, depth, columns = a.sizes(3)
    words, scale = _quantised(s, s.input(_F32, (rows, depth)))
    if a.draw.chance(0.3):  # unsigned, with a zero point of 128
        shifted = s.map(F.ADD, s.cast(words, DType.I32), s.fill(DType.I32, 128))
        words = s.cast(shifted, DType.U8)
    transposed = a.draw.chance(0.3)
    give = s.constant if a.draw.chance(0.8) else s.input
    shape = (columns, depth) if transposed else (depth, columns)
    w = give(a.draw.of((DType.I8, DType.U8)), shape)
    exact = s.matmul(words, w, transpose_b=transposed, to=DType.I32)
    y = s.map(F.MUL, s.map(F.MUL, s.cast(exact, _F32), scale), a.weights((columns,)))
    a.activation(s.map(F.ADD, y, a.weights((columns,))))


def _top(a: _Artist) -> None:
    """The greatest of a line, in order: rank, scatter of an iota, gather."""
    s = a.sketch
    length = a.dim()
    x = s.input(a.draw.of((_F32, _F32, DType.I32, DType.U8)), (length,))
    type_ = TensorType(DType.I64, (length,))
    ranks = s.add(Rank((x,), type_, 1, length, 1, descending=a.draw.chance(0.5)))
    numbers = s.add(Iota(type_, length, 1, 0, 1))
    order = s.add(Scatter(Scattering.REPLACE, (numbers, ranks, numbers), type_, 1, length, 1))
    best = s.part(order, 0, 0, a.draw.between(1, length))
    dtype, kept = s.types[x].dtype, s.shape(best)
    s.add(Gather((x, best), TensorType(dtype, kept), 1, length, 1))


def _sample(a: _Artist) -> None:
    """Uniform numbers by Philox, a threshold, a mask."""
    s = a.sketch
    shape = a.sizes(2)
    words = s.add(Random((s.input(DType.U64, (2,)),), TensorType(DType.U32, shape)))
    uniform = s.map(F.MUL, s.cast(words, _F32), s.number(2.0**-32))
    kept = s.map(F.LESS, uniform, s.number(0.9))
    s.map(F.SELECT, kept, s.input(_F32, shape), s.number(0.0))


def _storage(a: _Artist) -> None:
    """Half-precision weights, widened where they are used, and a narrow result."""
    s = a.sketch
    rows, depth, columns = a.sizes(3)
    dtype = a.draw.of((DType.F16, DType.BF16))
    w = s.cast(s.constant(dtype, (depth, columns)), _F32)
    s.cast(s.matmul(s.input(_F32, (rows, depth)), w), dtype)


def _choice(a: _Artist) -> None:
    """Probabilities, the best of each row, and a row of a table for it."""
    s = a.sketch
    rows, classes = a.sizes(2)
    chosen = s.reduce(Reduction.ARG_MAX, _softmax(s, s.input(_F32, (rows, classes))))
    table = a.weights((classes, a.dim(17)))
    width = s.shape(table)[1]
    type_ = TensorType(_F32, (rows, width))
    s.add(Gather((table, chosen), type_, 1, classes, width))


_COMPOSITIONS: tuple[Callable[[_Artist], None], ...] = (
    *(_rows, _product, _product, _attention, _image),
    *(_rotary, _embedding, _round_trip, _storage, _choice),
    *(_quantised_product, _quantised_product, _top, _sample),
)

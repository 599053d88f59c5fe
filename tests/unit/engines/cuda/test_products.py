"""Matrix products on the emulated GPU: every tile, every way of reading, edges, signs, batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product as product_of_choices

import numpy as np
import pytest

from aivm.commitments import Array, numpy_dtype, tensor_root
from aivm.engines.cuda.plan import plan_inference
from aivm.engines.cuda.products import F32_TILES, TENSOR_TILES, GpuTarget, Operand
from aivm.engines.plan.tape import Address
from aivm.isa import MatMul, Move, Program, TensorType
from aivm.isa.program import Constant
from aivm.numerics.dtypes import DType
from aivm.testing.tensors import random_tensor

# On one multiprocessor the largest tile that a shape fills is the cheapest.
ONE = GpuTarget((9, 0), 1)
MANY = GpuTarget((9, 0), 1000)
TILES = {DType.F32: F32_TILES, DType.I8: TENSOR_TILES}
TURING = GpuTarget((7, 5), 1)

Shape = tuple[int, ...]
Check = Callable[..., list[Array]]


def product(a: Shape, b: Shape, dtypes: tuple[DType, DType], *flags: bool) -> Program:
    """One product of two inputs; flags: transpose_a, transpose_b."""
    transpose_a, transpose_b = flags or (False, False)
    rows, columns = a[-1 if transpose_a else -2], b[-2 if transpose_b else -1]
    batch = np.broadcast_shapes(a[:-2], b[:-2])
    result = DType.F32 if dtypes[0] is DType.F32 else DType.I32
    type_ = TensorType(result, (*batch, rows, columns))
    work = MatMul((0, 1), type_, transpose_a, transpose_b)
    return Program((TensorType(dtypes[0], a), TensorType(dtypes[1], b)), (), (work,), (2,))


def operands(program: Program, seed: int = 1) -> list[Array]:
    """Any numbers, specials among them; F32 mostly ordinary, else everything becomes a NaN."""
    rng = np.random.default_rng(seed)
    arrays = []
    for type_ in program.inputs:
        if type_.dtype is DType.F32:
            array = rng.normal(size=type_.shape).astype(np.float32)
            odd = rng.random(type_.shape) < 0.002
            array[odd] = random_tensor(rng, type_)[odd]
        else:
            array = rng.integers(0, 256, type_.shape).astype(np.uint8)
            array = array.view(numpy_dtype(type_.dtype))
        arrays.append(array)
    return arrays


F32 = (DType.F32, DType.F32)


@pytest.mark.parametrize("target", [ONE, MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    ("a", "b", "flags"),
    [
        ((128, 40), (40, 128), (False, False)),  # all wide
        ((130, 37), (37, 131), (False, False)),  # nothing aligned, every edge
        ((40, 132), (140, 40), (True, True)),
        ((33, 129), (33, 65), (True, False)),
        ((64, 1), (1, 64), (False, False)),
        ((1, 300), (300, 7), (False, False)),
        ((2, 3, 17, 24), (3, 24, 20), (False, False)),
        ((4, 1, 9, 8), (5, 8, 16), (False, False)),
    ],
)
def test_f32(check: Check, target: GpuTarget, a: Shape, b: Shape, flags: tuple[bool, bool]) -> None:
    program = product(a, b, F32, *flags)
    check(program, [], operands(program), target)


def test_every_tile_is_chosen_for_some_shape() -> None:
    def tile(size: int, dtype: DType) -> str:
        program = product((size, 64), (64, size), (dtype, dtype))
        (launch,) = plan_inference(program, GpuTarget((9, 0), 132)).steps
        (known,) = [t.template for t in TILES[dtype] if f"{t.template}" in launch.kernel.body]
        return known

    for dtype, tiles in TILES.items():
        assert {tile(size, dtype) for size in (32, 1024, 4096)} == {t.template for t in tiles}


def test_a_chain_ends_at_k_exactly(check: Check) -> None:
    """Terms that underflow leave -0, which one more term of fma(0, 0, -0) would turn into +0."""
    program = product((3, 5), (5, 3), F32)
    tiny = np.full((3, 5), 1e-30, np.float32)
    (result,) = check(program, [], [tiny, -tiny.T.copy()])
    assert np.signbit(result).all()
    assert not result.any()


@pytest.mark.parametrize("target", [ONE, MANY, TURING], ids=["tensor", "small", "dp4a"])
def test_bytes(check: Check, target: GpuTarget) -> None:
    """Wide, then edges; nothing aligned; a batch: with every pair of signs, in one program."""
    shapes = [
        ((130, 192), (70, 192), True),
        ((17, 67), (67, 19), False),
        ((2, 9, 31), (2, 31, 8), False),
    ]
    signs = [(DType.I8, DType.I8), (DType.U8, DType.I8), (DType.I8, DType.U8), (DType.U8, DType.U8)]
    inputs: list[TensorType] = []
    works: list[MatMul] = []
    for (a, b, transpose_b), dtypes in product_of_choices(shapes, signs):
        alone = product(a, b, dtypes, False, transpose_b)
        (work,) = alone.instructions
        assert isinstance(work, MatMul)
        works.append(replace(work, operands=(len(inputs), len(inputs) + 1)))
        inputs += alone.inputs
    outputs = range(len(inputs), len(inputs) + len(works))
    program = Program(tuple(inputs), (), tuple(works), tuple(outputs))
    check(program, [], operands(program), target)


def test_the_largest_products_of_bytes_are_exact(check: Check) -> None:
    program = product((16, 300), (300, 16), (DType.I8, DType.U8))
    low, high = np.full((16, 300), -128, np.int8), np.full((300, 16), 255, np.uint8)
    (result,) = check(program, [], [low, high])
    assert (result == -128 * 255 * 300).all()


@pytest.mark.parametrize("shape", [(67, 33), (3, 67, 33)])
def test_constant_bytes_are_packed_once(check: Check, shape: Shape) -> None:
    weight = np.random.default_rng(2).integers(-128, 128, shape).astype(np.int8)
    program = product((3, 20, 67), shape, (DType.I8, DType.I8))
    (a, _), (work,) = program.inputs, program.instructions
    constant = Constant(program.inputs[1], tensor_root(weight))
    program = Program((a,), (constant,), (work,), (2,))
    plan = plan_inference(program, ONE)
    assert [launch.kernel.family for launch in plan.setup] == ["copy"]
    check(program, [weight], operands(program))


def test_views_are_read_where_they_lie(check: Check) -> None:
    """A flipped and sliced operand, at an offset that is no multiple of 16 bytes."""
    types = (TensorType(DType.F32, (21, 30)), TensorType(DType.F32, (30, 12)))
    part = TensorType(DType.F32, (10, 30))
    steps = (
        Move((0,), part, (21, 30), (0, 1), (-2, 1), (19, 0)),
        MatMul((2, 1), TensorType(DType.F32, (10, 12))),
    )
    program = Program(types, (), steps, (3,))
    assert [step.kernel.family for step in plan_inference(program, ONE).steps] == ["matmul_f32"]
    check(program, [], operands(program))


@pytest.mark.parametrize(
    ("operand", "along_depth", "wide"),
    [
        (Operand(Address(0), DType.F32, 8, 1, (16,)), True, True),
        (Operand(Address(0, 4), DType.F32, 8, 1, ()), True, False),
        (Operand(Address(0), DType.F32, 6, 1, ()), True, False),
        (Operand(Address(0), DType.F32, 8, 1, (2,)), True, False),
        (Operand(Address(0), DType.F32, 1, 8, ()), False, True),
        (Operand(Address(0), DType.I8, 8, 1, ()), True, False),
    ],
)
def test_sixteen_bytes_are_read_only_where_all_is_aligned(
    operand: Operand, along_depth: bool, wide: bool
) -> None:
    assert operand.is_wide(along_depth=along_depth) is wide

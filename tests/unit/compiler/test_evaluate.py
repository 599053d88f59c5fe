"""What is computed at compile time is what the reference engine would have computed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.commitments import numpy_dtype, tensor_root
from aivm.compiler.evaluate import evaluate
from aivm.engines import open_engine
from aivm.isa import Concat, Constant, Function, Gather, Instruction, Map, Move, Program, TensorType
from aivm.numerics.dtypes import DType


def same_as_engine(instruction: Instruction, types: list[TensorType], arrays) -> bool:
    constants = tuple(Constant(t, tensor_root(a)) for t, a in zip(types, arrays, strict=True))
    program = Program((), constants, (instruction,), (len(constants),))
    (expected,) = open_engine("reference").load(program, arrays).run([])
    found = evaluate(instruction, types, arrays)
    return found is not None and found.tobytes() == expected.tobytes()


@st.composite
def moves(draw) -> tuple[Move, int]:
    source = tuple(draw(st.lists(st.integers(1, 4), min_size=0, max_size=3)))
    shape = tuple(draw(st.lists(st.integers(0, 4), min_size=0, max_size=4)))
    axes = tuple(draw(st.integers(-1, len(source) - 1)) for _ in shape)
    steps = tuple(0 if axis < 0 else draw(st.integers(-2, 3)) for axis in axes)
    origins = tuple(draw(st.integers(-2, 4)) for _ in source)
    kind = TensorType(DType.I32, shape)
    return Move((0,), kind, source, axes, steps, origins, draw(st.integers(0, 9)))


@settings(max_examples=300, deadline=None)
@given(moves())
def test_moves(move):
    source = TensorType(DType.I32, move.source)
    array = np.arange(1, source.elements + 1, dtype=np.int32).reshape(move.source)
    assert same_as_engine(move, [source], [array])


@given(st.lists(st.integers(-4, 3), max_size=5))
def test_gathers(index):
    data = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    places = np.array(index, np.int64)
    result = TensorType(DType.F32, (2, len(index), 3))
    types = [TensorType(DType.F32, (2, 4, 3)), TensorType(DType.I64, (len(index),))]
    assert same_as_engine(Gather((0, 1), result, 2, 4, 3), types, [data, places])


def test_a_gather_outside_its_axis_is_left_to_the_engine():
    types = [TensorType(DType.F32, (4,)), TensorType(DType.I64, (1,))]
    gather = Gather((0, 1), TensorType(DType.F32, (1,)), 1, 4, 1)
    assert evaluate(gather, types, [np.zeros(4, np.float32), np.array([4])]) is None


def test_concatenations():
    arrays = [np.arange(2 * n * 3, dtype=np.uint8).reshape(2, n, 3) for n in (1, 0, 2)]
    types = [TensorType(DType.U8, array.shape) for array in arrays]
    concat = Concat((0, 1, 2), TensorType(DType.U8, (2, 3, 3)), 2, (1, 0, 2), 3)
    assert same_as_engine(concat, types, arrays)


def test_functions_of_every_kind_of_dtype(rng):
    for dtype in (DType.F32, DType.I64, DType.U8, DType.I8):
        type_ = TensorType(dtype, (4, 5))
        carrier = numpy_dtype(dtype)
        data = rng.integers(0, 256, (2, 4, 5, dtype.size_bytes)).astype(np.uint8)
        arrays = [np.ascontiguousarray(array).view(carrier).reshape(4, 5) for array in data]
        for function in (Function.ADD, Function.DIV, Function.MAX, Function.MUL):
            assert same_as_engine(Map(function, (0, 1), type_), [type_, type_], arrays)


def test_large_work_is_left_to_the_engine():
    type_ = TensorType(DType.F32, (5000,))
    add = Map(Function.ADD, (0, 1), type_)
    assert evaluate(add, [type_, type_], [np.zeros(5000, np.float32)] * 2) is None

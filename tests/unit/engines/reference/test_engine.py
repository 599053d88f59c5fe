from __future__ import annotations

import weakref
from itertools import count

import numpy as np
import pytest

from aivm import host
from aivm.engines import open_engine
from aivm.engines.reference.engine import CHUNK_ELEMENTS
from aivm.errors import (
    DeadlineExceeded,
    InvalidIndex,
    MalformedProgram,
    TooLarge,
    WrongTensor,
)
from aivm.isa import (
    Cast,
    Concat,
    Constant,
    Fill,
    Function,
    Gather,
    Instruction,
    Iota,
    Map,
    MatMul,
    Move,
    Program,
    Reduce,
    Reduction,
    TensorType,
)
from aivm.numerics.dtypes import DType

Array = np.ndarray


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def i64(*shape: int) -> TensorType:
    return TensorType(DType.I64, shape)


def run(instruction: Instruction, *arrays: Array) -> Array:
    """The result of one instruction whose operands are these f32 or i64 arrays."""
    dtypes = {np.dtype(np.float32): DType.F32, np.dtype(np.int64): DType.I64}
    types = tuple(TensorType(dtypes[array.dtype], array.shape) for array in arrays)
    program = Program(types, (), (instruction,), (len(arrays),))
    (result,) = open_engine("reference").load(program, []).run(arrays)
    return result


def ramp(*shape: int) -> Array:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


# Each family against what numpy says, over more elements than one chunk where that is cheap.


def test_map_broadcasts() -> None:
    a, b = ramp(300, 1, 70), ramp(5, 1)
    result = run(Map(Function.ADD, (0, 1), f32(300, 5, 70)), a, b)
    assert result.size > CHUNK_ELEMENTS
    assert np.array_equal(result, a + b)


def test_matmul_broadcasts_matrices() -> None:
    a, b = ramp(3, 1, 4, 5), ramp(2, 5, 6)
    result = run(MatMul((0, 1), f32(3, 2, 4, 6)), a, b)
    assert np.array_equal(result, a @ b)


def test_matmul_of_transposed_operands() -> None:
    a, b = ramp(2, 5, 4), ramp(6, 5)
    result = run(MatMul((0, 1), f32(2, 4, 6), True, True), a, b)
    assert np.array_equal(result, a.swapaxes(1, 2) @ b.T)


def test_reduce_over_a_middle_axis() -> None:
    a = ramp(4, 18, 5)
    result = run(Reduce(Reduction.SUM, (0,), f32(4, 5), 4, 18, 5), a)
    assert np.array_equal(result, a.sum(axis=1))


def test_move_transposes_and_flips() -> None:
    a = ramp(2, 3, 4)
    move = Move((0,), f32(4, 2, 3), (2, 3, 4), (2, 0, 1), (-1, 1, 1), (0, 0, 3))
    assert np.array_equal(run(move, a), a.transpose(2, 0, 1)[::-1])


def test_move_pads() -> None:
    a = ramp(2, 3)
    fill = int(np.float32(-1).view(np.uint32))
    move = Move((0,), f32(5, 4), (2, 3), (0, 1), (1, 1), (-2, 0), fill)
    expected = np.pad(a, ((2, 1), (0, 1)), constant_values=-1)
    assert np.array_equal(run(move, a), expected)


def test_move_makes_windows() -> None:
    """im2col: position and tap walk along the same padded axis, with stride 2 and dilation 3."""
    a = ramp(2, 11)
    move = Move((0,), f32(4, 2, 3), (2, 11), (1, 0, 1), (2, 1, 3), (0, -1))
    padded = np.pad(a, ((0, 0), (1, 1)))
    expected = np.stack([padded[:, [2 * p, 2 * p + 3, 2 * p + 6]] for p in range(4)])
    assert np.array_equal(run(move, a), expected)


def test_move_broadcasts_and_reshapes() -> None:
    a = ramp(2, 6)
    move = Move((0,), f32(3, 4, 3), (4, 3), (-1, 0, 1), (0, 1, 1), (0, 0))
    assert np.array_equal(run(move, a), np.broadcast_to(a.reshape(4, 3), (3, 4, 3)))


def test_move_from_nothing_is_fill() -> None:
    move = Move((0,), f32(2), (0, 3), (1,), (1,), (0, 0), 0x3F800000)
    assert run(move, ramp(0, 3)).tolist() == [1.0, 1.0]


def test_gather_counts_from_both_ends() -> None:
    data, index = ramp(2, 5, 3), np.array([[0, -1], [4, -5]], np.int64)
    result = run(Gather((0, 1), f32(2, 2, 2, 3), 2, 5, 3), data, index)
    assert np.array_equal(result, data[:, index])


@pytest.mark.parametrize("wrong", [5, -6, 2**63 - 1, -(2**63)])
def test_gather_outside_its_axis_is_a_fault(wrong: int) -> None:
    index = np.array([0, wrong], np.int64)
    with pytest.raises(InvalidIndex, match=rf"instruction 0 .*index {wrong} is outside .* 5 "):
        run(Gather((0, 1), f32(2), 1, 5, 1), ramp(5), index)


def test_an_index_that_no_element_reads_is_no_fault() -> None:
    index = np.array([7], np.int64)
    assert run(Gather((0, 1), f32(1, 0), 1, 5, 0), ramp(5, 0), index).shape == (1, 0)


def test_concat_joins_with_empty_parts() -> None:
    parts = [ramp(2, 3, 2), ramp(2, 0, 2), ramp(2, 1, 2)]
    result = run(Concat((0, 1, 2), f32(2, 4, 2), 2, (3, 0, 1), 2), *parts)
    assert np.array_equal(result, np.concatenate(parts, axis=1))


def test_cast_rounds_toward_zero() -> None:
    values = np.array([1.9, -1.9, np.nan, np.inf], np.float32)
    assert run(Cast((0,), i64(4)), values).tolist() == [1, -1, 0, 2**63 - 1]


def test_iota_wraps() -> None:
    result = run(Iota(i64(2, 3, 2), 3, 2, 2**63 - 1, 1))
    rows = [[2**63 - 1] * 2, [-(2**63)] * 2, [-(2**63) + 1] * 2]
    assert result.tolist() == [rows, rows]


def test_fill_has_any_shape() -> None:
    assert run(Fill(f32(), 0x40000000)).tolist() == 2.0
    assert run(Fill(f32(2, 0), 0)).shape == (2, 0)


# NaNs.


def test_every_nan_of_a_result_is_canonical() -> None:
    odd = np.array([0x7F800001, 0xFFC12345, 0x3F800000], np.uint32)
    for instruction in (
        Map(Function.NEG, (0,), f32(3)),
        Move((0,), f32(3), (3,), (0,), (1,), (0,)),
        Concat((0, 0), f32(6), 1, (3, 3), 1),
        Reduce(Reduction.MAX, (0,), f32(3), 3, 1, 1),
    ):
        words = run(instruction, odd.view(np.float32)).view(np.uint32)
        assert set(words.tolist()) - {0x3F800000, 0xBF800000} == {0x7FC00000}


def test_storage_types_have_canonical_nans_too() -> None:
    type_ = TensorType(DType.BF16, (2,))
    program = Program((type_,), (), (Move((0,), type_, (2,), (0,), (1,), (0,)),), (1,))
    executable = open_engine("reference").load(program, [])
    assert executable.run([np.array([0xFF81, 0x3F80], np.uint16)])[0].tolist() == [0x7FC0, 0x3F80]


# Programs.

DOUBLE_THEN_SQUARE = Program(
    inputs=(f32(4),),
    constants=(Constant(f32(), bytes(32)),),
    instructions=(
        Map(Function.MUL, (0, 1), f32(4)),
        Map(Function.MUL, (2, 2), f32(4)),
        Map(Function.NEG, (0,), f32(4)),
    ),
    outputs=(3, 2, 3),
)
TWO = np.float32(2.0).reshape(())
X = np.array([1.0, -2.0, 0.5, 3.0], np.float32)


def test_outputs_come_in_order_and_are_fresh() -> None:
    executable = open_engine("reference").load(DOUBLE_THEN_SQUARE, [TWO])
    first, second, third = executable.run([X])
    assert (first == (2 * X) ** 2).all() and (second == 2 * X).all() and (third == first).all()
    first[:] = 0
    assert (third == (2 * X) ** 2).all()
    assert (executable.run([X])[0] == third).all()


def test_trace_yields_every_result() -> None:
    executable = open_engine("reference").load(DOUBLE_THEN_SQUARE, [TWO])
    doubled, squared, negated = executable.trace([X])
    assert (doubled == 2 * X).all() and (squared == 4 * X * X).all() and (negated == -X).all()
    assert not doubled.flags.writeable


def test_a_value_is_freed_after_its_last_reader() -> None:
    steps = tuple(Map(Function.NEG, (value,), f32(4)) for value in range(4))
    trace = open_engine("reference").load(Program((f32(4),), (), steps, (4,)), []).trace([X])
    first = weakref.ref(next(trace))
    next(trace)
    assert first() is not None
    next(trace)
    assert first() is None


def test_inputs_and_constants_are_checked() -> None:
    engine = open_engine("reference")
    with pytest.raises(WrongTensor, match="constant 0"):
        engine.load(DOUBLE_THEN_SQUARE, [X])
    with pytest.raises(WrongTensor, match="input 0"):
        engine.load(DOUBLE_THEN_SQUARE, [TWO]).run([TWO])


def test_a_malformed_program_is_not_loaded() -> None:
    program = Program((f32(4),), (), (Map(Function.MUL, (0,), f32(4)),), (1,))
    with pytest.raises(MalformedProgram):
        open_engine("reference").load(program, [])


def test_a_closed_executable_does_not_run() -> None:
    executable = open_engine("reference").load(DOUBLE_THEN_SQUARE, [TWO])
    executable.close()
    executable.close()
    with pytest.raises(ValueError, match="closed"):
        executable.run([X])


def test_memory_limit_counts_what_is_alive_at_once() -> None:
    # Input 16, constant 4, and both outputs, 16 each, beside the last result.
    needed = 16 + 4 + 3 * 16
    open_engine("reference", memory_limit_bytes=needed).load(DOUBLE_THEN_SQUARE, [TWO])
    engine = open_engine("reference", memory_limit_bytes=needed - 1)
    with pytest.raises(TooLarge, match=f"needs {needed} bytes"):
        engine.load(DOUBLE_THEN_SQUARE, [TWO])


def test_memory_of_a_dead_value_is_used_again() -> None:
    steps = tuple(Map(Function.NEG, (value,), f32(1000)) for value in range(20))
    program = Program((f32(1000),), (), steps, (20,))
    open_engine("reference", memory_limit_bytes=3 * 4000).load(program, [])


def test_deadline_stops_a_run_within_an_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr(host, "monotonic", lambda: float(next(clock)))
    program = Program((f32(1, 1000), f32(1000, 1)), (), (MatMul((0, 1), f32(1, 1)),), (2,))
    inputs = [ramp(1, 1000), ramp(1000, 1)]
    # One look at the clock to begin with, one for the chunk, two for each of 1000 steps.
    open_engine("reference", deadline_seconds=2001.0).load(program, []).run(inputs)
    executable = open_engine("reference", deadline_seconds=2000.0).load(program, [])
    with pytest.raises(DeadlineExceeded, match="2000"):
        executable.run(inputs)

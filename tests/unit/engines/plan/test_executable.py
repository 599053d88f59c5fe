"""What both engines promise at their door and between runs."""

from __future__ import annotations

import numpy as np
import pytest

from aivm.commitments import Array, VerifiedTensors, tensor_root
from aivm.engines import Engine, Kept, open_engine
from aivm.errors import (
    DeadlineExceeded,
    InvalidIndex,
    MalformedProgram,
    TooLarge,
    WrongTensor,
)
from aivm.isa import (
    Constant,
    Function,
    Gather,
    Map,
    MatMul,
    Move,
    Program,
    Scatter,
    Scattering,
    TensorType,
)
from aivm.numerics.dtypes import DType
from aivm.testing.engines import same

SQUARE = TensorType(DType.F32, (8, 8))


@pytest.fixture(params=["wasm", "native"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(name: str) -> Engine:
    return open_engine(name)


def products(count: int, size: int) -> Program:
    """A long chain of matrix products."""
    square = TensorType(DType.F32, (size, size))
    chain = tuple(MatMul((value, 0), square) for value in range(count))
    return Program((square,), (), chain, (count,))


def test_wrong_inputs_are_refused(engine: Engine) -> None:
    executable = engine.load(products(1, 8), [])
    for wrong in ([], [np.zeros((8, 7), np.float32)], [np.zeros((8, 8))]):
        with pytest.raises(WrongTensor):
            executable.run(wrong)
    with pytest.raises(WrongTensor):
        next(iter(executable.trace([])))
    executable.close()


def test_wrong_programs_and_constants_are_refused(engine: Engine) -> None:
    with pytest.raises(MalformedProgram):
        engine.load(Program((SQUARE,), (), (MatMul((0, 9), SQUARE),), (1,)), [])
    with pytest.raises(WrongTensor):
        engine.load(products(1, 8), [np.zeros(3, np.float32)])


def test_results_are_fresh_and_inputs_are_not_touched(engine: Engine) -> None:
    executable = engine.load(products(2, 8), [])
    x = np.eye(8, dtype=np.float32)
    (first,) = executable.run([x])
    kept = first.copy()
    executable.run([2 * x])
    assert same(first, kept) and first.flags.writeable
    assert same(x, np.eye(8, dtype=np.float32))
    executable.close()


def test_an_index_outside_its_axis_ends_the_run_and_only_that_run(engine: Engine) -> None:
    index = TensorType(DType.I64, (2,))
    program = Program(
        (SQUARE, index), (), (Gather((0, 1), TensorType(DType.F32, (2, 8)), 1, 8, 8),), (2,)
    )
    executable = engine.load(program, [])
    x = np.arange(64, dtype=np.float32).reshape(8, 8)
    for outside in (8, -9, 2**62):
        with pytest.raises(InvalidIndex, match="instruction 0"):
            executable.run([x, np.array([0, outside])])
        with pytest.raises(InvalidIndex):
            list(executable.trace([x, np.array([0, outside])]))
    (picked,) = executable.run([x, np.array([-8, 7])])
    assert same(picked, x[[0, 7]])
    executable.close()


def test_a_fault_that_no_output_needs_is_a_fault(name: str) -> None:
    types = (TensorType(DType.F32, (3,)), TensorType(DType.I64, (1,)))
    unread = Gather((0, 1), TensorType(DType.F32, (1,)), 1, 3, 1)
    program = Program(types, (), (unread, Map(Function.NEG, (0,), types[0])), (3,))
    executable = open_engine(name).load(program, [])
    x = np.ones(3, np.float32)
    assert same(executable.run([x, np.array([2])])[0], -x)
    with pytest.raises(InvalidIndex):
        executable.run([x, np.array([3])])
    executable.close()


def test_a_fault_among_constants_is_one_of_every_run_and_not_of_loading(engine: Engine) -> None:
    """Nobody could dispute a receipt about such a program if its trace could not be had."""
    row, index = TensorType(DType.F32, (3,)), np.array([0, 3])
    constant = Constant(TensorType(DType.I64, (2,)), tensor_root(index))
    program = Program(
        (row,),
        (Constant(row, tensor_root(np.ones(3, np.float32))), constant),
        (Map(Function.NEG, (0,), row), Gather((1, 2), TensorType(DType.F32, (2,)), 1, 3, 1)),
        (3, 4),
    )
    constants = (np.ones(3, np.float32), index)
    for given in (constants, VerifiedTensors(constants)):
        executable = engine.load(program, given)
        for _ in range(2):
            with pytest.raises(InvalidIndex, match="instruction 1"):
                executable.run([np.ones(3, np.float32)])
        trace = executable.trace([np.ones(3, np.float32)])
        assert same(next(trace), -np.ones(3, np.float32))
        with pytest.raises(InvalidIndex, match="instruction 1"):
            next(trace)
        executable.close()


def test_a_deadline_stops_a_run_but_not_the_next_one(name: str) -> None:
    engine = open_engine(name, threads=2, deadline_seconds=0.03)
    slow = engine.load(products(400, 256), [])
    with pytest.raises(DeadlineExceeded):
        slow.run([np.eye(256, dtype=np.float32)])
    slow.close()
    executable = open_engine(name, deadline_seconds=30.0).load(products(3, 8), [])
    assert same(executable.run([np.eye(8, dtype=np.float32)])[0], np.eye(8, dtype=np.float32))
    executable.close()


def test_a_deadline_stops_a_single_long_product(name: str) -> None:
    rows = TensorType(DType.F32, (60_000, 256))
    square = TensorType(DType.F32, (256, 256))
    program = Program((rows, square), (), (MatMul((0, 1), rows),), (2,))
    executable = open_engine(name, deadline_seconds=0.005).load(program, [])
    with pytest.raises(DeadlineExceeded):
        executable.run([np.ones((60_000, 256), np.float32), np.eye(256, dtype=np.float32)])
    executable.close()


def test_memory_is_capped(name: str) -> None:
    engine = open_engine(name, memory_limit_bytes=1 << 22)
    engine.load(products(1, 8), []).close()
    with pytest.raises(TooLarge, match="the limit is 4194304"):
        engine.load(products(2, 1024), [])


def test_a_closed_executable_refuses(engine: Engine) -> None:
    executable = engine.load(products(1, 8), [])
    executable.close()
    executable.close()
    with pytest.raises(ValueError, match="closed"):
        executable.run([np.eye(8, dtype=np.float32)])
    with pytest.raises(ValueError, match="closed"):
        next(iter(executable.trace([np.eye(8, dtype=np.float32)])))


def test_outputs_may_be_empty_repeated_or_rank_0(engine: Engine) -> None:
    empty, number = TensorType(DType.F32, (0, 3)), TensorType(DType.F32, ())
    program = Program(
        (empty, number),
        (),
        (Map(Function.EXP, (0,), empty), Map(Function.NEG, (1,), number)),
        (2, 3, 3),
    )
    executable = engine.load(program, [])
    results = executable.run([np.zeros((0, 3), np.float32), np.array(2, np.float32)])
    assert [result.shape for result in results] == [(0, 3), (), ()]
    assert results[1] == results[2] == -2
    executable.close()


def test_an_output_may_be_a_part_of_a_constant(engine: Engine) -> None:
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    constant = Constant(TensorType(DType.F32, (3, 4)), tensor_root(table, DType.F32))
    row = Move((1,), TensorType(DType.F32, (4,)), (3, 4), (1,), (1,), (2, 0))
    program = Program((SQUARE,), (constant,), (row,), (2,))
    executable = engine.load(program, [table])
    (result,) = executable.run([np.zeros((8, 8), np.float32)])
    assert same(result, table[2])
    executable.close()


def ring() -> Program:
    """Puts a row into a state (0) at a place (1); gives the state, its square, the state again."""
    state, place, row = (TensorType(DType.F32, (4, 3)), TensorType(DType.I64, (1,)), (1, 3))
    put = Scatter(Scattering.REPLACE, (0, 1, 2), state, 1, 4, 3)
    square = Map(Function.MUL, (3, 3), state)
    return Program((state, place, TensorType(DType.F32, row)), (), (put, square), (3, 4, 3))


def ring_inputs(turn: int) -> list[Array]:
    return [np.array([turn % 4], np.int64), np.full((1, 3), turn + 1, np.float32)]


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_advancing_gives_what_runs_give(engine: Engine, chosen: int) -> None:
    executable = engine.load(ring(), [])
    state = np.zeros((4, 3), np.float32)
    kept: Array | Kept = state
    others: list[Kept] = []
    squares = []
    for turn in range(6):
        given = ring_inputs(turn)
        results = executable.run([state, *given])
        outputs = executable.advance([kept, *given])
        state, kept = results[chosen], outputs[chosen]
        others.append(outputs[1 - min(chosen, 1)])
        squares.append(results[1 - min(chosen, 1)])
    assert isinstance(kept, Kept) and same(kept.array(), state)
    # What is not given back survives the runs behind it.
    assert all(same(other.array(), square) for other, square in zip(others, squares, strict=True))
    executable.close()


def test_loops_may_take_turns(engine: Engine) -> None:
    executable = engine.load(ring(), [])
    loops: list[Array | Kept] = [np.zeros((4, 3), np.float32), np.ones((4, 3), np.float32)]
    expected = [np.zeros((4, 3), np.float32), np.ones((4, 3), np.float32)]
    for turn in range(6):
        for number in (0, 1, 1) if turn % 2 else (0, 1):
            loops[number] = executable.advance([loops[number], *ring_inputs(turn)])[0]
            expected[number][turn % 4] = turn + 1
    executable.close()  # nothing that somebody holds is lost
    for kept, array in zip(loops, expected, strict=True):
        assert isinstance(kept, Kept) and same(kept.array(), array)


def test_a_state_that_only_a_scatter_reads_stays_where_it_is(engine: Engine) -> None:
    executable = engine.load(ring(), [])
    kept = executable.advance([np.zeros((4, 3), np.float32), *ring_inputs(0)])[0]
    with pytest.raises(WrongTensor):
        executable.advance([kept, np.zeros(1, np.int32), np.zeros((1, 3), np.float32)])
    assert kept.is_in_place  # a refused run has used up nothing
    last = executable.advance([kept, *ring_inputs(1)])[0]
    with pytest.raises(ValueError, match="used up"):
        kept.array()
    assert last.array()[:, 0].tolist() == [1, 2, 0, 0]
    executable.close()


def test_a_kept_output_must_fit(engine: Engine) -> None:
    executable = engine.load(ring(), [])
    kept = executable.advance([np.zeros((4, 3), np.float32), *ring_inputs(0)])[0]
    with pytest.raises(WrongTensor, match="input 2"):
        executable.advance([kept, np.zeros(1, np.int64), kept])
    executable.close()


def test_a_scatter_leaves_alone_what_others_read(engine: Engine) -> None:
    state, place = TensorType(DType.F32, (4,)), TensorType(DType.I64, (1,))
    one = TensorType(DType.F32, (1,))
    put = Scatter(Scattering.REPLACE, (0, 1, 2), state, 1, 4, 1)
    program = Program((state, place, one), (), (put, Map(Function.ADD, (0, 3), state)), (3, 4))
    executable = engine.load(program, [])
    given = [np.arange(4, dtype=np.float32), np.array([2], np.int64), np.array([9], np.float32)]
    put_in, added = executable.run(given)
    assert put_in.tolist() == [0, 1, 9, 3] and added.tolist() == [0, 2, 11, 6]
    executable.close()

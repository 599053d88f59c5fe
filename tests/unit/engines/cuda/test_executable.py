"""Limits, faults and refusals of an executable, on the emulated GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from aivm import host
from aivm.commitments import tensor_root
from aivm.engines.cuda import CudaEngine
from aivm.engines.cuda.products import GpuTarget
from aivm.errors import DeadlineExceeded, InvalidIndex, TooLarge, WrongTensor
from aivm.isa import Constant, Function, Gather, Map, Program, Scatter, TensorType
from aivm.isa.opcodes import Scattering
from aivm.numerics.dtypes import DType
from aivm.testing.gpu import EmulatedDevice, EmulatedGpu

X = TensorType(DType.F32, (6,))
INDEX = TensorType(DType.I64, (4,))
PICKED = TensorType(DType.F32, (4,))
# exp(x), then a gather and a scatter with the same index.
PROGRAM = Program(
    (X, INDEX),
    (),
    (
        Map(Function.EXP, (0,), X),
        Gather((2, 1), PICKED, 1, 6, 1),
        Scatter(Scattering.ADD, (2, 1, 3), X, 1, 6, 1),
    ),
    (4,),
)
VALUES = np.arange(6, dtype=np.float32)
GOOD = np.array([0, -1, 5, -6])


@pytest.fixture(scope="module")
def gpu(gpus: Callable[[GpuTarget], EmulatedGpu]) -> EmulatedGpu:
    return gpus(GpuTarget((9, 0), 8))


def test_updates_of_one_element_keep_their_order(gpu: EmulatedGpu) -> None:
    executable = CudaEngine(lambda: EmulatedDevice(gpu), None, None).load(PROGRAM, [])
    (result,) = executable.run([VALUES, GOOD])
    exp = np.exp(VALUES)
    wanted = exp.copy()
    for index in GOOD:
        wanted[index] += exp[index]
    np.testing.assert_allclose(result, wanted, rtol=1e-6)
    executable.close()


@pytest.mark.parametrize("bad", [6, -7, 2**40])
def test_the_first_instruction_with_a_bad_index_is_named_and_forgotten(
    gpu: EmulatedGpu, bad: int
) -> None:
    executable = CudaEngine(lambda: EmulatedDevice(gpu), None, None).load(PROGRAM, [])
    before = executable.run([VALUES, GOOD])[0].tobytes()
    with pytest.raises(InvalidIndex, match=r"instruction 1 \(GATHER\)"):
        executable.run([VALUES, np.array([0, bad, 0, bad])])
    assert executable.run([VALUES, GOOD])[0].tobytes() == before
    trace = executable.trace([VALUES, np.array([0, 0, 0, bad])])
    next(trace)
    with pytest.raises(InvalidIndex, match="GATHER"):
        next(trace)
    executable.close()


def test_a_fault_among_constants_is_one_of_every_run_and_not_of_loading(gpu: EmulatedGpu) -> None:
    bad = np.array([0, 6, 0, 0])
    constants = (Constant(X, tensor_root(VALUES)), Constant(INDEX, tensor_root(bad)))
    gather = Gather((1, 2), PICKED, 1, 6, 1)
    program = Program((X,), constants, (Map(Function.NEG, (0,), X), gather), (3, 4))
    executable = CudaEngine(lambda: EmulatedDevice(gpu), None, None).load(program, [VALUES, bad])
    for _ in range(2):
        with pytest.raises(InvalidIndex, match="GATHER"):
            executable.run([VALUES])
    trace = executable.trace([VALUES])
    assert next(trace).tobytes() == (-VALUES).tobytes()
    with pytest.raises(InvalidIndex, match="GATHER"):
        next(trace)
    executable.close()


def test_the_memory_limit_counts_everything(gpu: EmulatedGpu) -> None:
    def load(limit: int) -> None:
        CudaEngine(lambda: EmulatedDevice(gpu), limit, None).load(PROGRAM, []).close()

    load(1000)
    with pytest.raises(TooLarge, match="limit is 100") as refusal:
        load(100)
    assert "smaller batch" in refusal.value.hint


def test_a_full_gpu_is_too_large_and_leaves_nothing_behind(gpu: EmulatedGpu) -> None:
    device = EmulatedDevice(gpu, memory_bytes=100)
    with pytest.raises(TooLarge, match="no memory left"):
        CudaEngine(lambda: device, None, None).load(PROGRAM, [])


@pytest.fixture
def ticking_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A second passes whenever anybody asks."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(host, "monotonic", lambda: float(next(seconds)))
    yield


@pytest.mark.usefixtures("ticking_clock")
def test_a_run_stops_at_its_deadline_between_launches(gpu: EmulatedGpu) -> None:
    device = EmulatedDevice(gpu)
    executable = CudaEngine(lambda: device, None, 1.5).load(PROGRAM, [])
    with pytest.raises(DeadlineExceeded):
        executable.run([VALUES, GOOD])
    assert device.launches == 2
    executable.close()
    patient = CudaEngine(lambda: EmulatedDevice(gpu), None, 100.0).load(PROGRAM, [])
    patient.run([VALUES, GOOD])
    patient.close()


def test_wrong_inputs_and_a_closed_executable_are_refused(gpu: EmulatedGpu) -> None:
    executable = CudaEngine(lambda: EmulatedDevice(gpu), None, None).load(PROGRAM, [])
    with pytest.raises(WrongTensor, match="shape"):
        executable.run([VALUES[:5], GOOD])
    executable.close()
    executable.close()
    with pytest.raises(ValueError, match="closed"):
        executable.run([VALUES, GOOD])

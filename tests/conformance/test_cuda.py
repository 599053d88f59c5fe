"""The CUDA engine against wasm, to the bit: on an emulated GPU, and on a real one where one is.

`make test-gpu` demands the real one (AIVM_GPU=required); elsewhere its tests are skipped and say
so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from aivm.compiler import compile_model
from aivm.engines import Engine, open_engine
from aivm.engines.cuda import CudaEngine
from aivm.errors import EngineUnavailable, InvalidIndex
from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import composed_program
from aivm.testing.gpu import EmulatedDevice, EmulatedGpu, KernelCollector
from aivm.testing.onnx_suite import node_cases, outcomes

# Of the node suite, without `slow`: every so-manyth case.
SAMPLE = 40
Opener = Callable[[Sequence[Callable[[Engine], object]]], Engine]


def real() -> Engine:
    try:
        return open_engine("cuda")
    except EngineUnavailable as error:
        if os.environ.get("AIVM_GPU") == "required":
            raise
        pytest.skip(f"no GPU: {error.message}")


@pytest.fixture(params=["emulated", "real"])
def open_gpu(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opener:
    """Opens the engine that runs the jobs; the emulated one rehearses them, to compile once."""
    if request.param == "real":
        engine = real()
        return lambda _: engine
    gpu = EmulatedGpu(tmp_path_factory.mktemp("emulated"))

    def rehearsed(jobs: Sequence[Callable[[Engine], object]]) -> Engine:
        collector = KernelCollector(gpu.target, traces=True)
        for job in jobs:
            job(collector)
        gpu.prepare(collector.kernels.values())
        return CudaEngine(lambda: EmulatedDevice(gpu), None, None)

    return rehearsed


def results(engine: Engine, case: RandomProgram) -> list[bytes] | str:
    """The outputs of two runs, then the trace; or what went wrong."""
    try:
        with closing(engine.load(case.program, case.constants)) as executable:
            arrays = [*executable.run(case.inputs), *executable.run(case.inputs)]
            arrays += [array.copy() for array in executable.trace(case.inputs)]
    except InvalidIndex:
        return "invalid index"
    return [array.tobytes() for array in arrays]


def compare(cases: Sequence[RandomProgram], open_gpu: Opener) -> Iterator[int]:
    """Seeds of programs whose results differ."""
    jobs = [lambda engine, case=case: results(engine, case) for case in cases]
    engine, wasm = open_gpu(jobs), open_engine("wasm")
    for case in cases:
        if results(engine, case) != results(wasm, case):
            yield case.seed


@pytest.mark.timeout(600)  # most of it a compiler's, for the emulator
def test_random_programs(open_gpu: Opener) -> None:
    cases = [random_program(seed, max_instructions=16) for seed in range(25)]
    cases += [composed_program(seed) for seed in range(8)]
    assert list(compare(cases, open_gpu)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_programs(open_gpu: Opener) -> None:
    cases = [random_program(seed, max_instructions=24) for seed in range(1000, 1600)]
    cases += [composed_program(seed) for seed in range(1000, 1200)]
    assert list(compare(cases, open_gpu)) == []


def wrong_node_tests(open_gpu: Opener, every: int) -> list[str]:
    cases = node_cases()[::every]
    engine = open_gpu([lambda collector: list(outcomes(cases, [collector]))])
    found = list(outcomes(cases, ["wasm", engine]))
    assert sum(outcome.verdict == "passed" for outcome in found) >= len(cases) * 0.7
    return [outcome.name for outcome in found if outcome.verdict == "wrong"]


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # the suite's generators divide by zero on purpose
def test_some_node_tests_of_onnx(open_gpu: Opener) -> None:
    assert wrong_node_tests(open_gpu, SAMPLE) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
def test_all_node_tests_of_onnx(open_gpu: Opener) -> None:
    assert wrong_node_tests(open_gpu, 1) == []


@pytest.mark.timeout(600)
def test_minilm(minilm: bytes, open_gpu: Opener) -> None:
    shape = (2, 11)
    ids, mask = np.random.default_rng(1).integers(0, 30522, shape), np.ones(shape, np.int64)
    mask[-1, shape[1] // 2 :] = 0
    feeds = {"input_ids": ids, "attention_mask": mask}
    compiled = compile_model(minilm, {name: array.shape for name, array in feeds.items()})
    arrays = [feeds[name] for name in compiled.input_names]

    def run(engine: Engine) -> bytes:
        with closing(engine.load(compiled.program, compiled.constants)) as executable:
            return executable.run(arrays)[0].tobytes()

    assert run(open_gpu([run])) == run(open_engine("wasm"))


DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def test_digits(open_gpu: Opener) -> None:
    images = np.load(DIGITS / "digits_samples.npz")["images"]
    compiled = compile_model((DIGITS / "digits.onnx").read_bytes(), {"images": images.shape})

    def run(engine: Engine) -> bytes:
        with closing(engine.load(compiled.program, compiled.constants)) as executable:
            return executable.run([images])[0].tobytes()

    assert run(open_gpu([run])) == run(open_engine("wasm"))

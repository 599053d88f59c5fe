"""P15: matrix products of the CUDA engine against cuBLAS, on the GPU of this machine.

    python benchmarks/cuda.py          prints tables, writes benchmarks/cuda.json

f32 against cublasSgemm without TF32, bytes against cuBLASLt; both on one stream, timed there by
events in slices that take turns, the best of each. Results are compared with the wasm engine's, bit
for bit. Needs an NVIDIA GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cublas import Cublas, CublasLt
from measure import report, table

from aivm.engines import open_engine
from aivm.engines.cuda.driver import NvidiaDevice, NvidiaGpu
from aivm.engines.cuda.plan import plan_inference
from aivm.errors import EngineUnavailable
from aivm.isa import MatMul, Program, TensorType
from aivm.numerics.dtypes import DType

# A small model's layers, one sequence and 32 of them; square ones.
SHAPES = ((128, 384, 1536), (4096, 384, 1536), (1024, 1024, 1024), (4096, 4096, 4096))
GOALS = {"f32": 0.70, "bytes": 0.50}
CALLS = 10  # of one slice
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Bench:
    """A stream on the GPU, and a clock on it."""

    gpu: NvidiaGpu
    device: NvidiaDevice

    def seconds(self, run: Callable[[], None], calls: int) -> float:
        """Of one call, among `calls` in a row, by the GPU's own clock."""
        driver = self.gpu.driver
        start, end = ctypes.c_void_p(), ctypes.c_void_p()
        for event in (start, end):
            driver("cuEventCreate", ctypes.byref(event), 0)
        driver("cuEventRecord", start, self.device.stream)
        for _ in range(calls):
            run()
        driver("cuEventRecord", end, self.device.stream)
        driver("cuEventSynchronize", end)
        milliseconds = ctypes.c_float()
        driver("cuEventElapsedTime", ctypes.byref(milliseconds), start, end)
        for event in (start, end):
            driver("cuEventDestroy_v2", event)
        return milliseconds.value / 1000 / calls

    def best(self, contestants: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
        for run in contestants.values():
            self.seconds(run, 2)  # first calls load code and wake the clocks
        best = dict.fromkeys(contestants, float("inf"))
        for _ in range(rounds):
            for name, run in contestants.items():
                best[name] = min(best[name], self.seconds(run, CALLS))
        return best

    def put(self, array: Array) -> int:
        address = self.device.allocate(array.nbytes)
        self.device.upload(address, array)
        return address


def product(m: int, k: int, n: int, kind: str) -> Program:
    """A constant-free product; of bytes, B is given as (n, k), as cuBLASLt wants it."""
    f32 = kind == "f32"
    dtype, result = (DType.F32, DType.F32) if f32 else (DType.I8, DType.I32)
    b = (k, n) if f32 else (n, k)
    work = MatMul((0, 1), TensorType(result, (m, n)), transpose_b=not f32)
    return Program((TensorType(dtype, (m, k)), TensorType(dtype, b)), (), (work,), (2,))


def operands(program: Program) -> list[Array]:
    rng = np.random.default_rng(1)
    if program.inputs[0].dtype is DType.F32:
        return [rng.standard_normal(type_.shape, np.float32) for type_ in program.inputs]
    return [rng.integers(-128, 128, type_.shape, np.int8) for type_ in program.inputs]


def equal_to_wasm(program: Program, arrays: list[Array]) -> bool:
    results = []
    for name in ("cuda", "wasm"):
        with closing(open_engine(name).load(program, [])) as executable:
            results.append(executable.run(arrays)[0].tobytes())
    return results[0] == results[1]


def measure(
    bench: Bench, peers: Mapping[str, Cublas | CublasLt], kind: str, rounds: int
) -> list[dict[str, object]]:
    """A row a shape: speeds in 10^12 operations a second, their ratio, whether bits are equal."""
    rows: list[dict[str, object]] = []
    for m, k, n in SHAPES:
        program = product(m, k, n, kind)
        arrays = operands(program)
        plan = plan_inference(program, bench.device.target)
        functions = bench.device.compiled(plan.kernels)
        (launch,) = plan.steps
        places = {0: bench.put(arrays[0]), 1: bench.put(arrays[1])}
        places[2] = bench.device.allocate(m * n * 4)
        words = np.array(
            [
                word if isinstance(word, int) else places[word.buffer] + word.offset
                for word in launch.words
            ],
            np.int64,
        )
        ours = functions[launch.kernel.name]
        contestants = {
            "ours": lambda ours=ours, blocks=launch.blocks, words=words: ours(blocks, words),
            "peer": peers[kind].product(m, n, k, places[0], places[1], places[2]),
        }
        best = bench.best(contestants, rounds)
        speeds = {name: 2e-12 * m * n * k / seconds for name, seconds in best.items()}
        rows.append(
            {
                "kind": kind,
                "shape": f"{m}x{k}x{n}",
                **speeds,
                "ratio": speeds["ours"] / speeds["peer"],
                "equal": equal_to_wasm(program, arrays),
                "kernel": launch.kernel.body.strip(),
            }
        )
        for address in places.values():
            bench.device.release(address)
    return rows


def verdict(rows: list[dict[str, object]]) -> dict[str, object]:
    """P15: the worst shape counts."""
    worst = {kind: min(float(str(r["ratio"])) for r in rows if r["kind"] == kind) for kind in GOALS}
    equal = all(row["equal"] for row in rows)
    figures = [f"{worst[kind]:.2f}x {kind}" for kind in GOALS]
    return {
        "figure": f"{' / '.join(figures)} / bits {'equal' if equal else 'DIFFER'}",
        "goal": " / ".join(f">= {goal:.2f}x {kind}" for kind, goal in GOALS.items()),
        "met": equal and all(worst[kind] >= goal for kind, goal in GOALS.items()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Matrix products against cuBLAS.")
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    try:
        gpu = NvidiaGpu.find()
    except EngineUnavailable as error:
        sys.stderr.write(f"P15 cannot be measured here: {error.message}. {error.hint}\n")
        return 2
    bench = Bench(gpu, NvidiaDevice(gpu))
    stream = bench.device.stream
    workspace = bench.device.allocate(CublasLt.workspace_bytes)
    peers = {"f32": Cublas(stream), "bytes": CublasLt(stream, workspace)}
    rows = [row for kind in GOALS for row in measure(bench, peers, kind, rounds)]
    columns = ["kind", "shape", "ours", "peer", "ratio", "equal"]
    cells = [
        [f"{row[c]:.2f}" if isinstance(row[c], float) else row[c] for c in columns] for row in rows
    ]
    text = f"{gpu.name} ({gpu.architecture}), 10^12 operations a second\n" + table(columns, cells)
    report("cuda", {"gpu": gpu.name, "rows": rows, "targets": {"P15": verdict(rows)}}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

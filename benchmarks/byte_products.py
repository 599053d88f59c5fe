"""P5: products of bytes, native against onnxruntime, wasm against onnxruntime-web, one thread.

    python benchmarks/byte_products.py      prints a table, writes benchmarks/byte_products.json

A program of eight products of one u8 matrix with eight i8 weights, packed once by everybody: a call
is then long enough to hide what calling costs. Of each product only the greatest sum is returned,
as if a next layer had read it: what an engine does with large outputs is another question. The
peers' operators are MatMulInteger and ReduceMax. All results must be the same integers before
anything is timed, whole products in a run of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from measure import report, table
from minilm import Runner, single_thread_session, take_turns, timed, web_runner
from onnx import TensorProto, helper, numpy_helper

from aivm import config, kernels
from aivm.commitments import Array, tensor_root
from aivm.engines import open_engine
from aivm.engines.native import NativeEngine
from aivm.errors import Mismatch
from aivm.isa import Constant, MatMul, Program, Reduce, Reduction, TensorType
from aivm.numerics.dtypes import DType

SHAPES = ((128, 384, 384), (128, 384, 1536), (128, 1536, 384), (256, 256, 256))
PRODUCTS = 8
GOALS = {"native": 1.05, "wasm": 1.3}
PEERS = {"native": "onnxruntime", "wasm": "onnxruntime-web"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Products of bytes against onnxruntime.")
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    speeds = {f"{m}x{k}x{n}": measure(m, k, n, rounds) for m, k, n in SHAPES}
    names = list(next(iter(speeds.values())))
    rows = [[shape, *(speed[name] for name in names)] for shape, speed in speeds.items()]
    ratios = {
        name: {shape: speed[name] / speed[PEERS[name]] for shape, speed in speeds.items()}
        for name in GOALS
    }
    text = table(["GOPS", *names], rows) + "\n\n"
    for name, found in ratios.items():
        listed = ", ".join(f"{ratio:.2f}x" for ratio in found.values())
        text += f"{name} / {PEERS[name]}: {listed}\n"
    result = {"gops": speeds, "ratios": ratios, "targets": {"P5": verdict(ratios)}}
    report("byte_products", result, text)
    return 0


def verdict(ratios: dict[str, dict[str, float]]) -> dict[str, object]:
    """The row of benchmarks/targets.py: the worst shape counts."""
    worst = {name: min(found.values()) for name, found in ratios.items()}
    return {
        "figure": " / ".join(f"{ratio:.2f}x" for ratio in worst.values()),
        "goal": " / ".join(f">= {GOALS[name]:.2f}x" for name in worst),
        "met": all(ratio >= GOALS[name] for name, ratio in worst.items()),
    }


def measure(m: int, k: int, n: int, rounds: int) -> dict[str, float]:
    """10**9 multiplications and additions a second, by contestant."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (m, k), np.uint8)
    weights = [rng.integers(-128, 128, (k, n), np.int8) for _ in range(PRODUCTS)]
    with contestants(a, weights) as runners:
        times = take_turns(runners, rounds)
    work = 2.0 * m * k * n * PRODUCTS
    return {name: work / min(found) / 1e6 for name, found in times.items()}


@contextmanager
def contestants(a: Array, weights: list[Array]) -> Iterator[dict[str, Runner]]:
    best, *others = kernels.native_targets()
    engines = {"native": NativeEngine(kernels.library(best), 1, None, None)}
    engines |= {name: NativeEngine(kernels.library(name), 1, None, None) for name in others}
    engines["wasm"] = open_engine("wasm")
    for reduced in (False, True):
        program = product_program(a, weights, reduced)
        session = single_thread_session(product_model(a, weights, reduced))
        expected = session.run(None, {"a": a})
        executables = {name: engine.load(program, weights) for name, engine in engines.items()}
        for name, executable in executables.items():
            for found, wanted in zip(executable.run([a]), expected, strict=True):
                if found.tobytes() != wanted.tobytes():
                    raise Mismatch(f"{name} and onnxruntime differ")
    runners = {
        name: timed(lambda executable=executable: executable.run([a]))  # type: ignore[misc]
        for name, executable in executables.items()
    }
    runners["onnxruntime"] = timed(lambda: session.run(None, {"a": a}))
    model, cache = product_model(a, weights, True), config.load().cache_dir
    with web_runner(model, {"a": a}, cache, expected[0]) as web:
        yield {**runners, "onnxruntime-web": web}


def product_program(a: Array, weights: list[Array], reduced: bool) -> Program:
    """With the products as outputs, or the greatest element of each."""
    (m, _), (_, n) = a.shape, weights[0].shape
    constants = tuple(
        Constant(TensorType(DType.I8, weight.shape), tensor_root(weight, DType.I8))
        for weight in weights
    )
    result, scalar = TensorType(DType.I32, (m, n)), TensorType(DType.I32, ())
    count = len(weights)
    instructions: list[MatMul | Reduce] = []
    outputs = []
    for i in range(count):
        instructions.append(MatMul((0, 1 + i), result))
        if reduced:
            greatest = Reduce(Reduction.MAX, (count + len(instructions),), scalar, 1, m * n, 1)
            instructions.append(greatest)
        outputs.append(count + len(instructions))
    inputs = (TensorType(DType.U8, a.shape),)
    return Program(inputs, constants, tuple(instructions), tuple(outputs))


def product_model(a: Array, weights: list[Array], reduced: bool) -> bytes:
    shape = [] if reduced else [a.shape[0], weights[0].shape[1]]
    nodes, names = [], []
    for i in range(len(weights)):
        nodes.append(helper.make_node("MatMulInteger", ["a", f"b{i}"], [f"c{i}"]))
        names.append(f"{'d' if reduced else 'c'}{i}")
        if reduced:
            nodes.append(helper.make_node("ReduceMax", [f"c{i}"], [names[-1]], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, a.shape)],
        [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name in names],
        [numpy_helper.from_array(weight, f"b{i}") for i, weight in enumerate(weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


if __name__ == "__main__":
    sys.exit(main())

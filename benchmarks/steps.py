"""Where the time of an inference goes, step by step: what to look at before making a kernel faster.

    python benchmarks/steps.py model.onnx [--engine native-v4] [--rounds 20] [--shape x=1,3,224,224]

Runs each step of the plan by itself, so fusion across steps and warm caches are as in a real run,
but every step also pays for one call. Prints the shares of the kinds, and the costliest steps.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from measure import table

from aivm.commitments import Array
from aivm.compiler import CompiledModel, compile_model
from aivm.engines import Engine, open_engine
from aivm.engines.native import NativeEngine
from aivm.engines.plan.executable import TapeExecutable
from aivm.engines.plan.tape import Kind, Step
from aivm.kernels import library
from aivm.numerics.dtypes import DType

COSTLIEST = 12


def engine_named(name: str) -> Engine:
    """`wasm`, `native`, or one native build, as `native-v3`."""
    return NativeEngine(library(name), 1, None, None) if "-v" in name else open_engine(name)


def step_seconds(executable: TapeExecutable, inputs: list[Array], rounds: int) -> list[float]:
    """The best time of each step, less what an empty run costs."""
    loaded = executable._open()
    count = len(loaded.plan.steps)
    best = [float("inf")] * count
    empty = float("inf")
    for _ in range(rounds):
        loaded.write_inputs(inputs)  # later steps use their memory again
        for index in range(count):
            if index and loaded.plan.steps[index - 1].joined:
                best[index] = empty  # it ran with the one before
                continue
            start = time.perf_counter()
            loaded.run_steps(index, index + 1)
            best[index] = min(best[index], time.perf_counter() - start)
            start = time.perf_counter()
            loaded.run_steps(0, 0)
            empty = min(empty, time.perf_counter() - start)
    return [max(0.0, seconds - empty) for seconds in best]


def described(made: CompiledModel, step: Step) -> str:
    """The instruction that a step ends with."""
    instruction = made.program.instructions[step.instruction]
    shape = "x".join(map(str, instruction.type.shape))
    if step.kind is Kind.MATMUL:
        return f"{step.instruction} {'x'.join(map(str, step.words[2:5]))}"
    name = getattr(getattr(instruction, "function", None), "name", type(instruction).__name__)
    return f"{step.instruction} {name} {shape}"


def any_input(shape: tuple[int, ...], dtype: DType) -> Array:
    rng = np.random.default_rng(0)
    if dtype is DType.F32:
        return rng.standard_normal(shape, np.float32)
    return np.ones(shape, np.dtype(dtype.name.lower().replace("i", "int")))


def report(made: CompiledModel, steps: tuple[Step, ...], seconds: list[float]) -> str:
    total = sum(seconds)
    by_kind: dict[str, list[float]] = defaultdict(list)
    for step, spent in zip(steps, seconds, strict=True):
        by_kind[step.kind.name].append(spent)
    rows = [
        [kind, len(spent), 1e3 * sum(spent), 100 * sum(spent) / total]
        for kind, spent in sorted(by_kind.items(), key=lambda item: -sum(item[1]))
    ]
    text = table(["kind", "steps", "ms", "%"], [*rows, ["all", len(steps), 1e3 * total, 100.0]])
    order = sorted(range(len(steps)), key=lambda index: -seconds[index])[:COSTLIEST]
    rows = [
        [steps[i].kind.name, described(made, steps[i]), 1e6 * seconds[i], 100 * seconds[i] / total]
        for i in order
    ]
    return text + "\n\n" + table(["kind", "instruction", "us", "%"], rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Time of every step of a model's plan.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--engine", default="native")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--shape", action="append", default=[], help="name=1,3,224,224")
    options = parser.parse_args()
    shapes = {
        name: tuple(int(size) for size in sizes.split(","))
        for name, sizes in (entry.split("=") for entry in options.shape)
    }
    made = compile_model(options.model.read_bytes(), shapes)
    executable = engine_named(options.engine).load(made.program, made.constants)
    assert isinstance(executable, TapeExecutable)
    inputs = [any_input(type_.shape, type_.dtype) for type_ in made.program.inputs]
    seconds = step_seconds(executable, inputs, options.rounds)
    sys.stdout.write(report(made, executable._open().plan.steps, seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Random models of supported operators against onnxruntime.

    python benchmarks/random_models.py          300 models
    python benchmarks/random_models.py 2000 16  2000 models of about 16 operators

Prints every model that is refused, or off by more than 1e-5 of an output's scale, with its seed
(`aivm.testing.onnx_models.random_model(seed, operators)` makes it again), and the worst error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from aivm.compiler import compile_model
from aivm.engines import open_engine
from aivm.errors import AivmError
from aivm.testing.onnx_models import random_model

GOAL = 1e-5


def main(arguments: list[str]) -> int:
    count = int(arguments[0]) if arguments else 300
    operators = int(arguments[1]) if len(arguments) > 1 else 8
    onnxruntime.set_default_logger_severity(4)
    worst, failed = 0.0, 0
    for seed in range(count):
        try:
            error = error_of(seed, operators)
        except AivmError as refusal:
            error = float("inf")
            sys.stdout.write(f"seed {seed}: {refusal}\n")
        if error > GOAL:
            failed += 1
            sys.stdout.write(f"seed {seed}: error {error:.1e}\n")
        worst = max(worst, error)
    sys.stdout.write(f"{count} models, {failed} beyond {GOAL:.0e}, worst {worst:.1e}\n")
    report = {"models": count, "operators": operators, "failed": failed, "worst": worst}
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    return 1 if failed else 0


def error_of(seed: int, operators: int) -> float:
    """The largest error of any output over its scale; infinite where integers differ."""
    model, feeds = random_model(seed, operators)
    data = model.SerializeToString()
    expected = onnxruntime.InferenceSession(data).run(None, feeds)
    compiled = compile_model(data, {name: array.shape for name, array in feeds.items()})
    executable = open_engine("native").load(compiled.program, compiled.constants)
    found = executable.run([feeds[name] for name in compiled.input_names])
    executable.close()
    worst = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if ours.dtype != np.float32:
            worst = max(worst, 0.0 if np.array_equal(ours, theirs) else float("inf"))
        elif ours.size:
            scale = float(np.abs(theirs).max()) or 1.0
            worst = max(worst, float(np.abs(ours - theirs).max()) / scale)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

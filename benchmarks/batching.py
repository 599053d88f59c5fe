"""P6: the best throughput of MiniLM with dynamic batching on two threads, against onnxruntime.

    python benchmarks/batching.py           or with --sequence 32 for one of them

onnxruntime gets its best batch size on two threads; the provider's side is `Batches` as its workers
use it, on one worker with two threads and on two workers with one each. Every answer is compared
with the bits of batch 1. Contestants take turns; each keeps its best slice.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import measure
import numpy as np
import onnxruntime

from aivm import config
from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.engines import open_engine
from aivm.engines.batches import Batches
from aivm.errors import AivmError, Mismatch
from aivm.testing.engines import same

THREADS = 2
SEQUENCES = (32, 128)
ROUNDS = 8
SIZES = (1, 2, 4, 8)
REQUESTS = max(SIZES)

Feed = dict[str, Array]


def requests(sequence: int) -> list[Feed]:
    """Different token ids and lengths, a request each."""
    rng = np.random.default_rng(6)
    made = []
    for number in range(REQUESTS):
        ids = rng.integers(1000, 30000, size=(1, sequence), dtype=np.int64)
        attended = np.arange(sequence) < sequence - number
        made.append({"input_ids": ids, "attention_mask": attended[None].astype(np.int64)})
    return made


def ort_session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options)


def ort_contestants(model: bytes, feeds: Sequence[Feed]) -> dict[str, Callable[[], object]]:
    """All requests in batches of one size."""
    session = ort_session(model)

    def contestant(size: int) -> Callable[[], object]:
        batches = [
            {
                name: np.concatenate([feed[name] for feed in feeds[at : at + size]])
                for name in feeds[0]
            }
            for at in range(0, REQUESTS, size)
        ]
        return lambda: [session.run(None, batch) for batch in batches]

    return {f"onnxruntime, batch {size}": contestant(size) for size in SIZES}


class Worker:
    """A loaded program on some threads, for batches of at most one size."""

    def __init__(self, model: bytes, feed: Feed, threads: int, size: int) -> None:
        made = compile_model(model, {name: array.shape for name, array in feed.items()})
        self.names = made.input_names
        sizes = [each for each in SIZES if 1 < each <= size]
        self.size = size
        engine = open_engine("native", threads=threads)
        self.batches = Batches(engine, made.program, made.constants, sizes)

    def run(self, feeds: Sequence[Feed]) -> list[list[Array]]:
        inputs = [[feed[name] for name in self.names] for feed in feeds]
        outcomes = []
        for at in range(0, len(inputs), self.size):
            outcomes += self.batches.run(inputs[at : at + self.size])
        answers = [each for each in outcomes if not isinstance(each, AivmError)]
        assert len(answers) == len(feeds)
        return answers


def our_contestants(model: bytes, feeds: Sequence[Feed]) -> dict[str, Callable[[], object]]:
    expected = Worker(model, feeds[0], 1, 1).run(feeds)

    def shared(size: int) -> Callable[[], object]:
        worker = Worker(model, feeds[0], THREADS, size)
        check(worker.run(feeds), expected)
        return lambda: worker.run(feeds)

    def apart(size: int) -> Callable[[], object]:
        workers = [Worker(model, feeds[0], 1, size) for _ in range(THREADS)]
        parts = [feeds[n::THREADS] for n in range(THREADS)]
        for worker, part, n in zip(workers, parts, range(THREADS), strict=True):
            check(worker.run(part), expected[n::THREADS])

        def run() -> None:
            # The kernels run outside the interpreter's lock, as separate workers would.
            pairs = zip(workers, parts, strict=True)
            threads = [threading.Thread(target=w.run, args=(part,)) for w, part in pairs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        return run

    together = {f"aivm, 1 worker, batch {size}": shared(size) for size in SIZES}
    return together | {f"aivm, 2 workers, batch {size}": apart(size) for size in (1, 4)}


def check(found: Sequence[Sequence[Array]], expected: Sequence[Sequence[Array]]) -> None:
    for answer, wanted in zip(found, expected, strict=True):
        if not all(map(same, answer, wanted)):
            raise Mismatch("a batch changes the bits of a request")


def take_turns(contestants: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Requests a second of each, in its best round."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: REQUESTS / seconds for name, seconds in best.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sequence", type=int, help="only this length")
    chosen = parser.parse_args().sequence
    sequences = SEQUENCES if chosen is None else (chosen,)
    model = build_model(fetch_model(config.load().cache_dir))
    rows: list[list[object]] = []
    ratios = {}
    for sequence in sequences:
        feeds = requests(sequence)
        rates = take_turns(ort_contestants(model, feeds) | our_contestants(model, feeds))
        rows += [[sequence, name, rate] for name, rate in rates.items()]
        ours = max(rate for name, rate in rates.items() if name.startswith("aivm"))
        theirs = max(rate for name, rate in rates.items() if not name.startswith("aivm"))
        ratios[sequence] = ours / theirs
    figure = " / ".join(f"{ratio:.2f}x" for ratio in ratios.values())
    result = {
        "requests_per_second": [
            {"sequence": row[0], "contestant": row[1], "rate": row[2]} for row in rows
        ],
        "cpus": os.cpu_count(),
        "targets": {
            "P6": {
                "figure": f"{figure} at sequence {' / '.join(map(str, sequences))}, bits equal",
                "goal": ">= 1.0x, bits equal to batch 1",
                "met": all(ratio >= 1.0 for ratio in ratios.values()),
            }
        },
    }
    measure.report("batching", result, measure.table(["seq", "contestant", "req/s"], rows))
    print(f"best of ours over best of onnxruntime: {figure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

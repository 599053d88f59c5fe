"""C4: identical bytes on every engine, build, thread count and batch size; V8 and aarch64 too.

    python benchmarks/identical.py              prints a table, writes benchmarks/identical.json

MiniLM and random programs run on the wasm engine, on every native build with 1 to 4 threads, on V8
(node) and on aarch64 (qemu) where those can be started; MiniLM at batch sizes 1 to 64 as well,
against each request on its own. Every row counts the runs that were compared and those that
differed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
from measure import report, table

from aivm import config
from aivm.commitments import Array
from aivm.compiler import compile_model
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.engines import Engine, open_engine
from aivm.isa.batching import batched
from aivm.isa.program import Program
from aivm.testing.compositions import composed_program
from aivm.testing.engines import fast_engines, same
from aivm.testing.foreign import foreign_engines
from aivm.testing.programs import random_program

BATCHES = (1, 2, 3, 7, 16, 64)
SEQUENCE = 16
DEMANDED = ("V8", "aarch64")


def main() -> int:
    parser = argparse.ArgumentParser(description="Identical bytes everywhere.")
    parser.add_argument("--programs", type=int, default=100)
    programs = parser.parse_args().programs
    cases = [*map(random_program, range(programs)), *map(composed_program, range(programs))]
    model = compile_model(
        build_model(fetch_model(config.load().cache_dir)),
        {"input_ids": (1, SEQUENCE), "attention_mask": (1, SEQUENCE)},
    )
    requests = minilm_requests(max(BATCHES))
    reference = open_engine("wasm")
    alone = [run(reference, model.program, model.constants, each) for each in requests]
    rows: list[list[object]] = []
    with foreign_engines() as foreign:
        for name, engine in {**fast_engines(), **foreign}.items():
            few = cases[:: 1 if name not in foreign else 10]
            wrong = sum(
                not equal(engine, case.program, case.constants, case.inputs) for case in few
            )
            rows.append([name, "random programs", len(few), wrong])
            batches = BATCHES if name not in foreign else BATCHES[:2]
            found = list(
                compare_batches(engine, model.program, model.constants, requests, alone, batches)
            )
            rows.append([name, f"MiniLM, batches {batches}", len(found), found.count(False)])
        missing = [name for name in DEMANDED if name not in foreign]
    compared, wrong = (sum(int(str(row[column])) for row in rows) for column in (2, 3))
    text = table(["engine", "what", "compared", "different"], rows)
    text += "".join(f"\n{name}: nothing here can run it" for name in missing)
    verdict = {
        "figure": f"{wrong} of {compared} different" + (f", without {missing}" if missing else ""),
        "goal": "0 different, on all",
        "met": wrong == 0 and not missing,
    }
    report("identical", {"rows": rows, "targets": {"C4": verdict}}, text)
    return 0


def minilm_requests(count: int) -> list[list[Array]]:
    """Sentences of 1 to SEQUENCE tokens."""
    rng = np.random.default_rng(0)
    requests = []
    for place in range(count):
        ids = rng.integers(1000, 30000, (1, SEQUENCE), np.int64)
        mask = (np.arange(SEQUENCE) <= place % SEQUENCE).astype(np.int64)[None]
        requests.append([ids, mask])
    return requests


def run(
    engine: Engine, program: Program, constants: Sequence[Array], inputs: Sequence[Array]
) -> list[Array]:
    with closing(engine.load(program, constants)) as executable:
        return executable.run(inputs)


def equal(
    engine: Engine, program: Program, constants: Sequence[Array], inputs: Sequence[Array]
) -> bool:
    expected = run(open_engine("wasm"), program, constants, inputs)
    return all(map(same, run(engine, program, constants, inputs), expected))


def compare_batches(
    engine: Engine,
    program: Program,
    constants: Sequence[Array],
    requests: Sequence[Sequence[Array]],
    alone: Sequence[Sequence[Array]],
    batches: Sequence[int],
) -> Iterator[bool]:
    """For every answer of every batch, whether it has the bytes of the request on its own."""
    for size in batches:
        together = batched(program, size)
        assert together is not None, "MiniLM stays within every limit"
        stacked = [np.stack(arrays) for arrays in zip(*requests[:size], strict=True)]
        outputs = run(engine, together, constants, stacked)
        for place in range(size):
            wanted = alone[place]
            yield all(same(o[place], w) for o, w in zip(outputs, wanted, strict=True))


if __name__ == "__main__":
    sys.exit(main())

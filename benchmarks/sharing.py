"""What each further worker costs in memory and time: MiniLM's packed weights, copied or mapped.

    python benchmarks/sharing.py          prints a table, writes benchmarks/sharing.json

Starts 1, 2 and 4 processes that open the package, load the program on the native engine and run it
once; "copied" packs the weights into the memory of every process, "mapped" maps one file. PSS
(proportional set size) divides a page among the processes that map it, so its sum is what all of
them take; the private part is what one more of them would add. Linux only.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import measure
import numpy as np

from aivm import config, kernels
from aivm.cache import open_cache
from aivm.chain.account import Account
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.engines.native import NativeEngine
from aivm.engines.plan.prepared import MAX_CACHE_BYTES, PreparedUnits
from aivm.packages import open_package, pack_model

SEQUENCE = 128
COUNTS = (1, 2, 4)
SHAPES = dict.fromkeys(("input_ids", "attention_mask"), (1, SEQUENCE))
FIELDS = ("Rss", "Pss", "Private_Dirty", "Private_Clean")


def main() -> int:
    if len(sys.argv) > 1:
        work(Path(sys.argv[1]), mapped=sys.argv[2] == "mapped")
        return 0
    cache = config.load().cache_dir
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "minilm"
        pack_model(
            build_model(fetch_model(cache)),
            name="benchmark/minilm",
            version="1.0.0",
            license="Apache-2.0",
            shapes=[SHAPES],
            out_dir=package,
            signer=Account.generate(),
            created=0,
        )
        measured(package, 1, "mapped")  # makes the files
        results = {
            f"{mode} x{count}": measured(package, count, mode)
            for count in COUNTS
            for mode in ("copied", "mapped")
        }
    columns = ("workers", "rss each MB", "pss all MB", "private each MB", "load ms")
    rows = [(name, *figures.values()) for name, figures in results.items()]
    measure.report("sharing", results, measure.table(columns, rows))
    return 0


def measured(package: Path, count: int, mode: str) -> dict[str, float]:
    """Memory of `count` processes that run at once, and the time that loading took them."""
    command = [sys.executable, __file__, str(package), mode]
    workers = []
    for _ in range(count):  # one after another: loading times of one process, not of a crowd
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        workers.append((worker, float(worker.stdout.readline())))
    memory = [_memory(worker.pid) for worker, _ in workers]
    for worker, _ in workers:
        worker.communicate()
    private = [sizes["Private_Dirty"] + sizes["Private_Clean"] for sizes in memory]
    return {
        "rss_each_mb": median(sizes["Rss"] for sizes in memory),
        "pss_all_mb": sum(sizes["Pss"] for sizes in memory),
        "private_each_mb": median(private),
        "load_ms": min(milliseconds for _, milliseconds in workers),
    }


def _memory(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1000 for line in lines}
    return {field: sizes[field] for field in FIELDS}


def work(folder: Path, *, mapped: bool) -> None:
    """One worker: loads, runs, says how long loading took, and stays until it is told to go."""
    digest = kernels.digest(kernels.native_targets()[0])
    cache = open_cache("prepared", max_bytes=MAX_CACHE_BYTES)
    prepared = PreparedUnits(digest, cache) if mapped else None
    engine = NativeEngine(kernels.library(), 1, None, None, prepared)
    package = open_package(folder)
    entry = package.manifest.entries[0].name
    program, constants = package.program(entry), package.constants(entry)
    started = time.perf_counter()
    executable = engine.load(program, constants)
    milliseconds = (time.perf_counter() - started) * 1000
    inputs = [np.ones(kind.shape, np.int64) for kind in program.inputs]
    executable.run(inputs)
    print(milliseconds, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    sys.exit(main())

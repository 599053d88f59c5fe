"""P13: the CID of a 90 MB file, and the verified fetch of it from a peer in another process.

    python benchmarks/storage.py            prints a table, writes benchmarks/storage.json

MB are 10^6 bytes. The file is in the page cache; both figures are medians of several runs. The peer
verifies what it reads, the client verifies what it gets and writes it to disk with fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import aiohttp
from aiohttp import web

from aivm.commitments.cid import Cid
from aivm.packages.files import file_dag
from aivm.storage import BlockStore, create_app, fetch

SIZE_BYTES = 90_000_000
ROUNDS = 7
GOALS = {"cid": 400.0, "fetch": 150.0}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    options = arguments.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(Path(folder), options.rounds)
    report = {
        name: {"mb_per_s": round(statistics.median(found), 1), "best": round(max(found), 1),
               "worst": round(min(found), 1)}
        for name, found in measured.items()
    }  # fmt: skip
    rates = {name: report[name]["mb_per_s"] for name in GOALS}
    target = {
        "figure": " / ".join(f"{rate:.0f} MB/s" for rate in rates.values()),
        "goal": " / ".join(f">= {goal:.0f} MB/s" for goal in GOALS.values()),
        "met": all(rates[name] >= goal for name, goal in GOALS.items()),
    }
    document = {**report, "targets": {"P13": target}}
    Path(__file__).with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n")
    lines = [f"{'90 MB file, MB/s':30} {'median':>8} {'best':>8} {'worst':>8}   goal"]
    for name, row in report.items():
        goal = f"{GOALS[name]:.0f}" if name in GOALS else ""
        rates = (row["mb_per_s"], row["best"], row["worst"])
        lines.append(f"{name:30} " + " ".join(f"{rate:8.0f}" for rate in rates) + f"   {goal}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    path = folder / "weights.bin"
    path.write_bytes(random.Random(7).randbytes(SIZE_BYTES))
    rates: dict[str, list[float]] = {"cid": [], "cid, one thread": [], "sha256 alone": []}
    for _ in range(rounds):  # interleaved, so that a busy machine slows all of them
        rates["cid"].append(rate(lambda: file_dag(path)))
        rates["cid, one thread"].append(rate(lambda: file_dag(path, threads=1)))
        rates["sha256 alone"].append(rate(lambda: sha256(path.read_bytes())))
    rates["fetch"] = asyncio.run(measure_fetch(folder, path, rounds))
    return rates


async def measure_fetch(folder: Path, path: Path, rounds: int) -> list[float]:
    with BlockStore(folder / "store") as store:
        cid = store.add_file(path, copy=False).cid
    command = [sys.executable, __file__, "--serve", str(folder / "store")]
    peer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert peer.stdout is not None
    url = (await peer.stdout.readline()).decode().strip()
    try:
        return [await fetch_rate(url, cid, folder / f"{i}.bin") for i in range(rounds)]
    finally:
        peer.terminate()
        await peer.wait()


async def fetch_rate(url: str, cid: Cid, destination: Path) -> float:
    start = time.perf_counter()
    async with aiohttp.ClientSession() as session:
        await fetch(session, [url], cid, destination, max_bytes=SIZE_BYTES)
    seconds = time.perf_counter() - start
    assert file_dag(destination).entry.cid == cid
    destination.unlink()
    return SIZE_BYTES / 1e6 / seconds


async def serve(store_path: Path) -> None:
    with BlockStore(store_path) as store:
        runner = web.AppRunner(create_app(store), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def rate(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return SIZE_BYTES / 1e6 / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())

"""P14: the start of the sandbox in a new process, for a guest that has been compiled before.

    python benchmarks/sandbox.py [--processes N]

From the first look at the guest's bytes to an instance that answers a call: hash, machine code from
the disk cache, store, memory, instance. Weights are not part of it. The compilation that the cache
saves is measured beside it. Each figure is the best of several fresh processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from measure import report

GOAL_MS = 5.0
PROCESSES = 10

# One start, in a process that has imported what a server has imported.
START = """
import json, time
import wasmtime
from aivm import kernels
from aivm.engines.wasm import compiled
from aivm.engines.wasm.guest import Guest

def timed(work):
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)

times = {"load": timed(compiled.guest_module)}
times["instantiate"] = timed(lambda: Guest(None))
times["again"] = timed(lambda: Guest(None))
guest = kernels.wasm_path().read_bytes()
engine = wasmtime.Engine(compiled.configuration())
times["compile"] = timed(lambda: wasmtime.Module(engine, guest))
print(json.dumps(times))
"""


def start() -> dict[str, float]:
    """Milliseconds of the parts of one start."""
    command = [sys.executable, "-c", START]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(found.stdout)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Start of the sandbox.")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    processes = parser.parse_args().processes
    start()  # fills the cache
    starts = [start() for _ in range(processes)]
    best = {part: min(times[part] for times in starts) for part in starts[0]}
    total = min(times["load"] + times["instantiate"] for times in starts)
    text = "milliseconds\n" + "\n".join(f"{part:12} {ms:8.2f}" for part, ms in best.items())
    text += f"\n{'start':12} {total:8.2f}   (load + instantiate)"
    verdict = {"figure": f"{total:.2f} ms", "goal": f"<= {GOAL_MS:.0f} ms", "met": total <= GOAL_MS}
    report("sandbox", {"milliseconds": best, "targets": {"P14": verdict}}, text)


if __name__ == "__main__":
    main()

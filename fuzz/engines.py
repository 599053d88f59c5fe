"""Random programs on every engine, for hours; any difference is a defect.

    python fuzz/engines.py --programs 100000           or --minutes 480; continues where it stopped
    python fuzz/engines.py --programs 1000 --seed 7    another, separate series of programs
    python fuzz/engines.py --only 12345                one program again, after a failure

Programs come from `aivm.testing`: half of them random instructions on small odd shapes, half what
compilers emit at sizes that cross tile edges; one in twenty is large, and then the reference engine
is left out. Each is a function of its number. A failure is printed as that number with the first
differing instruction and element, and as the smallest program that still fails.
Exit status: 0 no difference, 3 a difference or a crash, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from aivm.errors import AivmError
from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import LARGE, composed_program
from aivm.testing.differential import Tally, differences, expected_trace
from aivm.testing.engines import fast_engines
from aivm.testing.shrinking import shrunk

CHUNK = 100  # programs a process takes at a time
SERIES = 10**12  # numbers of one --seed: its programs are seed * SERIES + 0, 1, 2, ...
CHUNK_SECONDS = 900  # a chunk that takes longer hangs
STATE = Path(__file__).resolve().parent / "state"


def program_of(number: int) -> RandomProgram:
    """The program of that number."""
    dice = np.random.Generator(np.random.PCG64([number, 0]))
    kind = dice.random()
    if kind < 0.05:
        return composed_program(number, budget=LARGE)
    if kind < 0.5:
        return composed_program(number)
    size = int(dice.choice([6, 16, 40]))
    return random_program(number, max_instructions=size, faults=kind > 0.95)


def failure_of(number: int, tally: Tally) -> str | None:
    """What is wrong with the program of that number, as a line; None if nothing is."""
    try:
        found = next(differences(program_of(number), tally), None)
    except AivmError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:  # a defect of any kind is what is looked for
        return f"{type(error).__name__}: {error}"
    return None if found is None else str(found)


def run_chunk(first: int) -> tuple[Tally, dict[int, str]]:
    tally = Tally()
    failures = {}
    for number in range(first, first + CHUNK):
        failure = failure_of(number, tally)
        if failure is not None:
            failures[number] = failure
    return tally, failures


# --- progress -------------------------------------------------------------------------------------


@dataclass
class Progress:
    """What a series has behind it; kept on disk, so that it can be continued."""

    seed: int
    next: int = 0  # every program before it has been run
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)
    failures: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def path(seed: int) -> Path:
        return STATE / f"engines-{seed}.json"

    @classmethod
    def load(cls, seed: int) -> Progress:
        path = cls.path(seed)
        if not path.exists():
            return cls(seed)
        kept = json.loads(path.read_text())
        return cls(**{**kept, "tally": Tally(**kept["tally"])})

    def save(self) -> None:
        STATE.mkdir(exist_ok=True)
        fresh = self.path(self.seed).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2) + "\n")
        fresh.replace(self.path(self.seed))

    def line(self) -> str:
        done = self.tally
        rate = done.programs / self.seconds if self.seconds else 0.0
        return (
            f"{done.programs} programs, {done.runs} runs compared, {len(self.failures)} failures,"
            f" {rate:.1f} programs/s, {self.seconds / 3600:.2f} h;"
            f" {done.without_reference} too large for the reference engine,"
            f" {done.faults} faults on all engines,"
            f" {done.refusals} refusals of another floating-point mode"
        )


def fuzz(progress: Progress, programs: int | None, minutes: float | None, jobs: int) -> None:
    """Runs chunks until the series has `programs`, or for so many minutes."""
    begin, before = time.monotonic(), progress.seconds
    base = progress.seed * SERIES

    def goes_on(at: int) -> bool:
        enough = programs is not None and at >= programs
        return not enough and (minutes is None or time.monotonic() - begin < minutes * 60)

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting: list[tuple[int, Future[tuple[Tally, dict[int, str]]]]] = []
        at = progress.next
        while True:
            while len(waiting) < 2 * jobs and goes_on(at):
                waiting.append((at, pool.submit(run_chunk, base + at)))
                at += CHUNK
            if not waiting:
                return
            first, chunk = waiting.pop(0)
            try:
                tally, failures = chunk.result(CHUNK_SECONDS)
            except (BrokenProcessPool, TimeoutError):
                suspects = [first, *(number for number, _ in waiting)]
                report_crash(progress, [base + number for number in suspects])
                for process in pool._processes.values():
                    process.kill()
                return
            progress.tally.add(tally)
            progress.next = first + CHUNK
            progress.seconds = before + time.monotonic() - begin
            progress.failures |= {str(n): text for n, text in failures.items()}
            progress.save()
            for number, text in failures.items():
                print(f"program {number}: {text}", flush=True)
                print(smallest(number), flush=True)
            print(progress.line(), file=sys.stderr, flush=True)


# --- failures -------------------------------------------------------------------------------------


def smallest(number: int) -> str:
    """The smallest program that fails like this one, as text."""

    def find(case: RandomProgram) -> int | None:
        found = next(differences(case, Tally()), None)
        return None if found is None else found.instruction

    case = program_of(number)
    if find(case) is None:
        return "  (it does not fail any more: something else than the program decides)"
    case = shrunk(case, find, expected_trace)
    lines = [f"  {next(differences(case, Tally()))}"]
    lines += [f"  input {type_}" for type_ in case.program.inputs]
    lines += [f"  constant {constant.type}" for constant in case.program.constants]
    lines += [f"  {instruction}" for instruction in case.program.instructions]
    return "\n".join([*lines, f"  outputs {case.program.outputs}"])


def report_crash(progress: Progress, chunks: list[int]) -> None:
    """Finds the program that kills or hangs its process, each in a process of its own."""
    for number in (n for first in chunks for n in range(first, first + CHUNK)):
        command = [sys.executable, __file__, "--only", str(number)]
        try:
            status = subprocess.run(
                command, timeout=60, capture_output=True, check=False
            ).returncode
            text = f"killed by signal {-status}" if status < 0 else ""
        except subprocess.TimeoutExpired:
            text = "hangs"
        if text:
            progress.failures[str(number)] = text
            progress.save()
            print(f"program {number}: {text}", flush=True)
            return
    print("a process died, but no program kills one when run alone: memory?", flush=True)
    progress.failures["?"] = "a process died"
    progress.save()


def run_one(number: int) -> Iterator[str]:
    tally = Tally()
    failure = failure_of(number, tally)
    if failure is None:
        yield f"program {number}: no difference in {tally.runs} runs"
        return
    yield f"program {number}: {failure}"
    yield smallest(number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--programs", type=int, help="stop when the series has so many")
    parser.add_argument("--minutes", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, default=0, help="which series of programs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", type=int, help="run one program, by its number")
    parser.add_argument("--fresh", action="store_true", help="forget how far the series has come")
    arguments = parser.parse_args()
    if arguments.only is not None:
        lines = list(run_one(arguments.only))
        print("\n".join(lines))
        return 0 if len(lines) == 1 else 3
    if arguments.programs is None and arguments.minutes is None:
        parser.error("say how long: --programs or --minutes")
    progress = Progress(arguments.seed) if arguments.fresh else Progress.load(arguments.seed)
    print(f"engines: reference, {', '.join(fast_engines())}", file=sys.stderr)
    fuzz(progress, arguments.programs, arguments.minutes, arguments.jobs)
    print(progress.line())
    return 3 if progress.failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""The kernels under AddressSanitizer, UndefinedBehaviorSanitizer, MemorySanitizer, ThreadSanitizer
and libFuzzer.

    python fuzz/sanitize.py                        everything, a few minutes
    python fuzz/sanitize.py --programs 20000 --seconds 3600
    python fuzz/sanitize.py --only tapes --sanitizer address --build native-v4

`tapes` replays the plans of random programs with every buffer allocated at its exact size and
compares the results; `hashes` and `elements` are libFuzzer targets. zig's clang instruments the
kernels (they need a recent one); linking takes a clang with the sanitizers' runtimes, which zig
does not ship (Debian: apt-get install clang-19 libclang-rt-19-dev).
Exit status: 0 nothing found, 3 a finding, 2 no clang.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aivm import kernels
from aivm.commitments import Array
from aivm.engines.base import checked_constants, checked_inputs
from aivm.engines.native.engine import NativeMachine
from aivm.engines.plan.plan import Plan, plan_inference, plan_trace
from aivm.engines.plan.products import Target
from aivm.engines.plan.tape import Step, encode
from aivm.errors import InvalidIndex
from aivm.testing import RandomProgram, random_program
from aivm.testing.compositions import composed_program
from aivm.testing.engines import fast_engines

KERNELS = Path(__file__).resolve().parent.parent / "kernels"
SANITIZERS = {
    "address": "address,undefined,float-cast-overflow",
    "memory": "memory",
    "thread": "thread",
}
CPUS = {
    "native-v3": ("x86_64_v3",),
    "native-v4": ("x86_64_v4", "-mprefer-vector-width=512"),
    "native-v4-vnni": ("x86_64_v4+avx512vnni", "-mprefer-vector-width=512"),
}
BATCH = 250  # programs in one file


@dataclass(frozen=True)
class Toolchain:
    """Where to build, and what links."""

    clang: str
    folder: Path

    def build(self, test: str, build: str, sanitizer: str, *, fuzzer: bool = False) -> Path:
        """The program of `kernels/test/<test>.c` with the instrumented kernels."""
        kinds = SANITIZERS[sanitizer]
        objects = self.objects(build, kinds + (",fuzzer-no-link" if fuzzer else ""))
        program = self.folder / f"{test}-{build}-{sanitizer}"
        command = [self.clang, "-std=gnu17", "-g", "-O1", "-march=x86-64-v3", "-Iinclude"]
        command += [f"-fsanitize={kinds}{',fuzzer' if fuzzer else ''}", "-fno-sanitize-recover=all"]
        command += ["-pthread", "-o", str(program), f"test/{test}.c", *map(str, objects)]
        subprocess.run(command, cwd=KERNELS, check=True)
        return program

    def objects(self, build: str, kinds: str) -> list[Path]:
        """The kernels, instrumented; memory.c stays out, because the runtimes watch libc's."""
        folder = self.folder / f"{build}-{kinds}"
        folder.mkdir(exist_ok=True)
        cpu, *flags = CPUS[build]
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu"]
        command += [f"-mcpu={cpu}", *flags, "-std=c17", "-g", "-O1", "-ffp-contract=off"]
        command += ["-fno-omit-frame-pointer", f"-fsanitize={kinds}", "-fno-sanitize-trap=all"]
        command += ["-fno-sanitize-recover=all", "-Iinclude", "-c"]
        found = []
        for source in sorted((KERNELS / "src").glob("*.c")):
            target = folder / f"{source.stem}.o"
            if source.stem != "memory" and not target.exists():
                subprocess.run([*command, "-o", target, source], cwd=KERNELS, check=True)
            found += [target] if target.exists() else []
        return found


# --- tapes ----------------------------------------------------------------------------------------


def program_of(number: int) -> RandomProgram:
    if number % 5 == 4:
        return random_program(number, max_instructions=12, faults=True)
    return composed_program(number) if number % 2 else random_program(number, max_instructions=16)


def target_of(build: str) -> Target:
    """What the planner must know of that build."""
    with closing(NativeMachine(kernels.library(build), 1, None)) as machine:
        return machine.target


def expected_trace(case: RandomProgram) -> list[Array] | None:
    """Every result, or None where the program is a fault."""
    try:
        with closing(fast_engines()["wasm"].load(case.program, case.constants)) as executable:
            return list(executable.trace(case.inputs))
    except InvalidIndex:
        return None


def cases_of(number: int, target: Target) -> Iterator[bytes]:
    """The fused and the unfused plan of a program, as kernels/test/replay.c reads them."""
    case = program_of(number)
    trace = expected_trace(case)
    results = trace or []
    outputs = (
        [results[v - case.program.first_instruction] for v in case.program.outputs] if trace else []
    )
    workers = 1 + number % 4
    fused = plan_inference(case.program, target, constants_in_place=True)
    yield encoded(number, workers, case, fused, outputs if trace else None)
    unfused = plan_trace(case.program, target, constants_in_place=True)
    yield encoded(number, workers, case, unfused, trace)


def encoded(
    number: int, workers: int, case: RandomProgram, plan: Plan, results: list[Array] | None
) -> bytes:
    constants = checked_constants(case.program, case.constants)
    given = dict(zip(plan.inputs, checked_inputs(case.program, case.inputs), strict=True))
    given |= dict(enumerate(constants, start=case.program.first_constant))
    contents = {buffer: array.tobytes() for buffer, array in given.items()} | dict(plan.literals)
    chunks = [words(number, results is None, workers, plan.scratch_bytes, len(plan.sizes))]
    for buffer, size in enumerate(plan.sizes):
        chunks += [words(size, buffer in contents), padded(contents.get(buffer, b""))]
    setup = [entry for entry in plan.setup if isinstance(entry, Step)]
    steps = [*setup, *plan.steps]
    tape = encode(steps, dict.fromkeys(range(len(plan.sizes)), 0).__getitem__)
    chunks += [words(sum(3 + len(step.words) for step in setup), len(tape)), tape.tobytes()]
    fixes = list(fixups(steps))
    chunks += [words(len(fixes)), *(words(*fix) for fix in fixes)]
    wanted = [
        (address, array.tobytes())
        for address, array in zip(plan.results, results or [], strict=False)
        if array.size
    ]
    chunks.append(words(len(wanted)))
    for address, content in wanted:
        chunks += [words(address.buffer, address.offset, len(content)), padded(content)]
    return b"".join(chunks)


def fixups(steps: list[Step]) -> Iterator[tuple[int, int]]:
    """Where in the tape an address stands, and of which buffer."""
    position = 0
    for step in steps:
        for offset, word in enumerate(step.words, start=position + 3):
            if not isinstance(word, int):
                yield offset, word.buffer
        position += 3 + len(step.words)


def words(*numbers: int) -> bytes:
    return np.array(numbers, dtype=np.int64).tobytes()


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 8)


def replay(program: Path, build: str, first: int, count: int) -> str | None:
    """What the sanitizer says about these programs; None if nothing."""
    target = target_of(build)
    for begin in range(first, first + count, BATCH):
        numbers = range(begin, min(begin + BATCH, first + count))
        with tempfile.NamedTemporaryFile() as file:
            for number in numbers:
                for case in cases_of(number, target):
                    file.write(case)
            file.flush()
            done = subprocess.run([program, file.name], capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stdout.strip().splitlines()[-1:] or ["no program"]
            return f"{last[0]}, status {done.returncode}\n{done.stderr}"
    return None


# --- all ------------------------------------------------------------------------------------------


def find_clang() -> str | None:
    names = [f"clang-{version}" for version in range(30, 15, -1)]
    return next((found for name in (*names, "clang") if (found := shutil.which(name))), None)


def sanitize_tapes(tools: Toolchain, arguments: argparse.Namespace) -> Iterator[str]:
    builds = kernels.native_targets()
    for sanitizer in [arguments.sanitizer] if arguments.sanitizer else SANITIZERS:
        # Every build has code of its own; races and unset memory are the same in all of them.
        chosen = builds if sanitizer == "address" else builds[-1:]
        for build in [arguments.build] if arguments.build else chosen:
            program = tools.build("replay", build, sanitizer)
            finding = replay(program, build, arguments.first, arguments.programs)
            print(f"tapes of {arguments.programs} programs, {build}, {sanitizer}:", flush=True)
            print(f"  {finding or 'nothing found'}", flush=True)
            if finding:
                yield finding


def run_fuzzer(tools: Toolchain, name: str, seconds: int) -> Iterator[str]:
    program = tools.build(f"fuzz_{name}", kernels.native_targets()[-1], "address", fuzzer=True)
    corpus = Path(__file__).resolve().parent / "state" / f"corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", "-max_len=3000", "-print_final_stats=1"]
    command += [f"-artifact_prefix={corpus.parent}/{name}-", str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines()
    runs = [line.split()[-1] for line in lines if "number_of_executed_units" in line]
    print(f"libFuzzer on {name}: {runs[0] if runs else '?'} inputs in {seconds} s")
    print(f"  {done.stderr if done.returncode else 'nothing found'}", flush=True)
    if done.returncode:
        yield done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--programs", type=int, default=300, help="tapes: for each build")
    parser.add_argument("--first", type=int, default=0, help="tapes: number of the first program")
    parser.add_argument("--seconds", type=int, default=30, help="libFuzzer: for each target")
    parser.add_argument("--only", choices=("tapes", "hashes", "elements"))
    parser.add_argument("--sanitizer", choices=SANITIZERS)
    parser.add_argument("--build", choices=CPUS)
    arguments = parser.parse_args()
    clang = find_clang()
    if clang is None:
        print("a clang with its sanitizers is needed (apt-get install clang-19 libclang-rt-19-dev)")
        return 2
    findings: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        tools = Toolchain(clang, Path(folder))
        if arguments.only in (None, "tapes"):
            findings += sanitize_tapes(tools, arguments)
        for name in ("hashes", "elements"):
            if arguments.only in (None, name):
                findings += run_fuzzer(tools, name, arguments.seconds)
    return 3 if findings else 0


if __name__ == "__main__":
    os.environ.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    sys.exit(main())

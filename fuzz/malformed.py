"""Broken models, programs and documents, for hours: nothing but an AivmError may leave.

    python fuzz/malformed.py --minutes 60 [--seed 7]

Each case has a time and the process a bound on memory. A finding is printed with what makes it
again: the kind, its seed, and the error. Exit status: 0 nothing found, 3 a finding.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from types import FrameType

from aivm.compiler import compile_model
from aivm.errors import AivmError, InternalError
from aivm.isa import RECORD_BYTES, decode, encode, gas_units
from aivm.packages.manifest import parse_manifest
from aivm.receipts import parse_receipt, parse_voucher
from aivm.testing import random_program
from aivm.testing.onnx_mutants import mutant
from aivm.testing.small_models import small_models

SECONDS = 20  # more than any mutant of a small model may take
MEMORY_BYTES = 6 << 30
MODELS = small_models()


def broken_model(seed: int) -> str:
    dice = random.Random(seed)
    name = dice.choice(sorted(MODELS))
    data = mutant(MODELS[name], seed, dice.choice((1, 1, 2, 4)))
    compiled = compile_model(data, {})
    assert decode(encode(compiled.program)) == compiled.program
    return "accepted"


def broken_program(seed: int) -> str:
    """A record with a wrong byte or field, records lost or doubled; accepted only if canonical."""
    dice = random.Random(seed)
    data = bytearray(encode(random_program(seed % 5000).program))
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.randrange(len(data) // RECORD_BYTES) * RECORD_BYTES
        at += dice.randrange(RECORD_BYTES if dice.random() < 0.5 else 64)
        data[at] = dice.choice((data[at] ^ 1 << dice.randrange(8), 0, 1, 127, 128, 255))
    if dice.random() < 0.1:
        at = dice.randrange(len(data))
        del data[at : at + dice.choice((1, RECORD_BYTES))]
    program = decode(bytes(data))
    assert encode(program) == data
    assert gas_units(program) > 0
    return "accepted"


def broken_document(seed: int) -> str:
    """JSON-like bytes for every parser of documents."""
    dice = random.Random(seed)
    alphabet = b'{}[]",:0123456789.-+eE\\u truefalsn\x00\xff"aivmchanelsqx'
    deep = dice.choice((b"[", b'{"a":', b'"', b"-", b"1")) * dice.choice((1, 100, 200_000))
    noise = bytes(dice.choice(alphabet) for _ in range(dice.randrange(200)))
    for parse in (parse_manifest, parse_receipt, parse_voucher):
        for data in (deep, noise, deep + noise):
            try:
                parse(data)
            except InternalError:
                raise
            except AivmError:
                continue
            raise AssertionError(f"{parse.__name__} accepted {data[:60]!r}")
    return "refused"


KINDS: dict[str, tuple[Callable[[int], str], int]] = {
    "model": (broken_model, 6),
    "program": (broken_program, 3),
    "document": (broken_document, 1),
}


class Hangs(Exception):
    """The case took too long."""


def _alarm(_number: int, _frame: FrameType | None) -> None:
    raise Hangs(f"no answer in {SECONDS} s")


def outcome(kind: str, seed: int) -> tuple[str, str | None]:
    """How a case ended, and what is wrong with that, if anything is."""
    run, _ = KINDS[kind]
    signal.alarm(SECONDS)
    try:
        return run(seed), None
    except InternalError:
        return "InternalError", traceback.format_exc(limit=-4)
    except AivmError as error:
        return type(error).__name__, None
    except (Exception, RecursionError, MemoryError) as error:
        return type(error).__name__, traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "SEED"), help="one case again")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, _alarm)
    if arguments.only:
        kind, seed = arguments.only
        ended, wrong = outcome(kind, int(seed))
        print(f"{kind} {seed}: {ended}\n{wrong or ''}")
        return 3 if wrong else 0
    kinds = [kind for kind, (_, weight) in KINDS.items() for _ in range(weight)]
    ends: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    end, seed = time.monotonic() + arguments.minutes * 60, arguments.seed
    while time.monotonic() < end:
        kind = kinds[seed % len(kinds)]
        ended, wrong = outcome(kind, seed)
        ends[f"{kind}: {ended}"] += 1
        if wrong:
            place = wrong.strip().splitlines()[-3:]
            findings["\n".join(place)] += 1
            if findings["\n".join(place)] == 1:
                print(f"{kind} {seed}: {ended}\n{wrong}", flush=True)
        seed += 1
    for name, count in sorted(ends.items()):
        print(f"{count:9} {name}")
    print(f"{sum(ends.values())} cases, {sum(findings.values())} findings, next seed {seed}")
    return 3 if findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""The largest error of every scalar function over all 2**32 words, against binary64.

    python benchmarks/ulp.py [FUNCTION ...]     measure; write docs/specification/accuracy.json

A minute or two of one core for each function; as many processes as there are cores. POW is measured
over pseudo-random pairs, chosen so that its results have every size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "kernels" / "test" / "ulp.c"
TABLE = ROOT / "docs" / "specification" / "accuracy.json"
PARTS = 16
PAIRS = 20_000_000
FUNCTIONS = (
    *("exp", "log", "tanh", "erf", "sigmoid", "sin", "cos", "softplus"),
    *("atan", "asin", "acos", "log1p", "expm1", "tan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    "pow",
)


def build(folder: str) -> Path:
    program = Path(folder) / "ulp"
    flags = ["-mcpu=x86_64_v3", "-O3", "-ffp-contract=off", f"-I{ROOT / 'kernels' / 'include'}"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu", *flags]
    subprocess.run([*command, str(SOURCE), "-o", str(program), "-lm"], check=True)
    return program


def measure(program: Path, name: str) -> dict[str, str]:
    """The worst word of the whole range. RuntimeError where a special case is wrong."""
    size = (PAIRS if name == "pow" else 2**32) // PARTS

    def part(index: int) -> list[str]:
        command = [str(program), name, str(index * size), str(size)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(part, range(PARTS)))
    if any(int(wrong) for _, _, _, wrong in parts):
        raise RuntimeError(f"{name} differs from the C library in a special case")
    _, error, word, _ = max(parts, key=lambda fields: float(fields[1]))
    return {"ulp": error, "word": word}


def main(names: list[str]) -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        for name in names or FUNCTIONS:
            table[name] = measure(program, name)
            print(name, table[name]["ulp"], table[name]["word"], flush=True)
            TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

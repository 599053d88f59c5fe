"""Measure the promised figures and say of each whether its goal is met.

    python benchmarks/targets.py            all that can be measured so far
    python benchmarks/targets.py P1 P8      only these

Each program beside this file measures some targets against peers in the same run and writes a JSON
file with a `targets` table; this one runs them and collects that into benchmarks/targets.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROGRAMS = {
    "P1": "minilm",
    "P2": "minilm",
    "P3": "gemm",
    "P4": "convolution",
    "P5": "byte_products",
    "P6": "batching",
    "P7": "decoding",
    "P8": "trust",
    "P9": "dispute",
    "P12": "first_inference",
    "P13": "storage",
    "P14": "sandbox",
    "P15": "cuda",
    "C1": "conformance",
    "C2": "conformance",
    "C3": "accuracy",
    "C4": "identical",
}
# Measured only where it is asked for by name: it needs an NVIDIA GPU.
ON_REQUEST = {"P15"}


def main(wanted: list[str]) -> int:
    if unknown := sorted(set(wanted) - set(PROGRAMS)):
        sys.stderr.write(f"no program measures {', '.join(unknown)} yet\n")
        return 2
    chosen = wanted or [target for target in PROGRAMS if target not in ON_REQUEST]
    found: dict[str, dict[str, object]] = {}
    for program in dict.fromkeys(PROGRAMS[target] for target in chosen):
        sys.stderr.write(f"running {program}\n")
        subprocess.run(
            [sys.executable, FOLDER / f"{program}.py"], check=True, stdout=sys.stderr, cwd=FOLDER
        )
        found |= json.loads((FOLDER / f"{program}.json").read_text())["targets"]
    rows = {target: found[target] for target in chosen}
    (FOLDER / "targets.json").write_text(json.dumps(rows, indent=2) + "\n")
    for target, row in rows.items():
        verdict = "met" if row["met"] else "short"
        sys.stdout.write(f"{target:4} {row['figure']:40} goal {row['goal']:46} {verdict}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

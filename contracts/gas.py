"""Measure the gas of usual transactions, and compare with the figures that are checked in.

    python contracts/gas.py             # measure and write snapshots/gas.json
    python contracts/gas.py --check     # exit 1 if a figure differs by more than 1 %

The ceilings that AIVM promises (one redemption, one of ten in a batch, one float operation) are
asserted in the tests that measure, test/*Gas.t.sol. What disputes take is measured in whole games
(game_gas.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import game_gas

HERE = Path(__file__).resolve().parent
KEPT = HERE / "snapshots" / "gas.json"
MEASURED = HERE / "out" / "snapshots" / "gas.json"
TOLERANCE = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="measure and compare, write nothing")
    check = parser.parse_args().check
    measured = measure()
    if check:
        return compare(json.loads(KEPT.read_text(encoding="utf-8")), measured)
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print_table(measured)
    return 0


def measure() -> dict[str, int]:
    """Gas by the name that the measuring test gives it."""
    MEASURED.unlink(missing_ok=True)
    environment = os.environ | {"FOUNDRY_PROFILE": "gas"}
    done = subprocess.run(
        ["npm", "test", "--silent"], cwd=HERE, env=environment, stdout=subprocess.PIPE
    )
    if done.returncode != 0:
        sys.exit(done.stdout.decode() + "gas.py: the measuring tests failed")
    found = json.loads(MEASURED.read_text(encoding="utf-8")) | game_gas.measure()
    return {name: int(gas) for name, gas in sorted(found.items())}


def compare(kept: dict[str, int], measured: dict[str, int]) -> int:
    differing = sorted(
        name for name in kept.keys() | measured.keys() if differs(kept, measured, name)
    )
    for name in differing:
        print(
            f"{name}: {kept.get(name, 'not kept')} before, {measured.get(name, 'not measured')} now"
        )
    if not differing:
        print(f"{len(kept)} figures are within {TOLERANCE:.0%}")
    return 1 if differing else 0


def differs(kept: dict[str, int], measured: dict[str, int], name: str) -> bool:
    if name not in kept or name not in measured:
        return True
    return abs(measured[name] - kept[name]) > TOLERANCE * kept[name]


def print_table(measured: dict[str, int]) -> None:
    width = max(map(len, measured))
    for name, gas in measured.items():
        print(f"{name:{width}} {gas:>9,}")


if __name__ == "__main__":
    sys.exit(main())

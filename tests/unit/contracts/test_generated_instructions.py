"""The Solidity tables of the instruction set are what the generator writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_tables_are_those_of_isa(contracts: Path) -> None:
    command = [sys.executable, str(contracts / "generate_instructions.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0

"""The generated C header is what the specification gives today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aivm.numerics.functions import UNARY

KERNELS = Path(__file__).parents[3] / "kernels"


def test_the_committed_header_is_up_to_date() -> None:
    command = [sys.executable, str(KERNELS / "generate_functions.py"), "--check"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_every_function_is_defined_once() -> None:
    text = (KERNELS / "include" / "functions.gen.h").read_text(encoding="utf-8")
    for name in [*UNARY, "pow", "fmod"]:
        assert text.count(f" fn_{name}(") == 1, name

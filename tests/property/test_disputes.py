"""A hundred disputes about random programs, as `fuzz/disputes.py` plays them for hours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZER = Path(__file__).parents[2] / "fuzz" / "disputes.py"


def test_the_honest_side_wins_disputes_about_random_programs() -> None:
    command = [sys.executable, str(FUZZER), "--games", "120"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 games, 0 findings" in done.stdout

"""The store at the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_package_is_kept_listed_and_let_go(aivm: Any, package: Path) -> None:
    added = aivm("storage", "add", package, "--no-copy", "--name", "digits", "--json")
    assert added.status == 0, added.err
    root = added.document["root"]
    assert [pin["name"] for pin in aivm("storage", "ls", "--json").document["pins"]] == ["digits"]
    kept = aivm("storage", "gc", "--grace", 0, "--json").document
    assert (kept["dropped"], kept["kept"] > 5) == (0, True)
    assert aivm("storage", "unpin", root).status == 0
    assert aivm("storage", "unpin", root).status == 4
    assert aivm("storage", "unpin", "bafy").status == 2
    assert aivm("storage", "gc", "--json").document["dropped"] == 0  # within the grace time
    assert aivm("storage", "add", "nothing-there").status == 2

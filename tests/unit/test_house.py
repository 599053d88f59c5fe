"""The house rules that a formatter cannot check: sizes, leftovers, one meaning for each code."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aivm
from aivm.errors import AivmError

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
# Split in two, so that this file does not contain what it looks for.
LEFTOVERS = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "T" + "BD"]))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_is_one_idea_and_a_function_fits_a_screen(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert not LEFTOVERS.search(text)
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


def errors(base: type[AivmError]) -> Iterator[type[AivmError]]:
    yield base
    for child in base.__subclasses__():
        yield from errors(child)


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    module = importlib.import_module("aivm.errors")
    kinds = list(errors(AivmError))
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.__module__ == "aivm.errors" for kind in kinds), "one tree"
    for kind in kinds:
        assert kind.__name__ in (module.__doc__ or ""), f"{kind.__name__} is not drawn"


def test_public_names_exist_and_are_sorted() -> None:
    assert sorted(aivm.__all__) == list(aivm.__all__)
    assert all(callable(getattr(aivm, name)) for name in aivm.__all__)


def test_architecture_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rooms = {path.name for path in (ROOT / "src" / "aivm").iterdir() if path.is_dir()}
    rooms -= {"__pycache__"}
    missing = sorted(room for room in rooms if f"`aivm.{room}`" not in text)
    assert not missing


def test_architecture_points_at_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    pointers = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text)
    assert len(pointers) > 10
    roots = (ROOT, ROOT / "src", ROOT / "src" / "aivm")
    assert [name for name in pointers if not any((root / name).is_file() for root in roots)] == []


def test_no_local_path_or_registry_stands_in_lock_files() -> None:
    for lock in ("tools/package-lock.json", "contracts/package-lock.json"):
        text = (ROOT / lock).read_text()
        assert "integrity" in text
        assert "resolved" not in text
        assert "http" not in re.sub(r'"(url|funding|homepage)":.*', "", text)


def test_decision_records_are_numbered_from_one_without_gaps() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert record.read_text().startswith(f"# {int(record.name[:4])}. "), record.name


def test_links_between_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{relative(document)} -> {target}"


@pytest.mark.parametrize("folder", ["benchmarks", "contracts", "docs", "fuzz", "simulation"])
def test_programs_beside_the_package_import_what_exists(folder: str) -> None:
    """Nobody runs a benchmark at every change: its imports are looked at all the same."""
    missing = [
        f"{path.name}: {node.module}.{name.name}"
        for path in sorted((ROOT / folder).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aivm")
        for name in node.names
        if not _exists(node.module or "", name.name)
    ]
    assert missing == []


def _exists(module: str, name: str) -> bool:
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ImportError:
        return False
    return True

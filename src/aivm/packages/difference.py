"""What differs between two packages, which may be two versions of one model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivm.packages import files
from aivm.packages.entries import Interface, interface_to_document
from aivm.packages.manifest import Manifest
from aivm.packages.package import Package

# These have a part of the difference of their own.
_APART = frozenset({"entries", "constants", "files", "inputs", "outputs"})


@dataclass(frozen=True)
class Change:
    """One thing that differs: `before` or `after` is None where it is not there."""

    place: str
    before: Any
    after: Any

    def to_document(self) -> dict[str, Any]:
        return {"place": self.place, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Reuse:
    """How many of the second package's bytes the first one has."""

    shared: int
    total: int

    @property
    def percent(self) -> float:
        """100 where there is nothing that could be shared."""
        return 100.0 * self.shared / self.total if self.total else 100.0

    def to_document(self) -> dict[str, Any]:
        return {"shared": self.shared, "total": self.total, "percent": round(self.percent, 2)}


@dataclass(frozen=True)
class Difference:
    """All of it. `interface` changes that `break_callers` are more than new outputs and words.

    `constants` compares tensors by their roots, `chunks` what a fetch of the second would download
    by somebody who has the first.
    """

    fields: tuple[Change, ...]
    interface: tuple[Change, ...]
    breaks_callers: bool
    programs: tuple[Change, ...]
    files: tuple[Change, ...]
    constants: Reuse
    chunks: Reuse

    @property
    def is_empty(self) -> bool:
        return not (self.fields or self.interface or self.programs or self.files)

    def to_document(self) -> dict[str, Any]:
        """As JSON, for `aivm diff --json`."""
        parts = {
            "fields": self.fields,
            "interface": self.interface,
            "programs": self.programs,
            "files": self.files,
        }
        return {
            **{name: [change.to_document() for change in part] for name, part in parts.items()},
            "breaks_callers": self.breaks_callers,
            "constants_reused": self.constants.to_document(),
            "chunks_reused": self.chunks.to_document(),
        }


def compare(before: Package, after: Package) -> Difference:
    """What changes from one opened package to the other."""
    old, new = before.manifest, after.manifest
    interface = tuple(_interface_changes(old, new))
    return Difference(
        fields=tuple(_changes(_plain_fields(old), _plain_fields(new))),
        interface=interface,
        breaks_callers=any(map(_breaks, interface)),
        programs=tuple(_changes(_programs(old), _programs(new))),
        files=tuple(_changes(_files(old), _files(new))),
        constants=_reuse(_constants(before), _constants(after)),
        chunks=_reuse(_chunks(before), _chunks(after)),
    )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for place in [*before, *(place for place in after if place not in before)]:
        if before.get(place) != after.get(place):
            yield Change(place, before.get(place), after.get(place))


def _plain_fields(manifest: Manifest) -> dict[str, Any]:
    document = json.loads(manifest.to_json())
    kept = {name: value for name, value in document.items() if name not in _APART}
    return dict(_flat("", kept))


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _flat(f"{place}.{key}" if place else key, child)
    elif isinstance(value, list) and value:
        for number, child in enumerate(value):
            yield from _flat(f"{place}[{number}]", child)
    else:
        yield place, value


def _interface_changes(old: Manifest, new: Manifest) -> Iterator[Change]:
    for kind, before, after in (
        ("input", old.inputs, new.inputs),
        ("output", old.outputs, new.outputs),
    ):
        yield from _changes(_described(kind, before), _described(kind, after))


def _described(kind: str, tensors: Sequence[Interface]) -> dict[str, Any]:
    return {f"{kind} {tensor.name}": interface_to_document(tensor) for tensor in tensors}


def _breaks(change: Change) -> bool:
    """A new output breaks nobody, nor do other words for the same tensor."""
    if change.before is None:
        return change.place.startswith("input ")
    if change.after is None:
        return True
    return any(change.before[key] != change.after[key] for key in ("dtype", "shape"))


def _programs(manifest: Manifest) -> dict[str, Any]:
    return {
        entry.name: {"program": entry.program.hex(), "gas": entry.gas_units}
        for entry in manifest.entries
    }


def _files(manifest: Manifest) -> dict[str, Any]:
    return {
        file.path: {"sha256": file.sha256.hex(), "size": file.size, "role": file.role.value}
        for file in manifest.files
    }


def _constants(package: Package) -> dict[Any, int]:
    return {root: array.nbytes for root, array in package.constants_by_root.items()}


def _chunks(package: Package) -> dict[Any, int]:
    dags = (
        files.file_dag(package.file(file.path), chunking=file.chunking)
        for file in package.manifest.files
    )
    return {leaf.cid: leaf.size for dag in dags for leaf in dag.leaves}


def _reuse(before: Mapping[Any, int], after: Mapping[Any, int]) -> Reuse:
    shared = sum(size for key, size in after.items() if key in before)
    return Reuse(shared, sum(after.values()))

"""Which program of a package runs a request: the one that takes exactly these input shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aivm.errors import WrongTensor
from aivm.packages import Package, ProgramEntry

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]


def find_entry(package: Package, shapes: Shapes) -> ProgramEntry:
    """The program for these input shapes. Raises WrongTensor listing what there is."""
    for entry in package.manifest.entries:
        if {port.name: port.shape for port in entry.inputs} == dict(shapes):
            return entry
    known = "; ".join(
        ", ".join(f"{port.name}{list(port.shape)}" for port in entry.inputs)
        for entry in package.manifest.entries
    )
    asked = ", ".join(f"{name}{list(shape)}" for name, shape in sorted(shapes.items()))
    raise WrongTensor(f"the package has no program for {asked}", hint=f"It has: {known}")


def in_order(names: Sequence[str], arrays: Mapping[str, Array]) -> list[Array]:
    """The arrays in the program's order. Raises WrongTensor for a missing or unknown name."""
    if missing := [name for name in names if name not in arrays]:
        raise WrongTensor(f"input {missing[0]!r} is missing", hint=f"Inputs: {', '.join(names)}")
    if unknown := sorted(set(arrays) - set(names)):
        raise WrongTensor(
            f"{unknown[0]!r} is not an input of the model", hint=f"Inputs: {', '.join(names)}"
        )
    return [arrays[name] for name in names]

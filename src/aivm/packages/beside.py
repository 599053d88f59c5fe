"""Files beside an ONNX model, in which it may keep its weights (external data)."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from aivm.errors import NotFound, UnsupportedModel


def files_beside(model: Path) -> Callable[[str], memoryview]:
    """Opens files in the folder of `model` by the relative paths that the model gives.

    They are mapped, not read: a model larger than the memory can be compiled. The compiler has
    refused paths that lead out of the folder; links that do are refused here. Raises NotFound and
    UnsupportedModel.
    """
    folder = model.resolve().parent
    opened: dict[str, memoryview] = {}

    def mapped(location: str) -> memoryview:
        if location not in opened:
            opened[location] = _map(folder, location, model)
        return opened[location]

    return mapped


def _map(folder: Path, location: str, model: Path) -> memoryview:
    path = (folder / location).resolve()
    if not path.is_relative_to(folder):
        raise UnsupportedModel(
            f"{model} keeps data in {location!r}, which is a link out of its folder",
            hint="Put the file itself beside the model.",
        )
    if not path.is_file():
        raise NotFound(
            f"{model} keeps data in {location!r}, which is not beside it",
            hint="Copy all files of the model into one folder.",
        )
    if not path.stat().st_size:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

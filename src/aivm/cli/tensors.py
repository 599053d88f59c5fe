"""Tensors on the command line: reading `--input`, showing outputs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from aivm.commitments import tensor_root
from aivm.errors import BadInput, NotFound

Array = np.ndarray[Any, Any]
SHOWN_ELEMENTS = 65536  # an output with more elements is named in JSON, not spelled out


def read_inputs(sources: Sequence[str]) -> dict[str, Array]:
    """Arrays from `FILE.npz` or `NAME=FILE.npy`; pickled arrays are refused."""
    arrays: dict[str, Array] = {}
    for source in sources:
        name, separator, path = source.partition("=")
        found = {name: _load(path)} if separator else _load(source)
        if not isinstance(found, dict):
            raise BadInput(f"{source} holds one array", hint="Say which input it is: NAME=FILE.npy")
        for key, array in found.items():
            if not isinstance(array, np.ndarray):
                raise BadInput(f"{path} holds several arrays", hint="Give the .npz without a name.")
            if key in arrays:
                raise BadInput(f"input {key!r} is given twice")
            arrays[key] = array
    return arrays


def _load(path: str) -> Any:
    if not Path(path).is_file():
        raise NotFound(f"no file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path} is not a readable .npy or .npz file: {error}",
            hint="Save arrays with numpy.savez(path, name=array).",
        ) from None


def write_outputs(path: Path, outputs: Mapping[str, Array]) -> None:
    """All outputs as one .npz."""
    np.savez(path, allow_pickle=False, **outputs)


def as_document(outputs: Mapping[str, Array]) -> dict[str, Any]:
    """Outputs for `--json`: dtype, shape, tensor root, and data where it is small and finite."""
    document = {}
    for name, array in outputs.items():
        entry: dict[str, Any] = {
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "root": tensor_root(array).hex(),
        }
        finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
        if array.size <= SHOWN_ELEMENTS and finite:
            entry["data"] = array.tolist()
        document[name] = entry
    return document


def as_table(outputs: Mapping[str, Array]) -> Table:
    """Outputs for people: the first values and the root that identifies all of them."""
    table = Table(box=None, pad_edge=False)
    for heading in ("output", "type", "first values", "tensor root"):
        table.add_column(heading, overflow="fold")
    for name, array in outputs.items():
        first = ", ".join(f"{value:.6g}" for value in array.ravel()[:4].tolist())
        more = ", ..." if array.size > 4 else ""
        kind = f"{array.dtype.name}{list(array.shape)}"
        table.add_row(name, kind.replace("[", r"\["), first + more, tensor_root(array).hex()[:16])
    return table

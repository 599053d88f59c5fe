"""Models and tensors on the command line: finding MODEL, reading `--input`, showing outputs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from aivm.cli.files import write_file
from aivm.cli.output import printable
from aivm.commitments import tensor_root
from aivm.errors import BadInput, NotFound
from aivm.packages.arrays import read_arrays

Array = np.ndarray[Any, Any]
SHOWN_ELEMENTS = 65536  # an output with more elements is named in JSON, not spelled out


def is_here(model: str) -> bool:
    """Whether a model is a file or folder here, not a name on the network.

    Raises NotFound for what can only be meant as a path and is not there.
    """
    if Path(model).exists():
        return True
    if model.endswith(".onnx") or model.startswith((".", "/", "~")):
        raise NotFound(f"no model at {model}")
    return False


def read_inputs(sources: Sequence[str]) -> dict[str, Array]:
    """Arrays from `FILE.npz` or `NAME=FILE.npy`; pickled arrays are refused."""
    arrays: dict[str, Array] = {}
    for source in sources:
        name, separator, path = source.partition("=")
        found = {name: read_arrays(Path(path))} if separator else read_arrays(Path(source))
        if not isinstance(found, dict):
            raise BadInput(f"{source} holds one array", hint="Say which input it is: NAME=FILE.npy")
        for key, array in found.items():
            if not isinstance(array, np.ndarray):
                raise BadInput(f"{path} holds several arrays", hint="Give the .npz without a name.")
            if key in arrays:
                raise BadInput(f"input {key!r} is given twice")
            arrays[key] = array
    return arrays


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """All arrays as one .npz, at exactly this path; an array may have any name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_file(path, content.getvalue())


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
        values = array.ravel()[:4].tolist()
        first = ", ".join(
            f"{value:.6g}" if type(value) is float else str(value) for value in values
        )
        more = ", ..." if array.size > 4 else ""
        kind = f"{array.dtype.name}{list(array.shape)}"
        root = tensor_root(array).hex()[:16]
        table.add_row(printable(name), printable(kind), first + more, root)
    return table

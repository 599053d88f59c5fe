"""Arrays of others in numpy's files: `.npy` and `.npz`, never with pickled objects in them."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from aivm.commitments import Array
from aivm.errors import BadInput, NotFound, TooLarge

# What numpy and zipfile raise for a file that is damaged, or was never one of theirs.
_UNREADABLE = (
    ValueError,
    EOFError,
    KeyError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: Path, *, max_bytes: int | None = None) -> Array | dict[str, Array]:
    """The array of a `.npy` file, or those of an `.npz` by name.

    With `max_bytes` neither the file nor what is packed in it may be larger. Raises NotFound,
    BadInput, TooLarge.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}")
    try:
        # Opened here, because numpy leaves a damaged archive open.
        with path.open("rb") as file:
            if max_bytes is not None:
                _check_size(path, file, max_bytes)
            loaded: Any = np.load(file, allow_pickle=False)
            return dict(loaded) if isinstance(loaded, np.lib.npyio.NpzFile) else loaded
    except MemoryError:
        raise TooLarge(f"{path} claims an array that does not fit into memory") from None
    except (*_UNREADABLE, OSError) as error:
        raise BadInput(
            f"{path} is not a readable .npy or .npz file: {error}",
            hint="Save arrays with numpy.savez(path, name=array).",
        ) from None


def _check_size(path: Path, file: Any, max_bytes: int) -> None:
    """A packed file may be a thousand times larger than it looks."""
    sizes = [path.stat().st_size]
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            sizes.append(sum(member.file_size for member in archive.infolist()))
    file.seek(0)
    if max(sizes) > max_bytes:
        raise TooLarge(f"{path} holds more than {max_bytes} bytes")

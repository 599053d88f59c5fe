"""Files that commands leave behind: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`; what was there before stays if that fails (a full disk, say).

    A device or pipe is written to as it is. Raises OSError that names `path`.
    """
    path = path.resolve()  # through a link, not over it
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    partial = path.with_name(f".aivm-{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        partial.unlink(missing_ok=True)

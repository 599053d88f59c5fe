"""Inputs that somebody has published: a file of tensors in the content store, known by its CID.

The file is a safetensors file with the inputs by name. Nobody signs that these are a job's inputs,
and nobody needs to: the receipt names their root, and they are compared with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import numpy as np

from aivm.commitments.cid import Cid
from aivm.errors import MalformedPackage, WrongTensor
from aivm.market.openinference import Tensor
from aivm.packages.safetensors import SafeTensors
from aivm.storage.fetch import fetch
from aivm.verifier.submission import MAX_BYTES


class Published:
    """Fetches input files of one network's storage."""

    def __init__(
        self, session: aiohttp.ClientSession, storage: Sequence[str], *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._session = session
        self._storage = storage
        self._max_bytes = max_bytes

    async def fetch(self, cid: Cid) -> list[Tensor]:
        """The tensors of a published file. Raises StorageUnreachable, TamperedContent, TooLarge,
        WrongTensor for what is no such file."""
        with tempfile.TemporaryDirectory(prefix="aivm-inputs-") as folder:
            path = Path(folder) / "inputs.safetensors"
            await fetch(self._session, self._storage, cid, path, max_bytes=self._max_bytes)
            return read_tensors(path)


def read_tensors(path: Path) -> list[Tensor]:
    """The tensors of a safetensors file, copied. Raises WrongTensor for what is no such file."""
    if not path.is_file():
        raise WrongTensor(f"{path.name} is no file")
    try:
        tensors = SafeTensors(path)
    except MalformedPackage as problem:
        raise WrongTensor(f"{path.name} holds no tensors: {problem.message}") from None
    return [
        Tensor(name, kind.dtype, np.array(tensors[name])) for name, kind in tensors.types.items()
    ]

"""A watched folder: whoever may write to it has its receipts verified.

    inbox/NAME.json             a receipt, as `aivm run --receipt` writes it
    inbox/NAME.npz              its inputs, as `aivm run --inputs` writes them, or NAME.safetensors
    inbox/taken/NAME.*          in the book now
    inbox/refused/NAME.*        with the reason in NAME.reason

A pair is looked at once neither file has changed between two looks, so that nothing is read while
it is being copied. It is moved only after the book has it; what may be tried again stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

from aivm.errors import AivmError, BadInput, TooLarge, Unavailable
from aivm.market.openinference import Tensor
from aivm.packages.arrays import read_arrays
from aivm.receipts import parse_receipt
from aivm.receipts.document import MAX_DOCUMENT_BYTES
from aivm.verifier.intake import Intake
from aivm.verifier.published import read_tensors
from aivm.verifier.submission import MAX_BYTES, Submission, named_tensors

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
PAIRS_A_LOOK = 64
SOURCE = "folder"
SUFFIXES = (".npz", ".safetensors")


class Folder:
    """Takes pairs of files in, for as long as `watch` runs."""

    def __init__(self, path: Path, intake: Intake) -> None:
        self._path = path
        self._intake = intake
        self._before: dict[tuple[Path, Path], tuple[int, int, int, int]] = {}

    async def watch(self) -> None:
        """Look again and again; one bad pair does not keep the others out."""
        while True:
            try:
                await self.look()
            except OSError as error:
                log.warning("the folder %s cannot be read: %s", self._path, error.strerror)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Take in what is complete; the number of receipts taken."""
        now = {pair: (*_stamp(pair[0]), *_stamp(pair[1])) for pair in self._pairs()}
        steady = [pair for pair, stamp in now.items() if self._before.get(pair) == stamp]
        self._before = now
        taken = 0
        for receipt, inputs in steady:
            taken += await self._take(receipt, inputs)
        return taken

    def _pairs(self) -> Iterator[tuple[Path, Path]]:
        """Receipts whose inputs are beside them; links are nobody's business here."""
        found = 0
        for receipt in sorted(self._path.glob("*.json")):
            for suffix in SUFFIXES:
                inputs = receipt.with_suffix(suffix)
                if found < PAIRS_A_LOOK and _is_plain(receipt) and _is_plain(inputs):
                    found += 1
                    yield receipt, inputs
                    break

    async def _take(self, receipt: Path, inputs: Path) -> bool:
        try:
            submission = await asyncio.to_thread(_read, receipt, inputs)
            await self._intake.take(submission)
        except Unavailable as error:
            log.info("%s waits: %s", receipt.name, error.message)
            return False
        except AivmError as error:
            log.warning("%s is refused: %s", receipt.name, error.message)
            self._move("refused", receipt, inputs)
            reason = self._path / "refused" / receipt.with_suffix(".reason").name
            reason.write_text(f"{error.message} {error.hint}".strip() + "\n")
            return False
        self._move("taken", receipt, inputs)
        return True

    def _move(self, where: str, receipt: Path, inputs: Path) -> None:
        """The receipt last: a pair that was broken off is looked at again."""
        folder = self._path / where
        folder.mkdir(exist_ok=True)
        for path in (inputs, receipt):
            path.replace(folder / path.name)


def _read(receipt: Path, inputs: Path) -> Submission:
    for path, limit in ((receipt, MAX_DOCUMENT_BYTES), (inputs, MAX_BYTES)):
        if path.stat().st_size > limit:
            raise TooLarge(f"{path.name} has more than {limit} bytes")
    signed = parse_receipt(receipt.read_bytes())
    return Submission(signed, _tensors(inputs), SOURCE)


def _tensors(path: Path) -> list[Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)
    arrays = read_arrays(path, max_bytes=MAX_BYTES)
    if not isinstance(arrays, dict):
        raise BadInput(f"{path.name} holds one array without a name")
    return named_tensors(arrays)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()

"""The receipts of everything a gateway bought, one file a job."""

from __future__ import annotations

from pathlib import Path

from aivm.receipts import SignedReceipt


class ReceiptStore:
    """Receipts by job id (hexadecimal) in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, receipt: SignedReceipt) -> str:
        """Keep a receipt; returns its job id. Writing it again changes nothing."""
        job = receipt.receipt.job.hex()
        path = self._folder / f"{job}.json"
        partial = path.with_suffix(".partial")
        partial.write_bytes(receipt.to_json())
        partial.replace(path)
        return job

    def get(self, job: str) -> bytes | None:
        """The canonical `receipt.json`, if this gateway has it."""
        path = self._folder / f"{job}.json"
        return path.read_bytes() if path.is_file() else None

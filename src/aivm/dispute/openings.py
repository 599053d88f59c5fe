"""What a move opens: the receipt in dispute, and records of its program."""

from __future__ import annotations

from aivm.commitments import merkle
from aivm.dispute.moves import Path
from aivm.dispute.state import State, receipt_hash
from aivm.errors import IllegalMove
from aivm.receipts.receipt import Receipt


def check_receipt(state: State, receipt: Receipt) -> None:
    """Raises IllegalMove unless that is the receipt in dispute."""
    if receipt_hash(receipt) != state.receipt:
        raise IllegalMove("this is not the receipt in dispute")


def check_record(state: State, receipt: Receipt, position: int, record: bytes, path: Path) -> None:
    """Raises IllegalMove unless that is record `position` of the program of the receipt."""
    check_receipt(state, receipt)
    if not merkle.verify(receipt.program, record, position, state.records, path):
        raise IllegalMove(f"this is not record {position} of the receipt's program")

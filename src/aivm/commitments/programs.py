"""Program roots: a program is named by the Merkle root over its 256-byte records."""

from __future__ import annotations

from aivm.commitments import merkle
from aivm.isa.program import Program
from aivm.isa.records import encode


def program_root(program: Program) -> bytes:
    """Root of the tree over the program's records, one record a leaf."""
    return program_root_of_records(encode(program))


def program_root_of_records(records: bytes) -> bytes:
    """The same for an encoded program. A record is exactly one leaf, so the data tree is it."""
    return merkle.root_of_data(records)

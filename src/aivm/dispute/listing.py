"""Listings: that a program is one of those to which its model's publisher has committed.

The registry keeps one root for a model, over the roots of its programs in the manifest's order. A
program that was derived for another shape is not under it, and no proof can put it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.commitments import merkle
from aivm.errors import NotFound


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a program stands among `count`, and the siblings that lead up to the root."""

    position: int
    count: int
    path: tuple[bytes, ...]

    def proves(self, programs: bytes, program: bytes) -> bool:
        """Whether `program` is listed there under the registry's root `programs`."""
        return merkle.verify(programs, program, self.position, self.count, self.path)


def listing_of(listed: Sequence[bytes], program: bytes) -> Listing:
    """The listing of a program among the roots that the registry's root is over.

    Raises NotFound if it is not one of them.
    """
    if program not in listed:
        raise NotFound(
            f"program 0x{program.hex()} is not listed by its model",
            hint="Programs for other shapes are derived: only the client's voucher names them.",
        )
    position = listed.index(program)
    return Listing(position, len(listed), merkle.prove(listed, position))

"""Where a receipt can stand with the verifier.

passed -> due -> suspect -> false -> disputed -> convicted | acquitted | voided
  (again)   \\-> holds      \\-> lapsed
passed, due, suspect -> unchecked (it could not be re-executed)
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a receipt stands."""

    PASSED = "passed"  # not drawn, or not yet: it is drawn again while there is budget left
    DUE = "due"  # to be re-executed
    HOLDS = "holds"
    SUSPECT = "suspect"  # one engine finds other outputs, another is to say so too
    FALSE = "false"  # two engines found the same other outputs; to be disputed
    DISPUTED = "disputed"
    CONVICTED = "convicted"
    ACQUITTED = "acquitted"
    VOIDED = "voided"  # another verifier was first; the bond came back
    LAPSED = "lapsed"  # false, but its window closed before it could be disputed
    UNCHECKED = "unchecked"  # it could not be re-executed


WAITING = (State.DUE, State.SUSPECT)
FOUND_FALSE = (State.FALSE, State.DISPUTED, State.CONVICTED, State.VOIDED, State.LAPSED)

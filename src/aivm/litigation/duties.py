"""What is to be done about a game now: pure, from the game, the side and the time alone."""

from __future__ import annotations

from enum import Enum

from aivm.chain.cases import Case, Side


class Due(Enum):
    """What one side of a game has to do."""

    NOTHING = "nothing"
    MOVE = "move"
    TIMEOUT = "timeout"  # the other side's time is over: end the game
    VOID = "void"  # the receipt is convicted already: fetch the bond
    LATE = "late"  # this side's time is over, every move would be refused


def due(case: Case, side: Side, *, block_time: int, time: int, convicted: bool) -> Due:
    """What `side` has to do about a game.

    `block_time` is that of the newest block, which a lazy chain may have long made; `time` is the
    later one of that and of this machine's clock. `convicted`: the receipt is, in whatever game.
    """
    deadline = case.deadline
    if deadline is None:
        return Due.NOTHING
    if convicted:
        return Due.VOID if side is Side.CHALLENGER else Due.NOTHING
    if case.mover is side:
        return Due.MOVE if block_time <= deadline else Due.LATE
    # A node refuses what comes too early, and that costs nothing.
    return Due.TIMEOUT if time > deadline else Due.NOTHING

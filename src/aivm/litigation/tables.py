"""What goes on about one open game in this process; all of it can be forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aivm import host
from aivm.chain.cases import Case
from aivm.dispute.state import State


@dataclass(frozen=True)
class Pace:
    """How often the chain is looked at, and how patiently what failed is tried again."""

    poll_seconds: float = 1.0
    lively_seconds: float = 5.0  # after a move of ours, for which the chain is looked at more often
    slowest_retry_seconds: float = 30.0
    lag_seconds: float = 5.0  # for which a node may not show what another one has taken
    warn_below: float = 0.25  # of the time that a side had at its first move


class Table:
    """One open game: the step that is being done, and when the next may begin."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.step: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0  # on the monotonic clock
        self._last_said = ""
        self._moved_from = b""  # the state from which a move of ours led away, ...
        self._moved_in = -1  # ... the block which that is in, ...
        self._shown_by = 0.0  # ... and when every node shows it, on the monotonic clock

    @property
    def is_busy(self) -> bool:
        """Whether a step is being done."""
        return self.step is not None and not self.step.done()

    def is_ready(self, head: int) -> bool:
        """Whether something may be done now that `head` is the newest block."""
        if self.is_busy or host.monotonic() < self._not_before:
            return False
        if self.case.state.hash != self._moved_from:
            return True
        # The same state again: this node lags behind, or a reorganisation took the move back.
        return head > self._moved_in or host.monotonic() > self._shown_by

    def see(self, case: Case) -> None:
        """The game as it is now: in another state nothing has failed yet."""
        if case.state.hash != self.case.state.hash:
            self._failures, self._not_before = 0, 0.0
        self.case = case

    def moved(self, before: State, block: int, pace: Pace) -> None:
        """A move of ours out of that state is in that block."""
        self._failures, self._last_said = 0, ""
        self._moved_from, self._moved_in = before.hash, block
        self._shown_by = host.monotonic() + pace.lag_seconds

    def failed(self, pace: Pace) -> int:
        """The step came to nothing; the next waits longer each time. Returns how often, in this
        state."""
        self._failures += 1
        wait = pace.poll_seconds * 2 ** min(self._failures - 1, 16)
        self._not_before = host.monotonic() + min(wait, pace.slowest_retry_seconds)
        return self._failures

    def is_news(self, sentence: str) -> bool:
        """Whether it is not what was said of this game last."""
        was, self._last_said = self._last_said, sentence
        return was != sentence

"""Who may send how much at once: a flood of nonsense costs its sender, not the others.

A source is an address (of IPv6 its /64 network, which one subscriber has). Bodies are read a few at
a time, each within a time limit; a source whose submissions were refused many times in a minute is
not read any more until the minute is over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from aivm import host
from aivm.errors import Overloaded

AT_ONCE = 16
AT_ONCE_EACH = 2
REFUSALS_A_MINUTE = 60
KEPT_SOURCES = 10_000
_MINUTE = 60.0


def source_of(address: str | None) -> str:
    """The source behind an address of the network."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return "http:unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return f"http:{found.ipv4_mapped}"
        return f"http:{ip_network((found, 64), strict=False)}"
    return f"http:{found}"


class Gate:
    """Lets submissions in; one gate for one server."""

    def __init__(self) -> None:
        self._reading: dict[str, int] = {}
        # source -> when its minute began, refusals in it; the longest unseen first
        self._refused: OrderedDict[str, tuple[float, int]] = OrderedDict()

    @asynccontextmanager
    async def entered(self, source: str) -> AsyncIterator[None]:
        """A place for one submission. Raises Overloaded."""
        if self._refusals(source) >= REFUSALS_A_MINUTE:
            raise Overloaded("too many of your submissions were refused", hint="Wait a minute.")
        if self._reading.get(source, 0) >= AT_ONCE_EACH:
            raise Overloaded("you are sending several receipts already")
        if sum(self._reading.values()) >= AT_ONCE:
            raise Overloaded("too many are sending receipts just now")
        self._reading[source] = self._reading.get(source, 0) + 1
        try:
            yield
        finally:
            self._reading[source] -= 1
            if not self._reading[source]:
                del self._reading[source]

    def refuse(self, source: str) -> None:
        """Count a submission that was refused for good."""
        since, count = self._refused.pop(source, (host.monotonic(), 0))
        if host.monotonic() - since > _MINUTE:
            since, count = host.monotonic(), 0
        self._refused[source] = (since, count + 1)
        while len(self._refused) > KEPT_SOURCES:
            self._refused.popitem(last=False)

    def _refusals(self, source: str) -> int:
        since, count = self._refused.get(source, (0.0, 0))
        return count if host.monotonic() - since <= _MINUTE else 0

"""An arena for each test, and what all their lies came to, at the end of the run."""

from __future__ import annotations

import pytest
from tests.adversity.arena import TALLY, Arena

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain


@pytest.fixture
async def arena(deployed: Chain, devchain: DevChain) -> Arena:
    """The default deployment."""
    return await Arena.prepared(deployed, devchain, TALLY)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.lies:
        terminalreporter.write_line(
            f"disputes: {TALLY.lies} lies tried on the chain, {TALLY.accepted} of them moves of"
            f" legal form; {TALLY.games} games ended, {TALLY.lost} lost by the honest side"
        )

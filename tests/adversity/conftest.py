"""An arena for each test, and what all their lies came to, at the end of the run."""

from __future__ import annotations

import pytest
from tests.adversity.arena import CHALLENGER, HOT, OTHER, OWNER, PROVIDER, STAKE, Arena, Tally

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain

_TALLY = Tally()


@pytest.fixture
def tally() -> Tally:
    return _TALLY


@pytest.fixture
async def arena(deployed: Chain, devchain: DevChain, tally: Tally) -> Arena:
    """The default deployment; the challenger and another can pay one bond each."""
    arena = Arena(deployed, devchain, await deployed.dispute.terms(), tally)
    await settle_down(arena, STAKE)
    return arena


async def settle_down(arena: Arena, stake: int) -> None:
    """Register the provider with its stake, and give two challengers a bond each."""
    owner, provider = arena.account(OWNER), arena.account(PROVIDER)
    chain = arena.chain
    await chain.token.transfer(owner, provider.address, stake)
    await chain.staking.register_provider(provider, arena.address(HOT), "https://p")
    await chain.token.approve(provider, chain.staking.address, stake)
    await chain.staking.stake(provider, stake)
    for who in (CHALLENGER, OTHER):
        await arena.equip(who)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _TALLY.games:
        terminalreporter.write_line(
            f"disputes: {_TALLY.lies} lies tried on the chain, {_TALLY.accepted} of them moves of"
            f" legal form; {_TALLY.games} games ended, {_TALLY.lost} lost by the honest side"
        )

"""From a lie to a conviction: the client complains, a verifier disputes, the chain decides.

Nobody helps the verifier along: it re-executes what was submitted to it, opens the game and plays
it, and the cheat defends what it has computed, until one scalar step is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from aivm import host
from aivm.chain.case_document import case_document
from aivm.chain.cases import Case, Payee, Status
from aivm.chain.docket import Docket
from aivm.client import Inference
from aivm.devnet.network import Devnet
from aivm.dispute.state import receipt_hash
from aivm.errors import DeadlineExceeded, NotFound
from aivm.verifier.complaint import complain
from aivm.verifier.remote import RemoteVerifier
from aivm.verifier.submission import encode_submission

MOST_SECONDS = 180.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Conviction:
    """How the dispute about the cheat's receipt ended; amounts in base units."""

    case: Case
    seconds: float  # from the opening of the game to its end
    stake_lost: int
    refund: int  # to the client
    award: int  # to the verifier, beside its bond
    burned: int

    @property
    def ok(self) -> bool:
        """Whether the stake that was slashed is what was paid out and burned, and the client got
        some of it."""
        whole = self.refund + self.award + self.burned
        is_paid = self.stake_lost == self.case.taken == whole
        return self.case.status is Status.CONVICTED and is_paid and self.refund > 0

    def figures(self) -> dict[str, Any]:
        """For documents; `step_gas` is of the whole transaction that decided."""
        document = case_document(self.case, 0)
        named = {name: document[name] for name in ("rounds", "transactions", "gas", "step_gas")}
        return {**named, "seconds": round(self.seconds, 2)}


async def convict(devnet: Devnet, false: Inference, report: Callable[[str], None]) -> Conviction:
    """Complain about `false`, and wait until the dispute about it is over.

    Raises DeadlineExceeded if it is not over in time, and what the verifier answers.
    """
    chain, receipt = devnet.chain, false.receipt.receipt
    before = (await chain.staking.get_provider(receipt.provider)).staked
    complaint = complain(false.receipt, devnet.roles.client)
    body, headers = encode_submission(false.receipt, false.inputs, complaint=complaint)
    report("the client complains to the verifier, and sends it receipt and inputs")
    async with aiohttp.ClientSession() as session:
        await RemoteVerifier(session, devnet.verifier.url).submit(body, headers)
    key = receipt_hash(receipt)
    case, seconds = await _watched(Docket(chain), key, report)
    await _paid_out(devnet, key)
    after = (await chain.staking.get_provider(receipt.provider)).staked
    paid = Counter[Payee]()
    for payment in case.payments:
        paid[payment.payee] += payment.amount
    return Conviction(
        case=case,
        seconds=seconds,
        stake_lost=before - after,
        refund=paid[Payee.CLIENT],
        award=paid[Payee.CHALLENGER] - (await chain.dispute.terms()).bond,
        burned=paid[Payee.NOBODY],
    )


async def _paid_out(devnet: Devnet, receipt: bytes) -> None:
    """Wait until the verifier has paid the client its part."""
    deadline = host.monotonic() + MOST_SECONDS
    while (await devnet.chain.dispute.verdict(receipt)).share:
        if host.monotonic() > deadline:
            raise DeadlineExceeded(f"the client was not paid within {MOST_SECONDS:g} s")
        await asyncio.sleep(POLL_SECONDS)


async def _watched(
    docket: Docket, receipt: bytes, report: Callable[[str], None]
) -> tuple[Case, float]:
    """The game about a receipt once it is over, telling each move as it comes."""
    deadline, told, opened = host.monotonic() + MOST_SECONDS, 0, 0.0
    while host.monotonic() < deadline:
        await docket.poll()
        try:
            case = docket.case(receipt)
        except NotFound:
            await asyncio.sleep(POLL_SECONDS)
            continue
        opened = opened or host.monotonic()
        for entry in case.entries[told:]:
            report(f"dispute: {entry.by} {entry.move.replace('_', ' ')}")
        told = len(case.entries)
        if not case.is_open and all(entry.sent for entry in case.entries):
            return case, host.monotonic() - opened
        await asyncio.sleep(POLL_SECONDS)
    raise DeadlineExceeded(f"the dispute was not over within {MOST_SECONDS:g} s")

"""From a receipt that two engines found false to its conviction, and what that brought.

A dispute is opened if the award that can be expected is worth it and bond and gas can be paid;
otherwise the receipt waits, with the reason, until something changes or its window closes. The
conductor plays; what becomes of each game is read from the docket, so that it makes no difference
whether this process was alive when it happened.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from aivm.chain.account import Account
from aivm.chain.cases import Case, Status
from aivm.chain.client import Chain
from aivm.chain.docket import Docket
from aivm.commitments import Array
from aivm.dispute.state import receipt_hash
from aivm.errors import AivmError, NotAllowed, NotFound
from aivm.litigation.seats import Brief
from aivm.packages import Package
from aivm.receipts import ZERO_ADDRESS, Receipt, SignedReceipt
from aivm.verifier.book import Book, Entry
from aivm.verifier.charges import Charges
from aivm.verifier.collection import OWED, Collector
from aivm.verifier.shelf import Shelf
from aivm.verifier.standing import ChainClock
from aivm.verifier.states import State

log = logging.getLogger(__name__)
STEP_SECONDS = 2.0
RETRY_SECONDS = 30
PATIENCE_SECONDS = 5.0
AT_ONCE = 8
# Of what is slashed the contract burns half; a fifth of the rest is the client's.
AWARD_BPS = 5_000
CLIENT_BPS = 2_000
_WHOLE_BPS = 10_000
FINAL_SECONDS = 24 * 3600  # after its window a game's outcome is not looked at again
_TOKEN = 10**18
_GONE = "the chain shows no such game"
_ENDS = {
    Status.CONVICTED: State.CONVICTED,
    Status.ACQUITTED: State.ACQUITTED,
    Status.VOIDED: State.VOIDED,
}


class Opener(Protocol):
    """What opens disputes and plays them: a `Conductor` of the challenger's side."""

    async def open(
        self, signed: SignedReceipt, package: Package, inputs: Mapping[str, Array]
    ) -> bytes: ...


class Briefs:
    """What the conductor must know of receipts of ours, at any time."""

    def __init__(self, book: Book, shelf: Shelf) -> None:
        self._book = book
        self._shelf = shelf

    async def find(self, receipt: Receipt) -> Brief:
        """Package and inputs. Raises NotFound, and Unavailable while the package is fetched."""
        tensors = self._book.inputs(receipt_hash(receipt))
        if not tensors:
            raise NotFound(f"the inputs of job {receipt.job.hex()} are not here")
        package = await self._shelf.package(receipt.model)
        return Brief(package, {tensor.name: tensor.array for tensor in tensors})


class Prosecutor:
    """Opens disputes about false receipts of the book, and writes down how they end."""

    def __init__(
        self,
        *,
        chain: Chain,
        account: Account,
        book: Book,
        briefs: Briefs,
        clock: ChainClock,
        charges: Charges,
        conductor: Opener,
        docket: Docket,
        least_award: int,
    ) -> None:
        self._chain = chain
        self._account = account
        self._book = book
        self._briefs = briefs
        self._clock = clock
        self._charges = charges
        self._conductor = conductor
        self._docket = docket
        self._least_award = least_award
        self._collector = Collector(chain, account, book)
        # By receipt, the earliest begun first.
        self._pursuits: dict[bytes, tuple[Entry, asyncio.Task[None]]] = {}

    async def watch(self) -> None:
        """Prosecute for ever; a chain that is away delays and loses nothing within the window."""
        said = ""
        while True:
            try:
                await self.step()
                said = ""
            except AivmError as error:
                if error.message != said:  # once for each outage
                    log.warning("prosecution waits: %s", error.message)
                said = error.message
            except Exception:  # a defect about one receipt must not end all
                log.exception("prosecution failed")
            await asyncio.sleep(STEP_SECONDS)

    async def step(self) -> None:
        """Write down what ended, open what is to be opened, report what is to be reported."""
        now = await self._clock.refresh()
        for entry in self._book.with_game(now - FINAL_SECONDS):
            await self._follow(entry, now)
        for entry in self._book.in_state(State.FALSE):
            if entry.not_before <= now:
                self._begin(entry, now)
        if self._pursuits:
            # One that takes long, waiting for a worker or a block, holds up nobody else.
            pursuits = [pursuit for _, pursuit in self._pursuits.values()]
            await asyncio.wait(pursuits, timeout=PATIENCE_SECONDS)
        await self._charges.step()
        await self._collector.step()

    async def close(self) -> None:
        """Break off what is being opened: the book says where to go on."""
        pursuits = [pursuit for _, pursuit in self._pursuits.values()]
        for pursuit in pursuits:
            pursuit.cancel()
        await asyncio.gather(*pursuits, return_exceptions=True)

    # --- opening ---------------------------------------------------------------------------------

    def _begin(self, entry: Entry, now: int) -> None:
        """Pursue a receipt beside others, unless that is going on already."""
        if entry.receipt in self._pursuits or len(self._pursuits) >= AT_ONCE:
            return
        pursuit = asyncio.create_task(self._pursue_safely(entry, now))
        self._pursuits[entry.receipt] = entry, pursuit
        pursuit.add_done_callback(lambda _: self._pursuits.pop(entry.receipt))

    async def _pursue_safely(self, entry: Entry, now: int) -> None:
        try:
            await self._pursue(entry, now)
        except AivmError as error:
            self._wait(entry, now, error)
        except Exception:  # a defect about one receipt must not end all
            log.exception("receipt %s could not be disputed", entry.receipt.hex())
            self._book.postpone(entry.receipt, now + RETRY_SECONDS, "a defect of this verifier")

    async def _pursue(self, entry: Entry, now: int) -> None:
        if now > entry.deadline:
            self._book.move(entry, State.LAPSED, reason=entry.reason or "its window has closed")
            return
        if await self._chain.dispute.convicted(entry.receipt):
            self._book.move(entry, State.VOIDED, reason="another verifier was first")
            return
        await self._demand_worth(entry)
        brief = await self._briefs.find(entry.signed.receipt)
        game = await self._conductor.open(entry.signed, brief.package, brief.inputs)
        self._book.move(entry, State.DISPUTED, game=game)

    async def _demand_worth(self, entry: Entry) -> None:
        """Raises NotAllowed where a conviction would bring too little."""
        expected = await self.expected_award(entry)
        if expected < self._least_award:
            raise NotAllowed(
                f"a conviction would bring {expected / _TOKEN:g} AIVM,"
                f" less than the {self._least_award / _TOKEN:g} that are worth a dispute"
            )

    async def expected_award(self, entry: Entry) -> int:
        """What a conviction would bring: earlier disputes of ours take from the same stake."""
        receipt = entry.signed.receipt
        penalty = (await self._chain.dispute.terms()).penalty
        info = await self._chain.staking.get_provider(entry.provider)
        begun = [other for other, _ in self._pursuits.values()]
        if entry in begun:
            begun = begun[: begun.index(entry)]
        earlier = {
            other.receipt
            for other in (*self._book.in_state(State.DISPUTED), *begun)
            if other.provider == entry.provider
        }
        taken = min(penalty, max(0, info.staked + info.unbonding - penalty * len(earlier)))
        award = taken * AWARD_BPS // _WHOLE_BPS
        share = 0 if receipt.client == ZERO_ADDRESS else award * CLIENT_BPS // _WHOLE_BPS
        return award - share

    def _wait(self, entry: Entry, now: int, error: AivmError) -> None:
        if error.message != entry.reason:
            log.warning("receipt %s is false, but: %s", entry.receipt.hex(), error.message)
        self._book.postpone(entry.receipt, now + RETRY_SECONDS, error.message)

    # --- following -------------------------------------------------------------------------------

    async def _follow(self, entry: Entry, now: int) -> None:
        """Write down how a game stands; a reorganisation may open one that was over again."""
        try:
            case = self._docket.case(entry.game)
        except NotFound:
            await self._miss(entry, now)
            return
        state = State.DISPUTED if case.is_open else _ENDS[case.status]
        if state is entry.state or (not case.is_open and case.entries[-1].sent is None):
            return
        award = 0 if case.is_open else await self._award(case)
        log.warning("dispute %s: %s", entry.game.hex(), state)
        owed = OWED if state is State.CONVICTED else ""
        self._book.move(entry, state, award=award, reason=owed)

    async def _miss(self, entry: Entry, now: int) -> None:
        """The docket has no such game: it was not read yet, or its opening was taken back."""
        if any(await self._chain.dispute.stored(entry.game)) or entry.state is not State.DISPUTED:
            return
        if entry.reason != _GONE:
            self._book.postpone(entry.receipt, now + RETRY_SECONDS, _GONE)
        elif entry.not_before <= now:
            self._book.move(entry, State.FALSE, game=b"")

    async def _award(self, case: Case) -> int:
        """What a game brought beside the bond; below zero where that is lost."""
        own = (paid.amount for paid in case.payments if paid.recipient == self._account.address)
        return sum(own) - (await self._chain.dispute.terms()).bond

"""`Conductor`: plays all disputes of one account, on one side, until they are over.

    look at the chain -> what is due in each game -> make the move, send it -> look again

It remembers nothing that it needs: a move follows from the chain's events and from the receipt's
inputs. So a process that was killed goes on where the chain is; after a reorganisation the move is
asked for again with the state that the chain has now; and what was sent twice is refused once. The
chain that it sends through should have the policy `sole_sender` (`litigation_policy`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from aivm import host
from aivm.chain.account import Account
from aivm.chain.cases import Case, Side, Status
from aivm.chain.client import Block, Chain
from aivm.chain.docket import Docket
from aivm.chain.fees import GWEI
from aivm.chain.transactions import SendPolicy, TransactionReceipt
from aivm.dispute.state import receipt_hash
from aivm.errors import AivmError, ChainRejected, NotFound
from aivm.litigation.duties import Due, due
from aivm.litigation.opening import demand_open_to_dispute, find_game, open_game
from aivm.litigation.seats import Brief, FindBrief, Seats
from aivm.litigation.tables import Pace, Table
from aivm.packages import Package
from aivm.receipts import SignedReceipt
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Report = Callable[[str], None]
Errand = Callable[[], Awaitable[None]]
"""Something else that an account must answer for: begun at every look, unless it runs still."""

MAX_GAS_PRICE = 1000 * GWEI
LOOK_BACK_SECONDS = 30 * 86_400
"""No stake is held for longer, so that no game which was opened before can still cost any."""

# What these refusals mean: the game has gone on, here or elsewhere; the next look shows how.
_STALE = frozenset({"WrongState", "WrongPhase", "NotYourMove"})
_MOST_SURPRISES = 5  # in a row, before that is spoken about
_TOKEN = 10**18


def litigation_policy(max_gas_price: int = MAX_GAS_PRICE) -> SendPolicy:
    """How moves are sent: they follow the gas price up to a cap (wei), and may displace what an
    earlier process of the same account has left in the pool."""
    return SendPolicy(sole_sender=True, max_gas_price=max_gas_price)


class Conductor:
    """Plays on `side` with `account`, and with the keys in `former` where a game needs them.

    `owner` is the provider whose games concern the PROVIDER side. `find` says what a receipt was
    about. Sentences about all that happens go to `report`.
    """

    def __init__(
        self,
        chain: Chain,
        account: Account,
        side: Side,
        find: FindBrief,
        workers: WorkerPool,
        docket: Docket,
        *,
        owner: str = "",
        former: Sequence[Account] = (),
        errands: Sequence[Errand] = (),
        pace: Pace | None = None,
        report: Report = log.info,
    ) -> None:
        self._chain = chain
        self._account = account
        self._accounts = {each.address: each for each in (account, *former)}
        self._side = side
        self._owner = owner
        self._docket = docket
        self.errands = list(errands)
        self._pace = pace or Pace()
        self._report = report
        self._seats = Seats(side, find, workers)
        self._running_errands: dict[Errand, asyncio.Task[None]] = {}
        self._tables: dict[bytes, Table] = {}
        self._opening: set[bytes] = set()  # receipts whose games do not show yet
        self._eldest: dict[bytes, int] = {}  # by receipt: when its game was opened here, at least
        self._purse = asyncio.Lock()
        self._said: set[str] = set()
        self._is_blind = False
        self._changed = asyncio.Event()
        self._lively_until = 0.0  # on the monotonic clock: an answer may come any moment

    @property
    def open_cases(self) -> list[Case]:
        """The open games of this account, as of the last look."""
        return [case for case in self._docket.open_cases if self._player(case) in self._accounts]

    async def conduct(self, stop: asyncio.Event) -> None:
        """Play until `stop` is set. What is being sent then may still be mined."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                await self._look_safely()
                self._changed.clear()
                waking = asyncio.create_task(self._changed.wait())
                is_lively = host.monotonic() < self._lively_until
                pause = self._pace.poll_seconds / (4 if is_lively else 1)
                await asyncio.wait(
                    {stopping, waking}, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                waking.cancel()
        finally:
            stopping.cancel()
            await self._give_up()

    async def _look_safely(self) -> None:
        try:
            await self.look()
        except AivmError as error:
            if not self._is_blind:
                self._report(f"the chain is out of reach, games wait: {error.message}")
            self._is_blind = True
        except Exception:  # a defect in one look must not end all games
            log.exception("a look at the chain failed")
        else:
            if self._is_blind:
                self._report("the chain is there again, games go on")
            self._is_blind = False

    async def look(self) -> None:
        """Look at the chain once, and begin whatever is due. Raises what the chain raises."""
        head = await self._chain.block()  # first, so that the docket is never behind it
        await self._docket.poll()
        self._follow_games()
        for table in self._tables.values():
            self._begin(table, head)
        self._begin_errands()

    async def refresh(self) -> None:
        """Read the chain once more and begin nothing, so that `open_cases` is as of now."""
        await self._docket.poll()

    async def open(
        self, signed: SignedReceipt, package: Package, inputs: Mapping[str, Array]
    ) -> bytes:
        """Doubt a receipt, whose inputs are given by name; returns the game's id.

        A game of this account about it that is open already is gone on with. Raises NotAllowed
        where the receipt is right, too old, convicted already or not of a kind that is disputed;
        BadSignature, InsufficientFunds, WrongTensor, MalformedReceipt, and what a worker raises:
        all before any money moves.
        """
        chain, account, key = self._chain, self._account, receipt_hash(signed.receipt)
        await demand_open_to_dispute(chain, signed)
        self._opening.add(key)
        self._report(f"running job {signed.receipt.job.hex()[:16]} again, to see who is right")
        try:
            program = await self._seats.take(signed.receipt, Brief(package, inputs))
            async with self._purse:  # an allowance is for one bond
                game = await find_game(chain, account, signed)
                if game is None:
                    self._eldest[key] = await self._eldest_opening()
                    game = await open_game(chain, account, signed, program, self._report)
        except BaseException:
            self._opening.discard(key)
            raise
        self._changed.set()
        return game

    async def ended(self, game: bytes) -> Case:
        """Wait until a game that was opened here is over, while `conduct` runs; how it ended.

        Raises NotFound where a reorganisation takes the opening back: then it can be opened again.
        """
        was_there = False
        while True:
            case = self._find(game)
            if case is None and was_there:
                raise NotFound("a reorganisation has taken back the opening of the dispute")
            was_there = case is not None
            if case is not None and not case.is_open and all(e.sent for e in case.entries):
                return case
            await asyncio.sleep(self._pace.poll_seconds / 2)

    async def _eldest_opening(self) -> int:
        """A time before any opening from now on, also one that a reorganisation moves; and after
        any other of the same account and receipt, as that took a whole clock to be lost."""
        return (await self._chain.block()).time - (await self._chain.dispute.terms()).clock // 2

    def _find(self, game: bytes) -> Case | None:
        """The newest case of that id, but for one that had ended before it was opened here."""
        try:
            case = self._docket.case(game)
        except NotFound:
            return None
        return case if case.opening.since >= self._eldest.get(case.state.receipt, 0) else None

    # --- which games ------------------------------------------------------------------------------

    def _player(self, case: Case) -> str:
        """The address that moves for this side."""
        return case.state.defender if self._side is Side.PROVIDER else case.challenger

    def _follow_games(self) -> None:
        """Tables for the open games of this account and for no others."""
        for case in self._docket.open_cases:
            if self._player(case) not in self._accounts:
                if self._side is Side.PROVIDER and case.provider == self._owner:
                    self._say(f"{_name(case)} needs the key {self._player(case)}, it is not here")
                continue
            table = self._tables.get(case.game)
            if table is None:
                self._tables[case.game] = Table(case)
                self._announce(case)
            else:
                table.see(case)
        self._opening -= {table.case.state.receipt for table in self._tables.values()}
        games = {case.game for case in self._docket.open_cases}
        for game in self._tables.keys() - games:
            if not self._tables[game].is_busy:  # it may be about to hear that it has won
                self._close(self._tables.pop(game).case)
        self._seats.keep(
            self._opening | {table.case.state.receipt for table in self._tables.values()}
        )

    def _announce(self, case: Case) -> None:
        job = case.receipt.job.hex()[:16]
        if self._side is Side.PROVIDER:
            self._report(f"{_name(case)}: {case.challenger} doubts our receipt of job {job}")
        else:
            self._report(f"{_name(case)}: we doubt the receipt of {case.provider}, job {job}")

    def _close(self, last: Case) -> None:
        try:
            case = self._docket.case(last.game)
        except NotFound:
            self._report(f"{_name(last)} is gone: a reorganisation has taken back its opening")
        else:
            self._report(f"{_name(case)} is over: {_ending(case)}")

    # --- one game ---------------------------------------------------------------------------------

    def _begin(self, table: Table, head: Block) -> None:
        if table.is_ready(head.number):
            table.step = asyncio.create_task(self._step(table, table.case, head))

    async def _step(self, table: Table, case: Case, head: Block) -> None:
        """Do what is due in a game, and say what came of it; whatever fails is tried again."""
        try:
            await self._do(table, case, head)
        except ChainRejected as refused:
            if refused.error == "NotYetOver":  # this machine's clock is ahead of the chain's
                table.failed(self._pace)
            elif refused.error in _STALE:
                self._is_elsewhere(table)
            else:
                self._failed(table, refused)
        except AivmError as error:
            self._failed(table, error)
        except Exception as error:  # a defect in one game must not end the others
            log.exception("%s: a step failed", _name(case))
            self._failed(table, error)

    async def _do(self, table: Table, case: Case, head: Block) -> None:
        if await self._chain.dispute.stored(case.game) != case.state.hash:
            self._is_elsewhere(table)
            return
        convicted = await self._chain.dispute.convicted(case.state.receipt)
        time = max(head.time, host.now())
        account = self._accounts[self._player(case)]
        match due(case, self._side, block_time=head.time, time=time, convicted=convicted):
            case Due.MOVE:
                self._warn_of_time(case, head)
                move = await self._seats.move(case, account.address, head.time)
                sent = await self._chain.dispute.play(account, case.state, move, case.receipt)
                self._moved(table, case, sent, type(move).__name__)
            case Due.TIMEOUT:
                sent = await self._chain.dispute.timeout(account, case.state, case.receipt)
                self._moved(table, case, sent, "the other side's time is over: timeout")
            case Due.VOID:
                sent = await self._chain.dispute.void(account, case.state)
                self._moved(table, case, sent, "convicted elsewhere, the bond comes home: void")
            case Due.LATE:
                self._say_of(table, "our time is over: the chain takes no more moves of ours")

    def _moved(self, table: Table, case: Case, sent: TransactionReceipt, what: str) -> None:
        table.moved(case.state, sent.block_number, self._pace)
        self._lively_until = host.monotonic() + self._pace.lively_seconds
        self._changed.set()
        self._report(f"{_name(case)}: {what}, block {sent.block_number}, {sent.gas_used:,} gas")

    def _is_elsewhere(self, table: Table) -> None:
        """The game is in another state than its events have told: usually only until the next
        look."""
        if table.failed(self._pace) >= _MOST_SURPRISES:
            self._say_of(table, "is in another state than the node's events tell: looking again")

    def _failed(self, table: Table, error: Exception) -> None:
        table.failed(self._pace)
        hint = f" {error.hint}" if isinstance(error, AivmError) and error.hint else ""
        self._say_of(table, f"waits: {error}.{hint}")

    def _warn_of_time(self, case: Case, head: Block) -> None:
        assert case.deadline is not None, "the game is open"
        left = case.deadline - head.time
        state = case.opening
        had = state.provider_left if self._side is Side.PROVIDER else state.challenger_left
        if left < had * self._pace.warn_below:
            log.warning("%s: %d s are left of our %d s", _name(case), left, had)

    # --- the rest ---------------------------------------------------------------------------------

    def _begin_errands(self) -> None:
        for errand in self.errands:
            running = self._running_errands.get(errand)
            if running is None or running.done():
                self._running_errands[errand] = asyncio.create_task(self._run_errand(errand))

    async def _run_errand(self, errand: Errand) -> None:
        try:
            await errand()
        except AivmError as error:
            self._say(f"an errand waits: {error.message}")
        except Exception:  # a defect in one must not end the others, nor the games
            log.exception("an errand failed")

    def _say_of(self, table: Table, sentence: str) -> None:
        """Say something of a game, unless it was the last thing said."""
        if table.is_news(sentence):
            self._report(f"{_name(table.case)} {sentence}")

    def _say(self, sentence: str) -> None:
        """Say something once."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._report(sentence)

    async def _give_up(self) -> None:
        steps = [table.step for table in self._tables.values() if table.step is not None]
        await _cancelled([*steps, *self._running_errands.values()])
        self._seats.keep(())


@asynccontextmanager
async def playing(conductor: Conductor) -> AsyncIterator[None]:
    """The conductor at work in the background of a block."""
    stop = asyncio.Event()
    task = asyncio.create_task(conductor.conduct(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _name(case: Case) -> str:
    return f"dispute {case.game.hex()[:8]}"


def _ending(case: Case) -> str:
    match case.status:
        case Status.CONVICTED:
            return f"convicted, {case.taken / _TOKEN:g} AIVM of the stake are taken"
        case Status.ACQUITTED:
            return "the challenger's time ran out, the receipt stands"
        case _:
            return "the receipt was convicted elsewhere, the bond went home"

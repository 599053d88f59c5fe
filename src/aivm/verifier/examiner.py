"""Re-execution: takes what is due from the book, within the hour's budget, and says what it found.

A first engine runs the receipt. If it finds other outputs than the receipt claims, a second engine
has to find the very same ones before the receipt counts as false: a defect of an engine, or of
this machine's memory, must not cost anybody a bond. Engines run in worker processes, so that a
model that takes one down takes nothing else with it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from aivm.commitments import bundle_root, tensor_root_of_bytes
from aivm.errors import AivmError, InvalidIndex, Unavailable
from aivm.verifier.book import Book, Entry
from aivm.verifier.intake import Budget, Intake
from aivm.verifier.shelf import ProgramSignature, Shelf
from aivm.verifier.standing import ChainClock
from aivm.verifier.states import State
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)
NO_RESULT = b"\x00"  # what is found where a run has no result at all
MAX_ATTEMPTS = 3
RETRY_SECONDS = 60
IDLE_SECONDS = 1.0
TIDY_SECONDS = 300
# Of the hour's budget; what is above it is spent on receipts that were passed over.
RESERVE = 0.5


@dataclass(frozen=True)
class Engines:
    """Workers of two engines; the second is only asked about what the first doubts."""

    first: WorkerPool
    second: WorkerPool

    async def stop(self) -> None:
        await asyncio.gather(self.first.stop(), self.second.stop())


class Examiner:
    """Runs what is due, the one after the other."""

    def __init__(
        self,
        *,
        book: Book,
        shelf: Shelf,
        intake: Intake,
        engines: Engines,
        clock: ChainClock,
        budget: Budget,
    ) -> None:
        self._book = book
        self._shelf = shelf
        self._intake = intake
        self._engines = engines
        self._clock = clock
        self._budget = budget

    async def watch(self) -> None:
        """Examine for ever; a defect in one examination does not end the others."""
        tidied, said = 0, ""
        while True:
            try:
                busy = await self.step()
                said = ""
                if self._clock.now() - tidied > TIDY_SECONDS:
                    tidied = self._clock.now()
                    self._book.tidy(tidied)
            except AivmError as error:
                if error.message != said:  # once for each outage
                    log.warning("examination waits: %s", error.message)
                busy, said = False, error.message
            except Exception:
                log.exception("an examination failed")
                busy = False
            if not busy:
                await asyncio.sleep(IDLE_SECONDS)

    async def step(self) -> bool:
        """Examine one receipt, or draw one that was passed over; False where nothing is to do."""
        now = self._clock.now()
        left = self._budget.left(self._book, now)
        entry = self._book.next_due(now)
        if entry is None:
            idle = left > RESERVE * self._budget.gas_per_hour
            return idle and await self._intake.draw_again() and self._book.next_due(now) is not None
        if left <= 0:
            return False
        await self.examine(entry)
        return True

    async def examine(self, entry: Entry) -> None:
        """One run of one engine, and what follows from it in the book."""
        now = self._clock.now()
        if entry.attempts >= MAX_ATTEMPTS:
            self._give_up(entry, entry.reason or "each attempt ended this verifier")
            return
        self._book.begin(entry, now)
        try:
            found = await self._run(entry)
        except Unavailable as error:
            log.warning("receipt %s: %s", entry.receipt.hex(), error.message)
            self._book.postpone(entry.receipt, now + RETRY_SECONDS, error.message)
        except AivmError as error:
            self._give_up(entry, error.message)
        else:
            self._conclude(entry, found)

    def _conclude(self, entry: Entry, found: bytes) -> None:
        claimed = entry.signed.receipt.outputs
        if entry.state is State.DUE:
            state = State.HOLDS if found == claimed else State.SUSPECT
            self._book.move(entry, state, found=found)
        elif found == entry.found:
            log.warning(
                "receipt %s of %s is false: it claims outputs %s, two engines found %s",
                entry.receipt.hex(),
                entry.provider,
                claimed.hex(),
                "that there is no result" if found == NO_RESULT else found.hex(),
            )
            self._book.move(entry, State.FALSE)
        else:
            log.error("the engines disagree about receipt %s", entry.receipt.hex())
            self._give_up(entry, "the engines disagree: a defect of this verifier")

    def _give_up(self, entry: Entry, reason: str) -> None:
        self._book.move(entry, State.UNCHECKED, reason=reason)

    async def _run(self, entry: Entry) -> bytes:
        """The output root that an engine gives, or NO_RESULT."""
        tensors = self._book.inputs(entry.receipt)
        package = await self._shelf.package(entry.signed.receipt.model)
        shapes = {tensor.name: tensor.array.shape for tensor in tensors}
        program = await self._shelf.signature(package, shapes)
        pool = self._engines.first if entry.state is State.DUE else self._engines.second
        blobs = [tensor.array.tobytes() for tensor in tensors]
        try:
            outputs = await pool.run(package.model_id.hex(), package.directory, shapes, blobs)
        except InvalidIndex:
            return NO_RESULT
        return await asyncio.to_thread(_root, program, outputs)


def _root(program: ProgramSignature, outputs: list[bytes]) -> bytes:
    pairs = zip(program.output_types, outputs, strict=True)
    return bundle_root(tensor_root_of_bytes(kind.dtype, kind.shape, blob) for kind, blob in pairs)

"""Taking receipts in: everything that can be checked without running anything is checked first.

    known already?  ->  domain, job id, tier  ->  window  ->  signature by a staked provider's key
        ->  the receipt's program takes these inputs  ->  their root is the receipt's  ->  draw

What fails is refused with its reason and leaves no trace; what is taken stands in the book before
the sender hears of it. Nothing but the book is written, so that taking the same receipt twice, or
being killed between, changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from aivm import host
from aivm.chain.client import Chain
from aivm.commitments import bundle_root, tensor_root
from aivm.commitments.cid import Cid
from aivm.dispute.state import receipt_hash
from aivm.errors import BadSignature, NotAllowed, NotFound, Overloaded, VerificationError
from aivm.market.directory import Wanted
from aivm.market.openinference import Tensor
from aivm.receipts import (
    ARBITRATED,
    Domain,
    Expectation,
    SignedReceipt,
    Tier,
    recover_address,
    verify_receipt,
)
from aivm.verifier.book import HOUR, Book, Entry
from aivm.verifier.charges import Charges
from aivm.verifier.policy import DRAW_BYTES, Policy, Risk, is_drawn, probability
from aivm.verifier.shelf import ProgramSignature, Shelf
from aivm.verifier.standing import ChainClock, Providers, Standing
from aivm.verifier.states import State
from aivm.verifier.submission import Submission

log = logging.getLogger(__name__)
DISPUTABLE = (Tier.OPTIMISTIC, Tier.REDUNDANT)
CLOCK_SKEW_SECONDS = 60  # a provider's clock may be so far ahead of the chain's
Fetch = Callable[[Cid], Awaitable[Sequence[Tensor]]]


@dataclass(frozen=True)
class Budget:
    """What the verifier may spend: gas units an hour, an eighth of them on one run.

    A run is begun while anything is left, so that a costly one neither waits for ever nor keeps
    cheaper ones waiting until all of it is there.
    """

    gas_per_hour: int = 10**13

    @property
    def gas_per_run(self) -> int:
        """The most that one run may take."""
        return self.gas_per_hour // 8

    def left(self, book: Book, now: int) -> int:
        """Gas units that may still be spent now; below zero by less than a run's."""
        return self.gas_per_hour - book.spent(now - HOUR)


class Intake:
    """Decides about submissions, one at a time or many at once."""

    def __init__(
        self,
        *,
        chain: Chain,
        book: Book,
        charges: Charges,
        shelf: Shelf,
        providers: Providers,
        clock: ChainClock,
        fetch: Fetch,
        policy: Policy,
        budget: Budget,
    ) -> None:
        self._chain = chain
        self._book = book
        self._charges = charges
        self._shelf = shelf
        self._providers = providers
        self._clock = clock
        self._fetch = fetch
        self._policy = policy
        self._budget = budget
        self._domain = Domain(chain.chain_id, chain.staking.address)

    async def take(self, submission: Submission) -> tuple[Entry, bool]:
        """The receipt's entry in the book, and whether it is new.

        Raises VerificationError, NotAllowed, NotFound (what will never be taken), Overloaded and
        other Unavailable (what may be sent again).
        """
        known = self._known(submission)
        if known is not None:
            return known, False
        signed = submission.signed
        self._check_offline(signed)
        now = await self._clock.refresh()
        deadline = await self._check_window(signed, now)
        standing = await self._check_signer(signed)
        if self._charges.add([signed]):
            raise VerificationError("the receipt's job id is not that of its parts: to be reported")
        tensors, program = await self._check_inputs(submission)
        most = self._budget.gas_per_run
        if program.gas > most:
            raise NotAllowed(f"a run takes {program.gas} gas units, this verifier spends {most}")
        wanted = Wanted(signed.receipt.model, signed.receipt.program, program.gas)
        price = await self._providers.price(standing.info, wanted, program.gas)
        entry = Entry(
            receipt=receipt_hash(signed.receipt),
            job=signed.receipt.job,
            provider=signed.receipt.provider,
            source=submission.source,
            flagged=submission.flagged,
            price=price,
            gas=program.gas,
            deadline=deadline,
            state=State.PASSED,
            seen=now,
            signed=signed,
        )
        entry = await self._drawn(entry, standing, now)
        if not self._book.add(entry, tensors):
            raise Overloaded("too many receipts of this provider wait already")
        for other in self._book.of_job(entry.job):
            if self._charges.add([other.signed, signed]):
                log.warning("job %s was answered twice", entry.job.hex())
        return self._book.find(entry.receipt) or entry, True

    async def draw_again(self) -> bool:
        """Another chance for some receipt that was passed over; whether there was one."""
        now = self._clock.now()
        entry = self._book.passed_over(now, int.from_bytes(host.random_bytes(8), "big"))
        if entry is None:
            return False
        standing = await self._providers.standing(entry.provider)
        drawn = await self._drawn(entry, standing, now)
        if drawn.state is State.DUE:
            self._book.move(entry, State.DUE)
        return True

    def _known(self, submission: Submission) -> Entry | None:
        """The entry of a receipt that is here, unless there is something new to it: a first
        complaint of its client."""
        found = self._book.find(receipt_hash(submission.signed.receipt))
        if found is None or (submission.flagged and not found.flagged):
            return None
        return found

    def _check_offline(self, signed: SignedReceipt) -> None:
        receipt = signed.receipt
        if signed.pipeline is not None:
            raise NotAllowed(f"the receipt is about modules: {ARBITRATED}")
        if receipt.tier not in DISPUTABLE:
            raise NotAllowed(f"a receipt of tier {receipt.tier.name} cannot be disputed")
        if signed.domain != self._domain:
            raise NotAllowed(
                f"the receipt counts on chain {signed.domain.chain_id} for contract"
                f" {signed.domain.contract}, which is not this verifier's network"
            )
        # Whose signature it is, `_check_signer` finds out; a wrong job id is a crime of its own.
        verdict = verify_receipt(signed, Expectation(domain=self._domain))
        for check in verdict.checks:
            if not check.ok and check.name != "job":
                kind = BadSignature if check.name == "signature" else VerificationError
                raise kind(f"the receipt is wrong: {check.name}: {check.detail}")

    async def _check_window(self, signed: SignedReceipt, now: int) -> int:
        """The last second in which the receipt can be disputed."""
        time = signed.receipt.time
        if time > now + CLOCK_SKEW_SECONDS:
            raise NotAllowed(f"the receipt is from the future: its time is {time}, it is {now}")
        deadline = time + (await self._providers.disputes()).window
        if deadline <= now + self._policy.least_seconds:
            raise NotAllowed("it is too late: the receipt can no longer be disputed in time")
        return deadline

    async def _check_signer(self, signed: SignedReceipt) -> Standing:
        receipt = signed.receipt
        try:
            standing = await self._providers.standing(receipt.provider)
        except NotFound:
            raise VerificationError(f"{receipt.provider} is no provider on this chain") from None
        signer = recover_address(receipt.digest(signed.domain), signed.signature or b"")
        if not await self._chain.staking.is_hot_key(receipt.provider, signer, receipt.time):
            raise BadSignature(f"{signer} was no key of provider {receipt.provider} then")
        if standing.slashable == 0:
            raise NotAllowed(f"provider {receipt.provider} has no stake that could be taken")
        if await self._chain.dispute.convicted(receipt_hash(receipt)):
            raise NotAllowed("the receipt is convicted already")
        return standing

    async def _check_inputs(self, submission: Submission) -> tuple[list[Tensor], ProgramSignature]:
        receipt = submission.signed.receipt
        package = await self._shelf.package(receipt.model)
        tensors = submission.tensors
        if submission.published is not None:
            tensors = await self._fetch(submission.published)
        shapes = {tensor.name: tensor.array.shape for tensor in tensors}
        program = await self._shelf.signature(package, shapes)
        if program.root != receipt.program:
            raise VerificationError(
                f"inputs of these shapes are for program {program.root.hex()},"
                f" the receipt names {receipt.program.hex()}"
            )
        ordered = program.order(tensors)
        if await asyncio.to_thread(_root, ordered) != receipt.inputs:
            raise VerificationError("these are not the inputs that the receipt names")
        return ordered, program

    async def _drawn(self, entry: Entry, standing: Standing, now: int) -> Entry:
        """The entry as a draw leaves it: due, or passed over."""
        right, false = self._book.record(entry.provider)
        risk = Risk(
            price=entry.price,
            penalty=(await self._providers.disputes()).penalty,
            slashable=standing.slashable,
            at_risk=self._book.at_risk(entry.provider, now),
            age_seconds=now - standing.info.registered_at,
            found_right=right,
            found_false=false,
            seconds_left=entry.deadline - now,
            gas=entry.gas,
            gas_left=self._budget.left(self._book, now),
            flagged=entry.flagged,
        )
        chance = probability(risk, self._policy)
        state = State.DUE if is_drawn(chance, host.random_bytes(DRAW_BYTES)) else State.PASSED
        return replace(entry, state=state)


def _root(tensors: Sequence[Tensor]) -> bytes:
    return bundle_root(tensor_root(tensor.array, tensor.dtype) for tensor in tensors)

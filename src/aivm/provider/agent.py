"""The provider agent: one paid inference from request to receipt, and what it needs around it.

    request -> program chosen -> job id -> voucher admitted (journal) -> worker runs
            -> receipt signed -> stored (journal) -> response

The agent holds the hot key that signs receipts; the owner's cold key is never on this machine.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from aivm import host
from aivm.commitments import bundle_root, numpy_dtype, tensor_root_of_bytes
from aivm.errors import MalformedReceipt, PaymentRefused, TooLarge, WrongTensor
from aivm.isa.program import NUMERICS_VERSION
from aivm.market.openinference import (
    RECEIPT_PARAMETER,
    VOUCHER_PARAMETER,
    Message,
    Tensor,
)
from aivm.provider.admission import Admission, Terms
from aivm.provider.catalog import Catalog, Offer, ServedModel, derived_offer
from aivm.provider.journal import Job, JobInputs, JobState, Journal
from aivm.receipts import (
    Domain,
    Receipt,
    SignedVoucher,
    Signer,
    Tier,
    job_id,
    parse_voucher,
    sign_receipt,
)
from aivm.workers.pool import WorkerPool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """Who signs: the owner's address on chain, the hot key, and the domain receipts count in."""

    owner: str
    hot_key: Signer
    receipts: Domain


class Agent:
    """Serves inferences; everything that the outside decides is given to it."""

    def __init__(
        self,
        *,
        identity: Identity,
        terms: Terms,
        catalog: Catalog,
        admission: Admission,
        journal: Journal,
        workers: WorkerPool,
    ) -> None:
        self.identity = identity
        self.terms = terms
        self.catalog = catalog
        self.journal = journal
        self._admission = admission
        self._workers = workers
        # The same job asked for twice at once runs once; both callers get the one answer.
        self._running: dict[bytes, asyncio.Future[Job]] = {}

    async def infer(self, served: ServedModel, request: Message) -> Message:
        """Answer one request. Raises AivmError; then nothing was charged."""
        offer, tensors = await self._choose(served, request)
        if unknown := set(request.outputs) - set(offer.output_names):
            raise WrongTensor(f"{min(unknown)!r} is not an output of {served.name}")
        signed = _voucher(request)  # before anything is hashed: that costs time
        blobs = [
            np.ascontiguousarray(tensor.array, numpy_dtype(tensor.dtype)).tobytes()
            for tensor in tensors
        ]
        inputs_root = bundle_root(
            tensor_root_of_bytes(kind.dtype, kind.shape, blob)
            for kind, blob in zip(offer.input_types, blobs, strict=True)
        )
        voucher = signed.voucher
        model = served.package.model_id
        job = job_id(voucher.channel, voucher.sequence, model, offer.root, inputs_root)
        accepted, channel = await self._admission.admit(
            signed, job=job, model=model, price=self.terms.price(offer.gas)
        )
        draft = _Draft(served, offer, blobs, inputs_root, channel.client)
        done = await self._completed(accepted, draft)
        return _response(request, served, offer, done)

    async def _choose(self, served: ServedModel, request: Message) -> tuple[Offer, list[Tensor]]:
        """The program that takes these tensors: a known one, or one derived now.

        Raises WrongTensor, TooLarge (over the gas that is derived here), PaymentRefused.
        """
        limit = self.terms.max_derived_gas
        if limit and not served.find(request.tensors) and served.can_derive(request.tensors):
            await self._admission.check_payer(_voucher(request), served.package.model_id)
            shapes = {tensor.name: tensor.array.shape for tensor in request.tensors}
            model, folder = served.package.model_id.hex(), served.package.directory
            offer = derived_offer(await self._workers.describe(model, folder, shapes))
            if offer.gas > limit:
                raise TooLarge(
                    f"a run of this shape takes {offer.gas} gas units, over {limit}",
                    hint="The provider runs smaller shapes, and those that the package lists.",
                )
            served.remember(offer)
        return served.choose(request.tensors)

    async def _completed(self, job: Job, draft: _Draft) -> Job:
        """The finished job: stored, running already, or run now (also after a crash)."""
        if job.state is JobState.DONE:
            return job
        running = self._running.get(job.job)
        if running is None:
            running = asyncio.ensure_future(self._execute(job, draft))
            self._running[job.job] = running
            running.add_done_callback(lambda ended: self._ended(job.job, ended))
        # A caller that hangs up must not take the job from another, nor from the journal.
        return await asyncio.shield(running)

    def _ended(self, job: bytes, running: asyncio.Future[Job]) -> None:
        del self._running[job]
        # Where every caller has hung up, nobody else looks at the error.
        if not running.cancelled() and running.exception() is not None:
            log.info("job %s failed", job.hex())

    async def _execute(self, job: Job, draft: _Draft) -> Job:
        try:
            return await self._run(job, draft)
        except Exception:  # whatever it was, the job has no result, so it costs nothing
            self.journal.fail(job)
            raise

    async def _run(self, job: Job, draft: _Draft) -> Job:
        served, offer = draft.served, draft.offer
        outputs = await self._workers.run(
            served.package.model_id.hex(), served.package.directory, offer.shapes, draft.blobs
        )
        outputs_root = bundle_root(
            tensor_root_of_bytes(kind.dtype, kind.shape, blob)
            for kind, blob in zip(offer.output_types, outputs, strict=True)
        )
        receipt = self._receipt(job, draft, outputs_root)
        signed = sign_receipt(
            receipt, self.identity.receipts, self.identity.hot_key, derived=offer.derived_by
        )
        text = signed.to_json()
        body = b"".join(outputs)
        inputs = JobInputs(offer.inputs, b"".join(draft.blobs), receipt.time)
        self.journal.finish(job, text.decode(), body, inputs)
        log.info("job %s done", job.job.hex())
        return replace(job, state=JobState.DONE, receipt=text.decode(), body=body)

    def _receipt(self, job: Job, draft: _Draft, outputs_root: bytes) -> Receipt:
        return Receipt(
            job=job.job,
            model=draft.served.package.model_id,
            program=draft.offer.root,
            inputs=draft.inputs_root,
            outputs=outputs_root,
            client=draft.client,
            provider=self.identity.owner,
            channel=job.channel,
            sequence=job.sequence,
            tier=Tier.OPTIMISTIC,
            numerics=NUMERICS_VERSION,
            time=host.now(),
        )


@dataclass(frozen=True)
class _Draft:
    """What is known about a job before it runs."""

    served: ServedModel
    offer: Offer
    blobs: list[bytes]
    inputs_root: bytes
    client: str


def _voucher(request: Message) -> SignedVoucher:
    text = request.parameters.get(VOUCHER_PARAMETER)
    if text is None:
        raise PaymentRefused(
            "the request carries no voucher",
            hint=f"Put a signed voucher into the request parameter {VOUCHER_PARAMETER!r}.",
        )
    if not isinstance(text, str):
        raise MalformedReceipt(f"parameter {VOUCHER_PARAMETER!r} must be a string")
    return parse_voucher(text.encode())


def _response(request: Message, served: ServedModel, offer: Offer, job: Job) -> Message:
    """Rebuild the response from the journal's bytes: a repeated request gets the same answer."""
    tensors = []
    offset = 0
    for name, kind in zip(offer.output_names, offer.output_types, strict=True):
        blob = job.body[offset : offset + kind.size_bytes]
        offset += kind.size_bytes
        array: np.ndarray[Any, Any] = np.frombuffer(blob, numpy_dtype(kind.dtype))
        tensors.append(Tensor(name, kind.dtype, array.reshape(kind.shape)))
    wanted = set(request.outputs)
    return Message(
        tensors=[tensor for tensor in tensors if not wanted or tensor.name in wanted],
        parameters={RECEIPT_PARAMETER: job.receipt},
        id=request.id,
        model=served.name,
        binary_outputs=request.binary_outputs,
    )

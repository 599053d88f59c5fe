"""Auditing a receipt: run the program again, on any engine, and compare for equality of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aivm.client.local import LocalModel
from aivm.client.session import LocalSession
from aivm.errors import Mismatch
from aivm.isa import Program
from aivm.receipts import Check, Domain, Expectation, SignedReceipt, Verdict, verify_receipt

Array = np.ndarray[Any, Any]


def audit(
    signed: SignedReceipt,
    model: LocalModel,
    inputs: Mapping[str, Array],
    *,
    outputs: Sequence[Array] | None = None,
    hot_key: str | None = None,
    domain: Domain | None = None,
) -> Verdict:
    """Every check on the receipt, ending with re-execution.

    `inputs` by name; `outputs`, where given, came with the receipt; `hot_key` is the provider's
    registered key and `domain` that of its network's receipts. Returns the verdict; raises only for
    bad input.
    """
    done = model.execute(inputs)
    program = done.prepared.program
    offline = verify_receipt(
        signed,
        Expectation(
            model=model.model_id,
            program=program,
            derived=done.prepared.derived,
            inputs=done.inputs,
            outputs=outputs,
            hot_key=hot_key,
            domain=domain,
        ),
    )
    return _with_outputs(offline, signed, done.outputs, program)


def audit_generation(
    signed: SignedReceipt,
    session: LocalSession,
    inputs: Mapping[str, Array],
    *,
    outputs: Array | None = None,
    hot_key: str | None = None,
    domain: Domain | None = None,
) -> Verdict:
    """As `audit`, of a receipt about a generation: `inputs` are the tensors of its request, and
    `outputs` the tokens that came with the receipt."""
    generation = session.repeat(inputs)
    offline = verify_receipt(
        signed,
        Expectation(
            model=session.model_id,
            programs=[session.generator.root],
            inputs=list(generation.request.tensors().values()),
            outputs=None if outputs is None else [outputs],
            hot_key=hot_key,
            domain=domain,
        ),
    )
    return _with_outputs(offline, signed, [generation.outputs])


def _with_outputs(
    offline: Verdict,
    signed: SignedReceipt,
    outputs: Sequence[Array],
    program: Program | None = None,
) -> Verdict:
    """The verdict with one check more: do these outputs, computed here, agree with the claim?"""
    repeated = verify_receipt(signed, Expectation(program=program, outputs=outputs))
    claim = next(check for check in repeated.checks if check.name == "outputs")
    return Verdict((*offline.checks, Check("re-execution", claim.ok, claim.detail)))


def demand(verdict: Verdict) -> None:
    """Raise Mismatch, naming the failed checks, unless all of them held."""
    failed = [f"{check.name}: {check.detail}" for check in verdict.checks if not check.ok]
    if failed:
        raise Mismatch("the receipt does not hold: " + "; ".join(failed))

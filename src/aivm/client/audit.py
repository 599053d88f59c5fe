"""Auditing a receipt: run the program again, on any engine, and compare for equality of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aivm.client.local import LocalModel
from aivm.errors import Mismatch
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
            inputs=done.inputs,
            outputs=outputs,
            hot_key=hot_key,
            domain=domain,
        ),
    )
    repeated = verify_receipt(
        signed, Expectation(program=program, outputs=done.outputs, hot_key=hot_key)
    )
    claim = next(check for check in repeated.checks if check.name == "outputs")
    return Verdict((*offline.checks, Check("re-execution", claim.ok, claim.detail)))


def demand(verdict: Verdict) -> None:
    """Raise Mismatch, naming the failed checks, unless all of them held."""
    failed = [f"{check.name}: {check.detail}" for check in verdict.checks if not check.ok]
    if failed:
        raise Mismatch("the receipt does not hold: " + "; ".join(failed))

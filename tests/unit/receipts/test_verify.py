"""Offline verification: an honest receipt passes every check, each lie fails its own check."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aivm.commitments import bundle_root, program_root, tensor_root
from aivm.isa.instructions import Cast, Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.receipts import (
    Domain,
    Expectation,
    Receipt,
    SignedReceipt,
    Verdict,
    local_receipt,
    sign_receipt,
    verify_receipt,
)

INPUTS = [np.arange(4, dtype=np.float32), np.ones((2, 2), dtype=np.int64)]
OUTPUTS = [np.full(4, 2.5, dtype=np.float32)]

MARK = "0123456789abcdef"


@pytest.fixture
def honest(receipt: Receipt) -> Receipt:
    inputs = bundle_root(tensor_root(array) for array in INPUTS)
    outputs = bundle_root(tensor_root(array) for array in OUTPUTS)
    filled = replace(receipt, inputs=inputs, outputs=outputs)
    return replace(filled, job=filled.expected_job)


@pytest.fixture
def known(honest: Receipt, domain: Domain, signer) -> Expectation:
    return Expectation(
        domain=domain,
        hot_key=signer.address,
        model=honest.model,
        programs=[b"\x33" * 32, honest.program],
        inputs=INPUTS,
        outputs=OUTPUTS,
    )


def failures(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.ok]


def test_an_honest_receipt_passes_every_check(honest, domain, signer, known) -> None:
    verdict = verify_receipt(sign_receipt(honest, domain, signer), known)
    assert verdict.ok, verdict
    assert [check.name for check in verdict.checks] == [
        "signature", "domain", "job", "numerics", "model", "program in manifest", "inputs",
        "outputs",
    ]  # fmt: skip


def test_what_is_not_known_is_not_checked(honest, domain, signer) -> None:
    verdict = verify_receipt(sign_receipt(honest, domain, signer), Expectation())
    assert verdict.ok
    assert [check.name for check in verdict.checks] == ["signature", "job", "numerics"]


@pytest.mark.parametrize(
    ("field", "value", "failed"),
    [
        ("outputs", b"\x66" * 32, ["outputs"]),
        ("inputs", b"\x66" * 32, ["job", "inputs"]),
        ("model", b"\x66" * 32, ["job", "model"]),
        ("program", b"\x66" * 32, ["job", "program in manifest"]),
        ("sequence", 10, ["job"]),
        ("channel", b"\x66" * 32, ["job"]),
        ("job", b"\x66" * 32, ["job"]),
        ("numerics", 2, ["numerics"]),
    ],
)  # fmt: skip
def test_each_lie_fails_its_check(honest, domain, signer, known, field, value, failed) -> None:
    lie = sign_receipt(replace(honest, **{field: value}), domain, signer)
    assert failures(verify_receipt(lie, known)) == failed


def test_a_signature_by_another_key_fails(honest, domain, stranger, known) -> None:
    assert failures(verify_receipt(sign_receipt(honest, domain, stranger), known)) == ["signature"]


def test_a_signature_over_other_content_fails(honest, domain, signer, known) -> None:
    signature = sign_receipt(honest, domain, signer).signature
    moved = SignedReceipt(domain, replace(honest, time=1), signature)
    assert failures(verify_receipt(moved, known)) == ["signature"]


def test_a_signature_of_another_domain_fails(honest, domain, signer, known) -> None:
    elsewhere = sign_receipt(honest, Domain(1, domain.contract), signer)
    assert failures(verify_receipt(elsewhere, known)) == ["domain"]
    replayed = SignedReceipt(domain, honest, elsewhere.signature)
    assert failures(verify_receipt(replayed, known)) == ["signature"]


def test_a_malformed_signature_fails_without_raising(honest, domain, known) -> None:
    assert failures(verify_receipt(SignedReceipt(domain, honest, bytes(65)), known)) == [
        "signature"
    ]


def test_one_flipped_bit_in_a_tensor_fails(honest, domain, signer, known) -> None:
    flipped = OUTPUTS[0].copy()
    flipped.view(np.uint32)[2] ^= 1
    signed = sign_receipt(honest, domain, signer)
    assert failures(verify_receipt(signed, replace(known, outputs=[flipped]))) == ["outputs"]


def test_arrays_that_are_no_tensors_fail_without_raising(honest, domain, signer, known) -> None:
    signed = sign_receipt(honest, domain, signer)
    strange = replace(known, inputs=[np.zeros(3)])
    assert failures(verify_receipt(signed, strange)) == ["inputs"]


def test_a_local_receipt_proves_no_claim_of_a_provider(known) -> None:
    receipt = local_receipt(
        model=b"m" * 32, program=b"p" * 32, inputs=b"i" * 32, outputs=b"o" * 32, time=5
    )
    signed = SignedReceipt(Domain(0, "0x" + "00" * 20), receipt, None)
    assert verify_receipt(signed, Expectation()).ok
    assert failures(verify_receipt(signed, Expectation(hot_key=known.hot_key))) == ["signature"]


def test_a_program_gives_its_root_and_the_meaning_of_uint16(honest, domain, signer) -> None:
    half = TensorType(DType.BF16, (4,))
    f32 = TensorType(DType.F32, (4,))
    program = Program((f32,), (), (Map(Function.NEG, (0,), f32),), (1,))
    inputs = [np.arange(4, dtype=np.float32)]
    receipt = replace(
        honest, program=program_root(program), inputs=bundle_root([tensor_root(inputs[0])])
    )
    receipt = replace(receipt, job=receipt.expected_job)
    signed = sign_receipt(receipt, domain, signer)
    assert verify_receipt(signed, Expectation(program=program, inputs=inputs)).ok

    other = Program((half,), (), (Cast((0,), f32),), (1,))
    wrong = verify_receipt(signed, Expectation(program=other, inputs=inputs))
    assert failures(wrong) == ["program", "inputs"]
    few = verify_receipt(signed, Expectation(program=program, inputs=[]))
    assert failures(few) == ["inputs"]


@pytest.mark.parametrize(
    ("mark", "derived", "ok"),
    [(None, False, True), (None, True, False), (MARK, True, True), (MARK, False, False)],
)
def test_the_receipt_must_say_whether_the_program_is_listed(
    receipt, domain, signer, mark: str | None, derived: bool, ok: bool
) -> None:
    signed = sign_receipt(receipt, domain, signer, derived=mark)
    verdict = verify_receipt(signed, Expectation(derived=derived))
    (check,) = (check for check in verdict.checks if check.name == "derivation")
    assert check.ok is ok
    unknown = verify_receipt(signed, Expectation())
    assert "derivation" not in [check.name for check in unknown.checks]

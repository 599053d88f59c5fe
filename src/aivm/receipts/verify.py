"""Offline verification of a receipt: every check that can be made is made, and each is listed.

What is not given is not checked, and then no check of that name is in the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from aivm.commitments import Array, bundle_root, program_root, tensor_root
from aivm.errors import BadSignature, WrongTensor
from aivm.isa.instructions import TensorType
from aivm.isa.program import NUMERICS_VERSION, Program
from aivm.receipts.document import SignedReceipt
from aivm.receipts.eip712 import Domain
from aivm.receipts.pipeline import Pipeline
from aivm.receipts.receipt import Receipt, Tier
from aivm.receipts.signing import recover_address

ARBITRATED = "a dispute about a module goes to arbitration, not to the one-step prover"


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked of a receipt, its answer, and what was seen."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every check made, in order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them held."""
        return all(check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the reader knows from elsewhere; None stands for "not known, do not check".

    `hot_key` is the provider's registered key (from the chain), `model` and `programs` come from
    the package's manifest, `program` is the decoded program (it also says which uint16 tensors are
    F16 or BF16), `inputs` and `outputs` are the tensors themselves. `derived` says whether that
    program is one which the package does not list. `tier` is what was ordered, and `between` the
    first and last second (Unix) at which an answer can have been signed: a receipt of another tier
    or time may be out of a dispute's reach.
    """

    domain: Domain | None = None
    hot_key: str | None = None
    model: bytes | None = None
    programs: Collection[bytes] | None = None
    program: Program | None = None
    inputs: Sequence[Array] | None = None
    outputs: Sequence[Array] | None = None
    derived: bool | None = None
    tier: Tier | None = None
    between: tuple[int, int] | None = None


def verify_receipt(signed: SignedReceipt, expected: Expectation) -> Verdict:
    """Checks `signed` against everything that is expected of it; never raises for a bad receipt."""
    return Verdict(tuple(_checks(signed, expected)))


def _checks(signed: SignedReceipt, expected: Expectation) -> Iterator[Check]:
    receipt = signed.receipt
    yield _signature(signed, expected.hot_key)
    if expected.domain is not None:
        yield Check("domain", signed.domain == expected.domain, _domain_text(signed.domain))
    yield _equal("job", receipt.job, receipt.expected_job)
    yield Check("numerics", receipt.numerics == NUMERICS_VERSION, f"numerics {receipt.numerics}")
    yield from _terms(receipt, expected)
    if expected.model is not None:
        yield _equal("model", receipt.model, expected.model)
    program = receipt.program
    if signed.pipeline is not None:
        program = signed.pipeline.program
        yield _modules(receipt, signed.pipeline)
    if expected.programs is not None:
        yield Check("program in manifest", program in expected.programs, _hex(program))
    if expected.program is not None:
        yield _equal("program", program, program_root(expected.program))
    if expected.derived is not None:
        yield _derivation(signed.derived, expected.derived)
    yield from _tensor_checks(receipt, expected)


def _terms(receipt: Receipt, expected: Expectation) -> Iterator[Check]:
    if expected.tier is not None:
        yield Check("tier", receipt.tier is expected.tier, f"the receipt's is {receipt.tier.name}")
    if expected.between is not None:
        first, last = expected.between
        detail = f"signed at {receipt.time}, asked for between {first} and {last}"
        yield Check("time", first <= receipt.time <= last, detail)


def _derivation(marked: str | None, derived: bool) -> Check:
    """Whether the receipt says truly where its program comes from."""
    ours = "is derived from the model's source" if derived else "is listed in the manifest"
    theirs = "listed" if marked is None else f"derived by compiler {marked}"
    agree = (marked is not None) == derived
    detail = theirs if agree else f"the receipt says {theirs}, the program {ours}"
    return Check("derivation", agree, detail)


def _modules(receipt: Receipt, pipeline: Pipeline) -> Check:
    if receipt.program != pipeline.root:
        return Check("modules", False, f"the receipt names {_hex(receipt.program)}, not these")
    return Check("modules", True, f"{pipeline}; {ARBITRATED}")


def _tensor_checks(receipt: Receipt, expected: Expectation) -> Iterator[Check]:
    program = expected.program
    if expected.inputs is not None:
        types = None if program is None else program.inputs
        yield _bundle("inputs", receipt.inputs, expected.inputs, types)
    if expected.outputs is not None:
        types = None if program is None else _output_types(program)
        yield _bundle("outputs", receipt.outputs, expected.outputs, types)


def _output_types(program: Program) -> tuple[TensorType, ...]:
    types = program.value_types
    return tuple(types[value] for value in program.outputs)


def _signature(signed: SignedReceipt, hot_key: str | None) -> Check:
    if signed.signature is None:
        return Check("signature", hot_key is None, "none: a local receipt proves nobody's claim")
    try:
        signer = recover_address(signed.receipt.digest(signed.domain), signed.signature)
    except BadSignature as problem:
        return Check("signature", False, problem.message)
    if hot_key is None:
        return Check("signature", True, f"by {signer}, not compared with a registered key")
    return Check("signature", signer.lower() == hot_key.lower(), f"by {signer}, expected {hot_key}")


def _bundle(
    name: str, claimed: bytes, arrays: Sequence[Array], types: Sequence[TensorType] | None
) -> Check:
    try:
        return _equal(name, claimed, _root_of(arrays, types))
    except WrongTensor as problem:
        return Check(name, False, problem.message)


def _root_of(arrays: Sequence[Array], types: Sequence[TensorType] | None) -> bytes:
    if types is None:
        return bundle_root(tensor_root(array) for array in arrays)
    if len(arrays) != len(types):
        raise WrongTensor(f"{len(arrays)} tensors are given, the program has {len(types)}")
    pairs = zip(arrays, types, strict=True)
    return bundle_root(tensor_root(array, type_.dtype) for array, type_ in pairs)


def _equal(name: str, claimed: bytes, actual: bytes) -> Check:
    if claimed == actual:
        return Check(name, True, _hex(claimed))
    return Check(name, False, f"the receipt says {_hex(claimed)}, it is {_hex(actual)}")


def _hex(digest: bytes) -> str:
    return f"0x{digest.hex()}"


def _domain_text(domain: Domain) -> str:
    return f"chain {domain.chain_id}, contract {domain.contract}"

"""The receipt: a provider's signed claim that this program, on these inputs, gave these outputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from aivm.errors import MalformedReceipt
from aivm.isa.program import NUMERICS_VERSION
from aivm.receipts import eip712
from aivm.receipts.addresses import ZERO_ADDRESS
from aivm.receipts.fields import SignedStruct
from aivm.receipts.jobs import NO_CHANNEL, job_id


class Tier(IntEnum):
    """How a job is to be believed. The codes are signed and known to contracts: never renumber."""

    LOCAL = 0  # run by its own reader; unsigned
    OPTIMISTIC = 1  # signed, audited by re-execution, convicted on chain
    REDUNDANT = 2  # several providers agreed on the output root
    ATTESTED = 3  # a TEE quote binds the provider's key
    ZK = 4  # a proof comes with it


@dataclass(frozen=True, slots=True)
class Receipt(SignedStruct):
    """One format for every tier. Roots and ids are 32 bytes, addresses EIP-55 text, time is Unix
    seconds; `provider` is the owner's address, while its registered hot key signs.

    The signing domain's contract is Staking. Raises MalformedReceipt, MalformedAddress.
    """

    NAME: ClassVar[str] = "Receipt"
    FIELDS: ClassVar[eip712.Fields] = (
        ("job", "bytes32"),
        ("model", "bytes32"),
        ("program", "bytes32"),
        ("inputs", "bytes32"),
        ("outputs", "bytes32"),
        ("client", "address"),
        ("provider", "address"),
        ("channel", "bytes32"),
        ("sequence", "uint64"),
        ("tier", "uint8"),
        ("numerics", "uint32"),
        ("time", "uint64"),
        ("attestation", "bytes32"),
    )

    job: bytes
    model: bytes
    program: bytes
    inputs: bytes
    outputs: bytes
    client: str
    provider: str
    channel: bytes
    sequence: int
    tier: Tier
    numerics: int
    time: int
    attestation: bytes = bytes(32)

    def __post_init__(self) -> None:
        SignedStruct.__post_init__(self)
        try:
            object.__setattr__(self, "tier", Tier(self.tier))
        except ValueError:
            raise MalformedReceipt(f"Receipt.tier: {self.tier} is not a tier") from None

    @property
    def expected_job(self) -> bytes:
        """The job id that the other fields imply; an honest receipt's `job` equals it."""
        return job_id(self.channel, self.sequence, self.model, self.program, self.inputs)


def local_receipt(
    *, model: bytes, program: bytes, inputs: bytes, outputs: bytes, time: int
) -> Receipt:
    """A receipt for a run on one's own machine: no channel, no parties, never signed."""
    return Receipt(
        job=job_id(NO_CHANNEL, 0, model, program, inputs),
        model=model,
        program=program,
        inputs=inputs,
        outputs=outputs,
        client=ZERO_ADDRESS,
        provider=ZERO_ADDRESS,
        channel=NO_CHANNEL,
        sequence=0,
        tier=Tier.LOCAL,
        numerics=NUMERICS_VERSION,
        time=time,
    )

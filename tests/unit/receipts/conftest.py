"""A signer with a fixed key, and one receipt and voucher that it signs."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey

from aivm.receipts import Domain, Receipt, Tier, Voucher, address_of, job_id, sign_digest


class FixedSigner:
    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.secret = secret
        self.address = address_of(self._key.public_key)

    def sign_digest(self, digest: bytes) -> bytes:
        return sign_digest(self._key, digest)


@pytest.fixture
def signer() -> FixedSigner:
    return FixedSigner(bytes(range(1, 33)))


@pytest.fixture
def stranger() -> FixedSigner:
    return FixedSigner(b"\x07" * 32)


@pytest.fixture
def domain() -> Domain:
    return Domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")


@pytest.fixture
def receipt() -> Receipt:
    channel, model, program, inputs = (bytes([i]) * 32 for i in (1, 2, 3, 4))
    return Receipt(
        job=job_id(channel, 9, model, program, inputs),
        model=model,
        program=program,
        inputs=inputs,
        outputs=b"\x05" * 32,
        client="0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        provider="0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        channel=channel,
        sequence=9,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=1_800_000_000,
    )


@pytest.fixture
def voucher(receipt: Receipt) -> Voucher:
    return Voucher(receipt.channel, 9, 12 * 10**18, receipt.job)

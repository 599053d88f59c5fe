"""What a provider can show: the voucher that it accepted, or where its model lists a program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aivm.dispute.listing import Listing
from aivm.errors import NotFound
from aivm.market.models import programs_root
from aivm.packages import Package
from aivm.provider.catalog import Catalog
from aivm.provider.journal import Job, JobState, Journal
from aivm.provider.proofs import Proofs
from aivm.receipts import NO_CHANNEL, Domain, Receipt, SignedVoucher, Tier, Voucher, job_id

VOUCHERS = Domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")


def receipt_for(package: Package, channel: bytes, program: bytes) -> Receipt:
    inputs = b"\x04" * 32
    return Receipt(
        job=job_id(channel, 3, package.model_id, program, inputs),
        model=package.model_id,
        program=program,
        inputs=inputs,
        outputs=bytes(32),
        client="0x" + "11" * 20,
        provider="0x" + "22" * 20,
        channel=channel,
        sequence=3,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=1,
    )


@pytest.fixture
def proofs(tmp_path: Path, package: Package) -> Proofs:
    catalog = Catalog()
    catalog.install(package)
    return Proofs(Journal(tmp_path / "journal.db"), catalog, VOUCHERS)


async def test_an_accepted_voucher_is_shown_as_it_was_signed(
    tmp_path: Path, package: Package
) -> None:
    channel, journal = b"\x08" * 32, Journal(tmp_path / "journal.db")
    receipt = receipt_for(package, channel, b"derived".ljust(32))
    job = Job(receipt.job, channel, 3, 10**30, 7, b"s" * 65, JobState.ACCEPTED)
    journal.accept(job)

    found = await Proofs(journal, Catalog(), VOUCHERS).find(receipt)
    voucher = Voucher(channel, 3, 10**30, receipt.job)
    assert found == SignedVoucher(VOUCHERS, voucher, b"s" * 65)


async def test_a_gift_is_listed_or_has_no_proof(proofs: Proofs, package: Package) -> None:
    for entry in package.manifest.entries:
        found = await proofs.find(receipt_for(package, NO_CHANNEL, entry.program))
        assert isinstance(found, Listing)
        assert found.proves(programs_root(package.manifest), entry.program)
    derived = receipt_for(package, NO_CHANNEL, b"derived".ljust(32))
    with pytest.raises(NotFound, match="not listed"):
        await proofs.find(derived)
    with pytest.raises(NotFound, match="does not serve"):
        await proofs.find(replace(derived, model=b"\x01" * 32))


async def test_an_order_that_was_never_accepted_has_no_proof(
    proofs: Proofs, package: Package
) -> None:
    with pytest.raises(NotFound, match="no voucher"):
        await proofs.find(receipt_for(package, b"\x08" * 32, b"\x01" * 32))

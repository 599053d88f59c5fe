"""What a provider can show for its receipts: vouchers of its journal, listings of its models."""

from __future__ import annotations

from aivm.dispute.listing import Listing, listing_of
from aivm.errors import NotFound
from aivm.market.models import listed_programs
from aivm.provider.catalog import Catalog
from aivm.provider.journal import Journal
from aivm.receipts import NO_CHANNEL, Domain, Receipt, SignedVoucher, Voucher


class Proofs:
    """Finds the proof that answers a summons. `vouchers` is the domain that clients sign in."""

    def __init__(self, journal: Journal, catalog: Catalog, vouchers: Domain) -> None:
        self._journal = journal
        self._catalog = catalog
        self._vouchers = vouchers

    async def find(self, receipt: Receipt) -> SignedVoucher | Listing:
        """The client's voucher; for a receipt without a channel, the program's listing.

        Raises NotFound: this node never had the order, or does not serve the model any more.
        """
        if receipt.channel == NO_CHANNEL:
            served = self._catalog.find(receipt.model.hex())
            return listing_of(listed_programs(served.package.manifest), receipt.program)
        job = self._journal.find(receipt.job)
        if job is None:
            raise NotFound(
                f"the journal has no voucher for job {receipt.job.hex()}",
                hint="Was the hot key used elsewhere, or the journal restored from an old copy?",
            )
        voucher = Voucher(job.channel, job.sequence, job.amount, job.job)
        return SignedVoucher(self._vouchers, voucher, job.voucher_signature)

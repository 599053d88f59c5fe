"""The wrapper of the dispute game: what it refuses before the chain is asked.

The games themselves: tests/unit/contracts/test_dispute_game.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.dispute.game import Rules
from aivm.errors import MalformedReceipt
from aivm.receipts import Receipt, SignedReceipt, Tier


async def test_terms_and_an_empty_docket(deployed: Chain) -> None:
    terms = await deployed.dispute.terms()
    assert terms.rules == Rules(window=86_400, clock=3_600)
    assert await deployed.dispute.stored(b"g" * 32) == bytes(32)
    assert not await deployed.dispute.convicted(b"r" * 32)


async def test_a_local_receipt_is_nobodys_claim(deployed: Chain, devchain: DevChain) -> None:
    fields = {
        name: (bytes(32) if kind == "bytes32" else "0x" + "11" * 20 if kind == "address" else 1)
        for name, kind in Receipt.FIELDS
    }
    receipt = replace(Receipt(**fields), tier=Tier.LOCAL)
    signed = SignedReceipt(deployed.staking.domain, receipt, None)
    with pytest.raises(MalformedReceipt, match="signed"):
        await deployed.dispute.open(devchain.accounts[0], signed, b"", ())

"""What a notebook shows of an inference."""

from __future__ import annotations

import numpy as np

from aivm.market.buyer import Inference
from aivm.receipts import ZERO_ADDRESS, Domain, SignedReceipt, local_receipt


def test_names_of_strangers_are_no_markup() -> None:
    receipt = local_receipt(
        model=bytes(32), program=bytes(32), inputs=bytes(32), outputs=bytes(32), time=1
    )
    found = Inference(
        model="a/b",
        inputs={},
        outputs={"<script>alert(1)</script>": np.zeros(2, np.float32)},
        receipt=SignedReceipt(Domain(1, ZERO_ADDRESS), receipt, None),
        price=1,
        provider="<b>0x1</b>",
        hot_key="",
    )
    shown = found._repr_html_()
    assert "<script>" not in shown and "<b>" not in shown
    assert "&lt;script&gt;alert(1)" in shown and "float32[2]" in shown

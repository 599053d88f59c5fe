"""EIP-55: the checksummed form is the only form held."""

from __future__ import annotations

import pytest

from aivm.errors import MalformedAddress
from aivm.receipts import checked_address

# The examples of EIP-55 itself.
EXAMPLES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", EXAMPLES)
def test_examples_of_the_standard(address: str) -> None:
    assert checked_address(address) == address
    assert checked_address(address.lower()) == address
    assert checked_address("0x" + address[2:].upper()) == address


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0x12", EXAMPLES[2][2:], EXAMPLES[2] + "00", "0X" + EXAMPLES[2][2:],
     EXAMPLES[2].replace("A", "a", 1), EXAMPLES[2][:-1] + "g", "0x" + "１" * 40],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        checked_address(text)

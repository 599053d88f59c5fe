"""Digests equal those of eth_account, an independent EIP-712 implementation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from aivm.errors import MalformedAddress
from aivm.receipts import Domain, Receipt, Voucher
from aivm.receipts.eip712 import encode_field


def wallet_digest(struct: Receipt | Voucher, domain: Domain) -> bytes:
    return bytes(_hash_eip191_message(encode_typed_data(full_message=struct.typed_data(domain))))


def test_receipt_digest_equals_the_wallets(receipt: Receipt, domain: Domain) -> None:
    assert receipt.digest(domain) == wallet_digest(receipt, domain)


def test_voucher_digest_equals_the_wallets(voucher: Voucher, domain: Domain) -> None:
    assert voucher.digest(domain) == wallet_digest(voucher, domain)


def test_extreme_values_too(voucher: Voucher) -> None:
    domain = Domain(2**63, "0x" + "ff" * 20)
    extreme = replace(voucher, sequence=2**64 - 1, amount=2**128 - 1, job=b"\xff" * 32)
    assert extreme.digest(domain) == wallet_digest(extreme, domain)


def test_digest_is_that_of_the_type_string_in_the_contracts(voucher: Voucher) -> None:
    from eth_abi.abi import encode
    from eth_hash.auto import keccak

    domain = Domain(1, "0x" + "11" * 20)
    kind = keccak(b"Voucher(bytes32 channel,uint64 sequence,uint128 amount,bytes32 job)")
    words = encode(
        ["bytes32", "bytes32", "uint64", "uint128", "bytes32"],
        [kind, voucher.channel, voucher.sequence, voucher.amount, voucher.job],
    )
    assert voucher.digest(domain) == keccak(b"\x19\x01" + domain.separator + keccak(words))


def test_another_domain_gives_another_digest(receipt: Receipt, domain: Domain) -> None:
    others = [Domain(1, domain.contract), Domain(domain.chain_id, "0x" + "11" * 20)]
    assert len({receipt.digest(d) for d in (domain, *others)}) == 3


def test_every_field_is_signed(receipt: Receipt, domain: Domain) -> None:
    changed = {
        name: b"\xee" * 32 if kind == "bytes32" else "0x" + "22" * 20 if kind == "address" else 3
        for name, kind in Receipt.FIELDS
    }
    digests = {replace(receipt, **{name: value}).digest(domain) for name, value in changed.items()}
    assert len(digests | {receipt.digest(domain)}) == len(Receipt.FIELDS) + 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bytes32", b"short"), ("bytes32", "text"), ("uint8", 256), ("uint8", -1), ("uint64", True),
     ("uint64", 1.0), ("uint128", 2**128)],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_refused(kind: str, value: object) -> None:
    with pytest.raises(ValueError):
        encode_field(kind, value)


def test_a_domain_needs_an_address() -> None:
    with pytest.raises(MalformedAddress):
        Domain(1, "0x1234")

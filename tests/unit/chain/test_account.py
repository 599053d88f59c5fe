"""Signatures and transactions, compared with eth-account; secrets that must not show."""

from __future__ import annotations

import copy
import pickle

import pytest
from eth_account import Account as EthAccount
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.account import Account, Transaction
from aivm.errors import BadInput
from aivm.receipts.signing import recover_address

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = bytes(range(1, 33))

amounts = st.integers(0, 2**128)


@given(
    chain_id=st.integers(1, 2**63),
    nonce=st.integers(0, 2**64 - 1),
    to=st.none() | st.binary(min_size=20, max_size=20),
    data=st.binary(max_size=300),
    gas=st.integers(21_000, 2**63),
    max_fee=amounts,
    priority_fee=amounts,
    value=amounts,
)
def test_transactions_have_the_bytes_of_eth_account(
    chain_id: int,
    nonce: int,
    to: bytes | None,
    data: bytes,
    gas: int,
    max_fee: int,
    priority_fee: int,
    value: int,
) -> None:
    address = EthAccount.from_key(to.rjust(32, b"\1")).address if to else None
    ours = Account(KEY).sign_transaction(
        Transaction(chain_id, nonce, address, data, gas, max_fee, priority_fee, value)
    )
    theirs = EthAccount.sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": address or "",
            "data": data,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": priority_fee,
            "value": value,
        },
        KEY,
    )
    assert ours.raw == bytes(theirs.raw_transaction)
    assert bytes.fromhex(ours.hash[2:]) == bytes(theirs.hash)


@given(key=st.integers(1, ORDER - 1), digest=st.binary(min_size=32, max_size=32))
def test_signatures_recover_to_the_address(key: int, digest: bytes) -> None:
    account = Account(key.to_bytes(32, "big"))
    signature = account.sign_digest(digest)
    assert len(signature) == 65
    assert signature[64] in (27, 28)
    assert int.from_bytes(signature[32:64], "big") <= ORDER // 2
    assert recover_address(digest, signature) == account.address
    assert account.sign_digest(digest) == signature


@pytest.mark.parametrize(
    "key", [b"", b"\1" * 31, b"\1" * 33, bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32]
)
def test_what_is_no_key_is_refused_without_being_shown(key: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        Account(key)
    assert key.hex() not in str(caught.value) or not key
    assert caught.value.__cause__ is None


def test_only_digests_are_signed() -> None:
    with pytest.raises(BadInput, match="32 bytes"):
        Account(KEY).sign_digest(b"short")


def test_an_account_shows_only_its_address() -> None:
    account = Account(KEY)
    assert repr(account) == f"Account({account.address})"
    assert KEY.hex() not in f"{account} {account!r} {account.__slots__}"
    with pytest.raises(TypeError, match="in the clear"):
        pickle.dumps(account)
    with pytest.raises(TypeError, match="in the clear"):
        copy.copy(account)


def test_accounts_are_equal_by_address() -> None:
    assert Account(KEY) == Account(KEY)
    assert Account(KEY) != Account.generate()
    assert len({Account(KEY), Account(KEY), Account.generate()}) == 2

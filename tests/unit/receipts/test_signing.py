"""Signatures: one valid form each, recovered to the right address, everything else refused."""

from __future__ import annotations

import pytest
from eth_account import Account

from aivm.errors import BadSignature
from aivm.receipts import recover_address

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = bytes(range(32))


def test_a_signature_recovers_its_signer(signer, stranger) -> None:
    signature = signer.sign_digest(DIGEST)
    assert recover_address(DIGEST, signature) == signer.address
    assert recover_address(DIGEST, stranger.sign_digest(DIGEST)) == stranger.address
    assert recover_address(bytes(32), signature) != signer.address


def test_addresses_and_signatures_equal_eth_accounts(signer) -> None:
    account = Account.from_key(signer.secret)
    assert signer.address == account.address
    assert signer.sign_digest(DIGEST) == bytes(account.unsafe_sign_hash(DIGEST).signature)


def test_the_mirrored_signature_with_high_s_is_refused(signer) -> None:
    signature = signer.sign_digest(DIGEST)
    s = ORDER - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(BadSignature, match="lower half"):
        recover_address(DIGEST, mirrored)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_v_must_be_27_or_28(signer, v: int) -> None:
    with pytest.raises(BadSignature, match="v ="):
        recover_address(DIGEST, signer.sign_digest(DIGEST)[:64] + bytes([v]))


@pytest.mark.parametrize("length", [0, 64, 66])
def test_the_length_must_be_65(length: int) -> None:
    with pytest.raises(BadSignature, match="65"):
        recover_address(DIGEST, bytes(length))


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (1, ORDER), (5, 1), (ORDER - 1, 1)]
)
def test_impossible_r_and_s_are_refused_or_recover_somebody_else(signer, r: int, s: int) -> None:
    forged = r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\x1b"
    try:
        assert recover_address(DIGEST, forged) != signer.address
    except BadSignature:
        return
    assert 0 < r < ORDER and 0 < s < ORDER

"""Keystore v3: public vectors, exchange with eth-keyfile, and hostile files."""

from __future__ import annotations

import copy
import json
import os
import stat
from pathlib import Path
from typing import Any

import eth_keyfile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivm.chain import keystore
from aivm.chain.account import Account
from aivm.chain.keystore import LIGHT, STANDARD, Keystore, ScryptCost, decrypt, encrypt
from aivm.errors import AivmError, BadInput, MalformedConfig, NotAllowed, NotFound, TooLarge

KEY = bytes(range(1, 33))
FAST = ScryptCost(n=2, r=1, p=1)

# The two test vectors of the Web3 Secret Storage Definition; both hold the same key.
VECTOR_KEY = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
PBKDF2_VECTOR: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
SCRYPT_VECTOR: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 262144,
            "p": 8,
            "r": 1,
            "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19",
        },
        "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}


@pytest.mark.parametrize("vector", [PBKDF2_VECTOR, SCRYPT_VECTOR], ids=["pbkdf2", "scrypt"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    assert decrypt(vector, "testpassword").secret() == VECTOR_KEY
    with pytest.raises(NotAllowed, match="password"):
        decrypt(vector, "testpasswore")


@settings(max_examples=20)
@given(password=st.text(max_size=40))
def test_other_tools_open_our_files(password: str) -> None:
    document = encrypt(Account(KEY), password, cost=FAST)
    assert bytes(eth_keyfile.decode_keyfile_json(document, password.encode())) == KEY
    assert decrypt(document, password).address == Account(KEY).address


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_we_open_the_files_of_other_tools(kdf: str) -> None:
    document = eth_keyfile.create_keyfile_json(KEY, b"word", kdf=kdf, iterations=1024)
    assert decrypt(document, "word").secret() == KEY


def test_create_then_load(tmp_path: Path) -> None:
    keys = Keystore(tmp_path / "deep" / "keys")
    assert keys.names() == []
    account = keys.create("alice", "word", cost=LIGHT)
    assert keys.load("alice", "word") == account
    assert keys.names() == ["alice"]


def test_the_default_cost_is_that_of_geth(tmp_path: Path) -> None:
    path = Keystore(tmp_path).save("alice", Account(KEY), "word")
    params = json.loads(path.read_text())["crypto"]["kdfparams"]
    assert (params["n"], params["r"], params["p"]) == (STANDARD.n, 8, 1) == (262144, 8, 1)


def test_modes_are_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    previous = os.umask(0)
    try:
        path = Keystore(folder).save("alice", Account(KEY), "word", cost=FAST)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_file_does_not_hold_the_key_in_the_clear(tmp_path: Path) -> None:
    path = Keystore(tmp_path).save("alice", Account(KEY), "word", cost=FAST)
    assert KEY.hex() not in path.read_text()


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    keys = Keystore(tmp_path)
    first = keys.create("alice", "word", cost=FAST)
    with pytest.raises(BadInput, match="exists already"):
        keys.create("alice", "word", cost=FAST)
    assert keys.load("alice", "word") == first


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    keys = Keystore(tmp_path)
    keys.create("alice", "word", cost=FAST)
    with pytest.raises(NotFound, match="'bob'") as caught:
        keys.load("bob", "word")
    assert "alice" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../alice", "a/b", "/etc/passwd", "a" * 65, "a\0b", "-a"]
)
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    keys = Keystore(tmp_path / "keys")
    with pytest.raises(BadInput, match="cannot name an account"):
        keys.load(name, "word")
    with pytest.raises(BadInput, match="cannot name an account"):
        keys.create(name, "word", cost=FAST)


@pytest.mark.parametrize(
    ("kdf", "params"),
    [
        ("scrypt", {"n": 1 << 40, "r": 8, "p": 1}),
        ("scrypt", {"n": 1 << 10, "r": 1 << 30, "p": 1}),
        ("scrypt", {"n": 1 << 10, "r": 8, "p": 1 << 30}),
        ("scrypt", {"n": 10**400, "r": 8, "p": 1}),
        ("pbkdf2", {"c": 1 << 60, "prf": "hmac-sha256"}),
    ],
)
def test_hostile_costs_are_refused_before_they_are_paid(kdf: str, params: dict[str, Any]) -> None:
    document = encrypt(Account(KEY), "word", cost=FAST)
    document["crypto"]["kdf"] = kdf
    document["crypto"]["kdfparams"] = params | {"dklen": 32, "salt": "00" * 32}
    with pytest.raises(TooLarge, match="asks"):
        decrypt(document, "word")


def _changed(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(encrypt(Account(KEY), "word", cost=FAST))
    *parents, last = path.split(".")
    target = document
    for name in parents:
        target = target[name]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", 4),
        ("version", None),
        ("crypto", None),
        ("crypto", []),
        ("crypto.cipher", "aes-256-cbc"),
        ("crypto.cipherparams", 5),
        ("crypto.cipherparams.iv", "00"),
        ("crypto.ciphertext", "zz"),
        ("crypto.ciphertext", "00" * 31),
        ("crypto.mac", None),
        ("crypto.kdf", "argon2id"),
        ("crypto.kdf", "pbkdf2"),
        ("crypto.kdfparams", None),
        ("crypto.kdfparams.dklen", 16),
        ("crypto.kdfparams.n", 3),
        ("crypto.kdfparams.n", 1),
        ("crypto.kdfparams.n", True),
        ("crypto.kdfparams.n", "2"),
        ("crypto.kdfparams.r", 0),
        ("crypto.kdfparams.p", -1),
        ("crypto.kdfparams.salt", 7),
        ("address", "00" * 20),
        ("address", 5),
    ],
)
def test_malformed_documents_are_refused(path: str, value: object) -> None:
    with pytest.raises(MalformedConfig):
        decrypt(_changed(path, value), "word")


@pytest.mark.parametrize("path", ["crypto.mac", "crypto.ciphertext", "crypto.kdfparams.salt"])
def test_a_changed_file_does_not_open(path: str) -> None:
    with pytest.raises(NotAllowed):
        decrypt(_changed(path, "ab" * 32), "word")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**6) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(
    json_values,
    st.sampled_from(
        ["", "crypto", "crypto.kdfparams", "crypto.kdfparams.salt", "crypto.cipherparams"]
    ),
)
def test_any_document_gives_an_error_of_ours(value: Any, path: str) -> None:
    document = value if not path else _changed(path, value)
    with pytest.raises(AivmError):
        decrypt(document, "word")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_file_that_is_no_keystore_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alice").write_bytes(content)
    with pytest.raises(MalformedConfig):
        Keystore(tmp_path).load("alice", "word")


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "alice").write_bytes(b" " * (keystore.MAX_FILE_BYTES + 1))
    with pytest.raises(TooLarge):
        Keystore(tmp_path).load("alice", "word")

"""Ethereum keystore v3 files (Web3 Secret Storage): the format of geth and Foundry.

A keystore is a folder (mode 0700) of JSON files (mode 0600), one a key, each named by its account's
name. New files use scrypt with geth's standard cost; files of others may use scrypt or PBKDF2 with
any cost that does not exceed the limits below, since a hostile file could otherwise ask for
terabytes of memory or years of hashing before the password is even checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from aivm import host
from aivm.chain.account import Account
from aivm.errors import BadInput, MalformedConfig, NotAllowed, NotFound, TooLarge

MAX_FILE_BYTES = 64 * 1024
MAX_SCRYPT_MEMORY = 1 << 30  # bytes, 128 * n * r; geth's standard needs 256 MiB
MAX_SCRYPT_WORK = 1 << 24  # n * r * p; geth's standard is 2^21
MAX_PBKDF2_ROUNDS = 10_000_000  # geth's is 262,144

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY_LENGTH = 32  # bytes the KDF gives: 16 for AES-128, 16 for the MAC


@dataclass(frozen=True)
class ScryptCost:
    """scrypt's parameters: n (a power of two), r and p; memory is 128 * n * r bytes."""

    n: int
    r: int
    p: int


STANDARD = ScryptCost(n=1 << 18, r=8, p=1)  # geth's StandardScrypt: about a second, 256 MiB
LIGHT = ScryptCost(n=1 << 12, r=8, p=6)  # geth's LightScrypt: for tests and development networks


class Keystore:
    """The key files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The names of the accounts that have a file here, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def create(self, name: str, password: str, *, cost: ScryptCost = STANDARD) -> Account:
        """Make a new key, keep it under `name` and return it."""
        account = Account.generate()
        self.save(name, account, password, cost=cost)
        return account

    def save(
        self, name: str, account: Account, password: str, *, cost: ScryptCost = STANDARD
    ) -> Path:
        """Encrypt the account's key into the file `name`; an existing file is never overwritten."""
        path = self._path(name)
        document = json.dumps(encrypt(account, password, cost=cost), indent=2) + "\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        try:
            # O_EXCL: two processes cannot both believe that their key is the one called `name`
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise BadInput(f"an account named {name!r} exists already in {self.folder}") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        return path

    def load(self, name: str, password: str) -> Account:
        """Decrypt the key called `name`.

        Raises NotFound, NotAllowed (wrong password), MalformedConfig or TooLarge (hostile file).
        """
        path = self._path(name)
        if not path.is_file():
            known = ", ".join(self.names()) or "none"
            raise NotFound(
                f"no account named {name!r} in {self.folder}", hint=f"Known here: {known}."
            )
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TooLarge(f"key file {path} has more than {MAX_FILE_BYTES} bytes")
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            raise MalformedConfig(f"key file {path} is not JSON") from None
        return decrypt(document, password)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"{name!r} cannot name an account",
                hint="Use up to 64 letters, digits and '._-'; begin with a letter or digit.",
            )
        return self.folder / name


def encrypt(account: Account, password: str, *, cost: ScryptCost = STANDARD) -> dict[str, Any]:
    """The keystore v3 document that holds the account's key under the password."""
    salt, iv = host.random_bytes(32), host.random_bytes(16)
    derived = _scrypt(password, salt, cost)
    ciphertext = _aes_128_ctr(derived[:16], iv, account.secret())
    crypto = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": iv.hex()},
        "ciphertext": ciphertext.hex(),
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": _KEY_LENGTH,
            "n": cost.n,
            "r": cost.r,
            "p": cost.p,
            "salt": salt.hex(),
        },
        "mac": keccak(derived[16:] + ciphertext).hex(),
    }
    return {
        "version": 3,
        "id": str(uuid.UUID(bytes=host.random_bytes(16), version=4)),
        "address": account.address[2:].lower(),
        "crypto": crypto,
    }


def decrypt(document: object, password: str) -> Account:
    """The account inside a keystore v3 document.

    Raises NotAllowed if the password is wrong (or the file was changed: the two look alike),
    MalformedConfig if the document breaks the format, TooLarge if its KDF cost is hostile.
    """
    fields = _mapping(document, "the key file")
    if fields.get("version") != 3:
        raise MalformedConfig(f"keystore version {fields.get('version')!r} is not 3")
    crypto = _mapping(fields.get("crypto", fields.get("Crypto")), "crypto")
    if crypto.get("cipher") != "aes-128-ctr":
        raise MalformedConfig(f"keystore cipher {crypto.get('cipher')!r} is not aes-128-ctr")
    iv = _hex(_mapping(crypto.get("cipherparams"), "cipherparams").get("iv"), "iv")
    ciphertext, mac = _hex(crypto.get("ciphertext"), "ciphertext"), _hex(crypto.get("mac"), "mac")
    if len(iv) != 16 or len(ciphertext) != 32:
        raise MalformedConfig("the key file's iv or ciphertext has the wrong length")
    derived = _derive(crypto, password)
    if not hmac.compare_digest(keccak(derived[16:32] + ciphertext), mac):
        raise NotAllowed(
            "the password does not open this key file", hint="Check the password and try again."
        )
    account = Account(_aes_128_ctr(derived[:16], iv, ciphertext))
    claimed = fields.get("address")
    if claimed is not None and _hex(claimed, "address").hex() != account.address[2:].lower():
        raise MalformedConfig("the key file holds the key of another address than it says")
    return account


def _derive(crypto: Mapping[str, Any], password: str) -> bytes:
    """The KDF of the document, refused before it runs if its cost is above our limits."""
    params = _mapping(crypto.get("kdfparams"), "kdfparams")
    salt = _hex(params.get("salt"), "salt")
    if params.get("dklen") != _KEY_LENGTH:
        raise MalformedConfig(f"keystore dklen {params.get('dklen')!r} is not {_KEY_LENGTH}")
    if crypto.get("kdf") == "scrypt":
        cost = ScryptCost(*(_positive(params.get(name), name) for name in ("n", "r", "p")))
        return _scrypt(password, salt, cost)
    if crypto.get("kdf") == "pbkdf2" and params.get("prf") == "hmac-sha256":
        rounds = _positive(params.get("c"), "c")
        if rounds > MAX_PBKDF2_ROUNDS:
            raise TooLarge(f"the key file asks for {rounds} rounds of PBKDF2")
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds, _KEY_LENGTH)
    raise MalformedConfig(f"keystore key derivation {crypto.get('kdf')!r} is not known")


def _scrypt(password: str, salt: bytes, cost: ScryptCost) -> bytes:
    memory = 128 * cost.n * cost.r
    if memory > MAX_SCRYPT_MEMORY or cost.n * cost.r * cost.p > MAX_SCRYPT_WORK:
        raise TooLarge(f"the key file asks scrypt for n={cost.n}, r={cost.r}, p={cost.p}")
    if cost.n < 2 or cost.n & (cost.n - 1):
        raise MalformedConfig(f"scrypt's n={cost.n} is not a power of two")
    # not hashlib's: OpenSSL refuses n=2^18 with r=1, which the format's own test vector has
    from Crypto.Protocol.KDF import scrypt

    return bytes(scrypt(password.encode(), salt, _KEY_LENGTH, cost.n, cost.r, cost.p))  # type: ignore[arg-type]


def _aes_128_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    from Crypto.Cipher import AES

    return AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=iv).encrypt(data)


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedConfig(f"{name} is no JSON object in this key file")
    return value


def _hex(value: object, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value.removeprefix("0x"))
        except ValueError:
            pass
    raise MalformedConfig(f"{name} is no hexadecimal string in this key file")


def _positive(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise MalformedConfig(f"{name} is no positive integer in this key file")
    return value

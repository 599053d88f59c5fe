"""An Arweave wallet: the RSA key that pays for transactions, as a JSON Web Key file."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from aivm.errors import BadInput, MalformedBlock, NotFound
from aivm.storage.arweave import base64url

EXPONENT = 65537
_KEY_BITS = (2048, 4096)
_PADDING = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
_PRIVATE_FIELDS = ("n", "d", "p", "q", "dp", "dq", "qi")


class Wallet:
    """Signs transactions; `repr` shows the address only."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def create(cls) -> Wallet:
        """A new key of 4096 bits; takes a second."""
        return cls(rsa.generate_private_key(EXPONENT, _KEY_BITS[1]))

    @classmethod
    def read(cls, path: Path) -> Wallet:
        """The wallet in a JWK file, as other tools write it. Raises NotFound, BadInput."""
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no Arweave wallet at {path}") from None
        try:
            fields = json.loads(text)
            numbers = {name: _number(fields[name], name) for name in _PRIVATE_FIELDS}
            public = rsa.RSAPublicNumbers(_number(fields["e"], "e"), numbers.pop("n"))
            private = rsa.RSAPrivateNumbers(
                p=numbers["p"],
                q=numbers["q"],
                d=numbers["d"],
                dmp1=numbers["dp"],
                dmq1=numbers["dq"],
                iqmp=numbers["qi"],
                public_numbers=public,
            )
            key = private.private_key()
        except (ValueError, KeyError, TypeError, MalformedBlock, RecursionError):
            raise BadInput(f"{path} is not an RSA key in JWK form") from None  # never its content
        if key.key_size not in _KEY_BITS or public.e != EXPONENT:
            raise BadInput(f"an Arweave wallet has 4096 bits, {path} has {key.key_size}")
        return cls(key)

    def write(self, path: Path) -> None:
        """Write the JWK file, readable by its owner only. Raises FileExistsError."""
        numbers = self._key.private_numbers()
        fields = {"kty": "RSA", "e": _text(EXPONENT), "n": _text(numbers.public_numbers.n)}
        secrets = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        fields |= {
            name: _text(secret) for name, secret in zip(_PRIVATE_FIELDS[1:], secrets, strict=True)
        }
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(json.dumps(fields))

    @property
    def owner(self) -> bytes:
        """The modulus, big-endian: what stands in a transaction."""
        modulus = self._key.public_key().public_numbers().n
        return modulus.to_bytes(self._key.key_size // 8, "big")

    @property
    def address(self) -> str:
        return address_of(self.owner)

    def sign(self, message: bytes) -> bytes:
        """RSA-PSS over SHA-256; salted, so every signature is another one."""
        return self._key.sign(message, _PADDING, hashes.SHA256())

    def __repr__(self) -> str:
        return f"Wallet({self.address})"


def address_of(owner: bytes) -> str:
    """The address of a modulus."""
    return base64url.encode(sha256(owner).digest())


def is_signed(owner: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key with this modulus made the signature (with a salt of any length)."""
    modulus = int.from_bytes(owner, "big")
    if len(owner) * 8 not in _KEY_BITS or len(signature) != len(owner) or not modulus & 1:
        return False
    any_salt = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
    try:
        key = rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()
        key.verify(signature, message, any_salt, hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _number(text: object, name: str) -> int:
    return int.from_bytes(base64url.decode(text, name), "big")


def _text(number: int) -> str:
    return base64url.encode(number.to_bytes(-(-number.bit_length() // 8), "big"))

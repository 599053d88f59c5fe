"""`Account`: a secp256k1 key that signs digests and EIP-1559 transactions, and stays hidden."""

from __future__ import annotations

from dataclasses import dataclass

from coincurve import PrivateKey
from eth_hash.auto import keccak

from aivm import host, log
from aivm.chain import rlp
from aivm.errors import BadInput
from aivm.receipts.signing import address_of, sign_digest

_EIP1559 = b"\x02"  # transaction type byte, EIP-2718


@dataclass(frozen=True)
class Transaction:
    """An unsigned EIP-1559 transaction; gas in units, fees in wei per unit, value in wei."""

    chain_id: int
    nonce: int
    to: str | None  # None creates a contract
    data: bytes
    gas: int
    max_fee: int
    priority_fee: int
    value: int = 0

    def fields(self) -> list[rlp.Item]:
        """The nine fields that are signed, in the order of EIP-1559; the access list is empty."""
        to = bytes.fromhex(self.to[2:]) if self.to else b""
        fees: list[rlp.Item] = [self.priority_fee, self.max_fee]
        return [self.chain_id, self.nonce, *fees, self.gas, to, self.value, self.data, []]


@dataclass(frozen=True)
class SignedTransaction:
    """Bytes ready for `eth_sendRawTransaction`, and the hash by which the chain knows them."""

    transaction: Transaction
    raw: bytes
    hash: str


class Account:
    """A key in memory. Equality and hash follow the address; `repr` shows only the address."""

    __slots__ = ("_key", "address")

    address: str

    def __init__(self, key: bytes) -> None:
        """`key` is the 32-byte secret scalar, big-endian. Raises BadInput if it is none."""
        if len(key) != 32:
            raise BadInput(f"a private key has 32 bytes, not {len(key)}")
        try:
            self._key = PrivateKey(key)
        except ValueError:  # zero, or not below the group order
            # `from None`: the cause must not carry the key into a traceback
            raise BadInput("these 32 bytes are no secp256k1 private key") from None
        log.guard(key)
        self.address = address_of(self._key.public_key)

    @classmethod
    def generate(cls) -> Account:
        """A new account from the operating system's randomness."""
        return cls(host.random_bytes(32))

    @property
    def public_key(self) -> bytes:
        """65 bytes, uncompressed (SEC 1)."""
        return self._key.public_key.format(compressed=False)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r || s || v, low s, v 27 or 28 (RFC 6979)."""
        if len(digest) != 32:
            raise BadInput(f"a digest has 32 bytes, not {len(digest)}")
        return sign_digest(self._key, digest)

    def sign_transaction(self, transaction: Transaction) -> SignedTransaction:
        """Sign an EIP-1559 transaction; the same transaction always gives the same bytes."""
        fields = transaction.fields()
        signature = self.sign_digest(keccak(_EIP1559 + rlp.encode(fields)))
        r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:64]))
        raw = _EIP1559 + rlp.encode([*fields, signature[64] - 27, r, s])
        return SignedTransaction(transaction, raw, "0x" + keccak(raw).hex())

    def secret(self) -> bytes:
        """The 32-byte key, for the keystore only; never print, log or send it."""
        secret: bytes = self._key.secret
        return secret

    def __repr__(self) -> str:
        return f"Account({self.address})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __reduce__(self) -> str:
        raise TypeError("an Account cannot be pickled: it would write its key in the clear")

"""Vectors of commitments and of signed documents: trees, tensors, proofs, receipts, vouchers."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from coincurve import PrivateKey

from aivm.commitments import bundle_root, merkle, tensor_header, tensor_root_of_bytes
from aivm.isa.program import NUMERICS_VERSION
from aivm.numerics.dtypes import DType
from aivm.receipts import (
    Domain,
    Receipt,
    Tier,
    Voucher,
    address_of,
    job_id,
    local_receipt,
    sign_digest,
    sign_receipt,
    sign_voucher,
)
from aivm.receipts.document import SignedReceipt

SIZES = (0, 1, 55, 56, 255, 256, 257, 511, 512, 513, 768, 1023, 1024, 1025, 2048, 2049)
SIZES += (65535, 65536, 65537)
STAKING = Domain(31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3")
ESCROW = Domain(31337, "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512")
NOWHERE = Domain(0, "0x0000000000000000000000000000000000000000")
CLIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PROVIDER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


class Key:
    """Signs the vectors. Nobody should trust it with anything else: it is published."""

    def __init__(self) -> None:
        self._key = PrivateKey(named("aivm vectors"))
        self.address = address_of(self._key.public_key)

    def sign_digest(self, digest: bytes) -> bytes:
        return sign_digest(self._key, digest)


def named(name: str) -> bytes:
    """32 bytes that belong to a name."""
    return sha256(name.encode()).digest()


def pattern(size: int) -> bytes:
    return bytes((7 * i + 3) % 251 for i in range(size))


def indented(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def trees() -> str:
    cases = [{"size": size, "root": merkle.root_of_data(pattern(size)).hex()} for size in SIZES]
    return indented(
        {"about": "Root of the data tree over bytes (7 * i + 3) mod 251.", "cases": cases}
    )


def tensors() -> str:
    cases = [
        _tensor(dtype, shape)
        for dtype in DType
        for shape in ((), (3,), (2, 3), (0, 2), (1, 1, 1, 1, 1, 1, 1, 2))
    ]
    large = _tensor(DType.F32, (128, 96))
    cases.append(large | {"data": "(7 * i + 3) mod 251"})
    roots = [case["root"] for case in cases]
    bundles = [
        {"roots": roots[:count], "root": bundle_root(map(bytes.fromhex, roots[:count])).hex()}
        for count in BUNDLES
    ]
    about = "Tensor roots: data is the elements in hexadecimal, row-major, little-endian."
    return indented({"about": about, "cases": cases, "bundles": bundles})


BUNDLES = (0, 1, 2, 3, 4, 5)


def _tensor(dtype: DType, shape: tuple[int, ...]) -> dict[str, Any]:
    elements = 1
    for dim in shape:
        elements *= dim
    data = pattern(elements * dtype.size_bytes)
    if dtype is DType.BOOL:
        data = bytes(index % 2 for index in range(elements))
    return {
        "dtype": dtype.name.lower(),
        "shape": list(shape),
        "data": data.hex(),
        "header": tensor_header(dtype, shape).hex(),
        "root": tensor_root_of_bytes(dtype, shape, data).hex(),
    }


def proofs() -> str:
    leaves = [pattern(size) for size in range(0, 70, 10)]
    made = [
        {
            "count": count,
            "root": merkle.root_of_leaves(leaves[:count]).hex(),
            "paths": [
                [node.hex() for node in merkle.prove(leaves[:count], index)]
                for index in range(count)
            ],
        }
        for count in range(1, len(leaves) + 1)
    ]
    return indented(
        {
            "about": "Inclusion proofs: siblings from the leaf upwards.",
            "leaves": [leaf.hex() for leaf in leaves],
            "trees": made,
        }
    )


def receipts() -> str:
    key = Key()
    signed = [sign_receipt(_receipt(tier), STAKING, key) for tier in Tier if tier is not Tier.LOCAL]
    local = local_receipt(
        model=named("model"),
        program=named("program"),
        inputs=named("inputs"),
        outputs=named("outputs"),
        time=1_800_000_000,
    )
    cases = [_case(each, each.receipt.digest(each.domain), key.address) for each in signed]
    unsigned = SignedReceipt(NOWHERE, local, None)
    cases.append(_case(unsigned, local.digest(NOWHERE), None))
    about = (
        "receipt.json documents, the EIP-712 digest of each, and who signed it. The key is SHA-256"
        " of 'aivm vectors'."
    )
    return indented({"about": about, "separator": STAKING.separator.hex(), "cases": cases})


def _receipt(tier: Tier) -> Receipt:
    sequence = int(tier) ** 9
    parts = {name: named(name) for name in ("model", "program", "inputs")}
    return Receipt(
        job=job_id(named("channel"), sequence, **parts),
        **parts,
        outputs=named("outputs"),
        client=CLIENT,
        provider=PROVIDER,
        channel=named("channel"),
        sequence=sequence,
        tier=tier,
        numerics=NUMERICS_VERSION,
        time=1_800_000_000 + int(tier),
        attestation=named("quote") if tier is Tier.ATTESTED else bytes(32),
    )


def _case(signed: Any, digest: bytes, signer: str | None) -> dict[str, Any]:
    return {"digest": digest.hex(), "signer": signer, "document": json.loads(signed.to_json())}


def vouchers() -> str:
    key = Key()
    cases = []
    for amount in (0, 1, 10**18, 2**128 - 1):
        voucher = Voucher(named("channel"), 1 + amount % 1000, amount, named("job"))
        signed = sign_voucher(voucher, ESCROW, key)
        cases.append(_case(signed, voucher.digest(ESCROW), key.address))
    return indented(
        {
            "about": "Voucher documents, likewise.",
            "separator": ESCROW.separator.hex(),
            "cases": cases,
        }
    )

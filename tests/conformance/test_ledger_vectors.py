"""The published vectors of commitments, receipts and packages hold.

A change that breaks one of these makes receipts of earlier versions unverifiable: it is a defect,
and the vectors are not to be regenerated for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.commitments import (
    bundle_root,
    fast,
    merkle,
    numpy_dtype,
    tensor_header,
    tensor_root,
    tensor_root_of_bytes,
)
from aivm.commitments.cid import Cid
from aivm.numerics.dtypes import DType
from aivm.packages import manifest_cid, open_package
from aivm.packages.files import cid_of_directory
from aivm.receipts import (
    Expectation,
    Tier,
    parse_receipt,
    parse_voucher,
    recover_address,
    verify_receipt,
)

VECTORS = Path(__file__).parents[2] / "vectors"


def read(name: str) -> dict[str, Any]:
    return json.loads((VECTORS / name).read_bytes())


def pattern(size: int) -> bytes:
    return bytes((7 * i + 3) % 251 for i in range(size))


@pytest.mark.parametrize("case", read("commitments/trees.json")["cases"], ids=lambda c: c["size"])
def test_trees(case: dict[str, Any]) -> None:
    data = pattern(case["size"])
    assert merkle.root_of_data(data).hex() == case["root"]
    assert fast.root_of_data(data).hex() == case["root"]


def test_tensors_and_bundles() -> None:
    vectors = read("commitments/tensors.json")
    for case in vectors["cases"]:
        dtype, shape = DType[case["dtype"].upper()], tuple(case["shape"])
        is_pattern = case["data"].startswith("(")
        data = pattern(4 * 128 * 96) if is_pattern else bytes.fromhex(case["data"])
        assert tensor_header(dtype, shape).hex() == case["header"]
        assert tensor_root_of_bytes(dtype, shape, data).hex() == case["root"]
        tensor = np.frombuffer(data, dtype=numpy_dtype(dtype)).reshape(shape)
        assert tensor_root(tensor, dtype).hex() == case["root"]
    for case in vectors["bundles"]:
        assert bundle_root(map(bytes.fromhex, case["roots"])).hex() == case["root"]


def test_proofs() -> None:
    vectors = read("commitments/proofs.json")
    leaves = [bytes.fromhex(leaf) for leaf in vectors["leaves"]]
    for tree in vectors["trees"]:
        count, root = tree["count"], bytes.fromhex(tree["root"])
        for index, hashes in enumerate(tree["paths"]):
            path = [bytes.fromhex(text) for text in hashes]
            assert merkle.verify(root, leaves[index], index, count, path)
            assert merkle.prove(leaves[:count], index) == tuple(path)


def test_receipts() -> None:
    vectors = read("receipts/receipts.json")
    for case in vectors["cases"]:
        signed = parse_receipt(json.dumps(case["document"]).encode())
        digest = signed.receipt.digest(signed.domain)
        assert digest.hex() == case["digest"]
        assert json.loads(signed.to_json()) == case["document"]
        assert verify_receipt(signed, Expectation(hot_key=case["signer"])).ok
        if signed.receipt.tier is not Tier.LOCAL:
            assert signed.signature is not None
            assert signed.domain.separator.hex() == vectors["separator"]
            assert recover_address(digest, signed.signature) == case["signer"]


def test_vouchers() -> None:
    vectors = read("receipts/vouchers.json")
    for case in vectors["cases"]:
        signed = parse_voucher(json.dumps(case["document"]).encode())
        assert signed.domain.separator.hex() == vectors["separator"]
        assert signed.voucher.digest(signed.domain).hex() == case["digest"]
        assert signed.signer() == case["signer"]


def test_packages() -> None:
    for case in read("packages/packages.json")["cases"]:
        folder = VECTORS / "packages" / case["folder"]
        package = open_package(folder, bytes.fromhex(case["model"]))
        assert package.manifest.publisher == case["publisher"]
        assert manifest_cid(package.model_id) == Cid.parse(case["manifest_cid"])
        assert cid_of_directory(folder) == Cid.parse(case["directory_cid"])

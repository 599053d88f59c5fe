"""Every document that is parsed: any bytes in, a value or an AivmError out."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from tests.property.conftest import MUTATIONS, mutate

from aivm.commitments import canonical_json, numpy_dtype
from aivm.commitments.cid import Cid, Codec
from aivm.errors import AivmError, MalformedPackage
from aivm.numerics.dtypes import DType
from aivm.packages.entries import ConstantEntry, FileEntry, Interface, Port, ProgramEntry, Role
from aivm.packages.manifest import Manifest, parse_manifest
from aivm.packages.safetensors import SafeTensors, write_safetensors
from aivm.receipts import (
    Domain,
    Receipt,
    SignedReceipt,
    SignedVoucher,
    Tier,
    Voucher,
    parse_receipt,
    parse_voucher,
)

BYTES32 = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
SAFE = st.integers(0, 2**53 - 1)
DOMAINS = st.builds(Domain, SAFE, ADDRESSES)
SIGNATURES = st.binary(min_size=65, max_size=65)
RECEIPTS = st.builds(
    Receipt,
    job=BYTES32, model=BYTES32, program=BYTES32, inputs=BYTES32, outputs=BYTES32,
    client=ADDRESSES, provider=ADDRESSES, channel=BYTES32, sequence=SAFE,
    tier=st.sampled_from(sorted(set(Tier) - {Tier.LOCAL})), numerics=st.integers(0, 2**32 - 1),
    time=SAFE, attestation=BYTES32,
)  # fmt: skip
VOUCHERS = st.builds(Voucher, BYTES32, SAFE, st.integers(0, 2**128 - 1), BYTES32)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.text(max_size=8) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


def replaced(document: Any, path: list[int], value: Any) -> Any:
    """The document with `value` in place of the node that `path` leads to."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    keys = sorted(document) if isinstance(document, dict) else range(len(document))
    key = keys[path[0] % len(keys)]
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[key] = replaced(document[key], path[1:], value)
    return copy


PATHS = st.lists(st.integers(0, 30), min_size=1, max_size=5)


@given(DOMAINS, RECEIPTS, SIGNATURES)
def test_receipts_round_trip(domain: Domain, receipt: Receipt, signature: bytes) -> None:
    signed = SignedReceipt(domain, receipt, signature)
    assert parse_receipt(signed.to_json()) == signed


@given(DOMAINS, VOUCHERS, SIGNATURES)
def test_vouchers_round_trip(domain: Domain, voucher: Voucher, signature: bytes) -> None:
    signed = SignedVoucher(domain, voucher, signature)
    assert parse_voucher(signed.to_json()) == signed


@given(DOMAINS, RECEIPTS, SIGNATURES, MUTATIONS, PATHS, JSON)
def test_mutated_receipts_never_crash(domain, receipt, signature, mutations, path, value) -> None:
    data = SignedReceipt(domain, receipt, signature).to_json()
    swapped = json.dumps(replaced(json.loads(data), path, value)).encode("utf-8", "surrogatepass")
    for changed in (mutate(data, mutations), swapped):
        try:
            again = parse_receipt(changed)
        except AivmError:
            continue
        assert parse_receipt(again.to_json()) == again


@given(DOMAINS, VOUCHERS, SIGNATURES, MUTATIONS, PATHS, JSON)
def test_mutated_vouchers_never_crash(domain, voucher, signature, mutations, path, value) -> None:
    data = SignedVoucher(domain, voucher, signature).to_json()
    swapped = json.dumps(replaced(json.loads(data), path, value)).encode("utf-8", "surrogatepass")
    for changed in (mutate(data, mutations), swapped):
        try:
            again = parse_voucher(changed)
            again.signer()
        except AivmError:
            continue
        assert parse_voucher(again.to_json()) == again


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_strict_json_agrees_with_json_where_it_reads_at_all(data: bytes) -> None:
    try:
        value = canonical_json.parse(data, MalformedPackage)
    except AivmError:
        return
    assert value == json.loads(data)
    assert canonical_json.parse_canonical(rfc8785.dumps(value), MalformedPackage) == value


@given(JSON)
def test_what_is_written_can_be_read(value: Any) -> None:
    try:
        data = canonical_json.dumps(value, MalformedPackage)
    except AivmError:
        return
    assert canonical_json.parse_canonical(data, MalformedPackage) == value


def some_manifest() -> Manifest:
    cid = Cid.of(Codec.RAW, b"")
    files = (
        FileEntry("main.aivm", 5, bytes(32), cid, Role.PROGRAM),
        FileEntry("weights.safetensors", 7, bytes(32), cid, Role.WEIGHTS),
    )
    port = Port("x", DType.F32, (1, 2))
    return Manifest(
        name="demo/small",
        version="1.2.3-rc.1",
        publisher="0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        license="MIT",
        description="Small.",
        task="",
        created="2026-01-02T03:04:05Z",
        numerics=1,
        memory_bytes=9,
        inputs=(Interface("x", DType.F32, ("batch", 2)),),
        outputs=(Interface("x", DType.F32, (1, "two"), "what came in"),),
        entries=(ProgramEntry("main", bytes(32), "main.aivm", (port,), (port,), 3),),
        constants=(ConstantEntry(bytes(32), "weights.safetensors", "w"),),
        files=files,
        supersedes=b"\x01" * 32,
    )


MANIFEST = some_manifest().to_json()


def test_the_manifest_round_trips() -> None:
    assert parse_manifest(MANIFEST) == some_manifest()


@given(MUTATIONS, PATHS, JSON)
def test_mutated_manifests_never_crash(mutations, path, value) -> None:
    try:
        swapped = rfc8785.dumps(replaced(json.loads(MANIFEST), path, value))
    except (ValueError, OverflowError):
        swapped = b""
    for changed in (mutate(MANIFEST, mutations), swapped):
        try:
            manifest = parse_manifest(changed)
        except AivmError:
            continue
        assert manifest.to_json() == changed


ARRAYS = st.sampled_from(DType).flatmap(
    lambda dtype: st.lists(st.integers(0, 3), max_size=3).map(
        lambda shape: (dtype, np.ones(shape, dtype=numpy_dtype(dtype)))
    )
)


@given(st.dictionaries(st.text(st.characters(codec="ascii"), min_size=1), ARRAYS, max_size=4))
def test_safetensors_round_trip(tensors) -> None:
    tensors.pop("__metadata__", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        write_safetensors(path, tensors)
        read = SafeTensors(path)
        assert set(read) == set(tensors)
        for name, (dtype, array) in tensors.items():
            assert read.types[name].dtype is dtype and np.array_equal(read[name], array)


@given(MUTATIONS, PATHS, JSON)
def test_mutated_safetensors_never_crash(mutations, path, value) -> None:
    header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "U8", "shape": [1, 1], "data_offsets": [8, 9]},
    }
    texts = [
        mutate(json.dumps(header).encode(), mutations),
        json.dumps(replaced(header, path, value)).encode("utf-8", "surrogatepass"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "w"
        for text in texts:
            file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(9))
            try:
                read = SafeTensors(file)
            except AivmError:
                continue
            assert sum(array.nbytes for array in read.values()) == 9

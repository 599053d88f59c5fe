"""OpenSSF model signatures: ours are theirs, and theirs are ours."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC
from hypothesis import given
from hypothesis import strategies as st

from aivm.errors import AivmError, BadInput, BadSignature, TamperedContent
from aivm.packages import PackageInfo
from aivm.packages.model_signature import sign_model, verify_model

KEY = ECC.construct(curve="P-256", d=7)
PRIVATE = KEY.export_key(format="PEM").encode()
PUBLIC = KEY.public_key().export_key(format="PEM").encode() + b"\n"
DIGESTS = {"a": sha256(b"1").digest(), "dir/b": sha256(b"2").digest()}
BUNDLE = sign_model("demo/model", DIGESTS, PRIVATE)
# Made by `model_signing sign key` of version 1.1.1 over these two files, with this key.
GOLDEN = Path(__file__).parent / "golden" / "model_signing-1.1.1.sig"


def test_what_the_public_tool_signs_is_verified() -> None:
    verify_model(GOLDEN.read_bytes(), DIGESTS, PUBLIC)
    with pytest.raises(TamperedContent, match="'dir/b'"):
        verify_model(GOLDEN.read_bytes(), DIGESTS | {"dir/b": bytes(32)}, PUBLIC)
    with pytest.raises(TamperedContent, match="'more'"):
        verify_model(GOLDEN.read_bytes(), DIGESTS | {"more": bytes(32)})
    other = ECC.construct(curve="P-256", d=8).public_key().export_key(format="PEM").encode()
    with pytest.raises(BadSignature):
        verify_model(GOLDEN.read_bytes(), DIGESTS, other)


def test_what_we_sign_is_verified() -> None:
    verify_model(BUNDLE, DIGESTS, PUBLIC)
    verify_model(BUNDLE, DIGESTS)
    with pytest.raises(TamperedContent):
        verify_model(BUNDLE, {"a": DIGESTS["a"]})


def test_keys_that_cannot_sign_are_refused() -> None:
    for key in (PUBLIC, b"", ECC.construct(curve="P-384", d=7).export_key(format="DER")):
        with pytest.raises(BadInput):
            sign_model("demo/model", DIGESTS, key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """The value with the one at the end of a path of choices replaced."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    keys = list(value) if isinstance(value, dict) else range(len(value))
    chosen = keys[path[0] % len(keys)]
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[chosen] = replaced(value[chosen], path[1:], new)
    return copy


@given(st.booleans(), st.lists(st.integers(0, 9), max_size=6), JSON)
def test_a_bundle_with_anything_in_it_is_judged(inside: bool, path: list[int], new: Any) -> None:
    bundle = json.loads(BUNDLE)
    if inside:
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        payload = json.dumps(replaced(statement, path, new)).encode()
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    else:
        bundle = replaced(bundle, path, new)
    with suppress(AivmError):
        verify_model(json.dumps(bundle).encode(), DIGESTS, PUBLIC)


@pytest.mark.skipif(shutil.which("model_signing") is None, reason="model-signing is not installed")
def test_the_public_tool_verifies_what_we_sign(package: PackageInfo, tmp_path: Path) -> None:
    """Needs `pip install model-signing==1.1.1 pyOpenSSL==26.4.0`, best in a place of its own."""
    digests = {file.path: file.sha256 for file in package.manifest.files}
    digests["manifest.json"] = package.model_id
    (package.directory / "model.sig").write_bytes(sign_model("demo/line", digests, PRIVATE))
    (tmp_path / "pub.pem").write_bytes(PUBLIC)
    command = ["model_signing", "verify", "key", package.directory, "--public_key"]
    command += [tmp_path / "pub.pem", "--signature", package.directory / "model.sig"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    (package.directory / "tokenizer.json").write_bytes(b"{}")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0

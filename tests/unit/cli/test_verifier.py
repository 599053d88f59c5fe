"""`aivm verifier` with what a stranger might give it; no network is needed to be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.chain.account import Account
from aivm.receipts import Domain, Receipt, Tier, job_id, local_receipt, sign_receipt
from aivm.receipts.document import SignedReceipt

DOMAIN = Domain(31337, "0x" + "57" * 20)


@pytest.fixture
def receipt(home: Path) -> Path:
    key = Account(b"\x02" * 32)
    made = Receipt(
        job=job_id(b"c" * 32, 1, b"m" * 32, b"p" * 32, b"i" * 32),
        model=b"m" * 32,
        program=b"p" * 32,
        inputs=b"i" * 32,
        outputs=b"o" * 32,
        client=key.address,
        provider=key.address,
        channel=b"c" * 32,
        sequence=1,
        tier=Tier.OPTIMISTIC,
        numerics=1,
        time=1_800_000_000,
    )
    path = home / "r.json"
    path.write_bytes(sign_receipt(made, DOMAIN, key).to_json())
    np.savez(home / "i.npz", x=np.zeros(3, np.float32))
    return path


def error(done: Any) -> tuple[int, str]:
    return done.status, done.document["error"]["code"]


def test_submissions_that_nobody_could_use(aivm: Any, home: Path, receipt: Path) -> None:
    inputs = ("--input", home / "i.npz")
    assert error(aivm("verifier", "submit", home / "no.json", *inputs, "--json")) == (
        4,
        "AIVM-E0301",
    )
    assert error(aivm("verifier", "submit", receipt, "--json")) == (2, "AIVM-E0100")
    both = ("verifier", "submit", receipt, *inputs, "--published", "bafkqaaa", "--json")
    assert error(aivm(*both)) == (2, "AIVM-E0100")
    (home / "junk.json").write_text("{}")
    junk = aivm("verifier", "submit", home / "junk.json", *inputs, "--json")
    assert error(junk) == (2, "AIVM-E0107")
    digests = dict.fromkeys(("model", "program", "inputs", "outputs"), b"x" * 32)
    local = SignedReceipt(Domain(0, "0x" + "00" * 20), local_receipt(**digests, time=1), None)
    (home / "local.json").write_bytes(local.to_json())
    own = aivm("verifier", "submit", home / "local.json", *inputs, "--json")
    assert error(own) == (2, "AIVM-E0100")
    assert "nobody's claim" in own.document["error"]["message"]


def test_where_no_verifier_is(aivm: Any, home: Path, receipt: Path) -> None:
    away = ("--verifier", "http://127.0.0.1:9", "--json")
    sent = aivm("verifier", "submit", receipt, "--input", home / "i.npz", *away)
    assert error(sent) == (5, "AIVM-E0410")
    assert error(aivm("verifier", "status", *away)) == (5, "AIVM-E0410")


@pytest.mark.parametrize(
    "options",
    [
        ("--engine", "wasm", "--second-engine", "wasm"),
        ("--floor", "nan"),
        ("--floor", "2"),
        ("--least-award", "inf"),
        ("--gas-per-hour", "0"),
        ("--port", "70000"),
    ],
)
def test_options_that_make_no_sense(aivm: Any, options: tuple[str, ...]) -> None:
    assert error(aivm("verifier", "run", *options, "--json")) == (2, "AIVM-E0100")


def test_a_key_that_is_not_there(aivm: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "password").write_text("secret")
    monkeypatch.setenv("AIVM_PASSWORD_FILE", str(home / "password"))
    assert error(aivm("verifier", "run", "--json")) == (4, "AIVM-E0301")

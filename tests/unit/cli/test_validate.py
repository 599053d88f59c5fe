"""`aivm validate`: the report, the exit status, a validator's signature."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Aivm

from aivm.chain.account import Account


def test_an_honest_package(aivm: Aivm, package: Path) -> None:
    done = aivm("validate", package)
    assert done.status == 0 and "equal bytes" in done.out and "FAILS" not in done.out
    done = aivm("validate", package, "--json", "--engine", "wasm")
    assert done.status == 0 and done.document["ok"] is True
    model = done.document["model"]
    assert aivm("validate", package, "-q", "--model", model).out == "ok\n"


def test_a_mismatch_is_exit_status_3(aivm: Aivm, package: Path) -> None:
    assert aivm("validate", package, "--model", "00" * 32).status == 3
    (package / "weights.safetensors").write_bytes(b"")
    done = aivm("validate", package, "--json")
    assert done.status == 3 and done.document["ok"] is False
    assert done.document["error"]["code"] == "AIVM-E0202"
    assert [check["status"] for check in done.document["checks"]] == ["holds", "holds", "fails"]


def test_a_broken_form_is_exit_status_2(aivm: Aivm, package: Path) -> None:
    (package / "extra").write_bytes(b"")
    assert aivm("validate", package).status == 2
    (package / "manifest.json").write_bytes(b"{}")
    done = aivm("validate", package)
    assert done.status == 2 and "FAILS" in done.out
    assert aivm("validate", package, "--model", "abc").status == 2
    assert aivm("validate", package, "--engine", "abacus").status == 2


def test_nothing_there_is_exit_status_4(aivm: Aivm, home: Path) -> None:
    assert aivm("validate", home / "nowhere").status == 4
    assert aivm("validate", home / "work").status == 4


def test_a_validator_signs_what_holds(
    aivm: Aivm, package: Path, key: Account, monkeypatch, home: Path
) -> None:
    from aivm.chain.keystore import LIGHT, Keystore

    validator = Account(b"\x08" * 32)
    Keystore(home / "keys").save("validator", validator, "a password", cost=LIGHT)
    monkeypatch.setenv("AIVM_ACCOUNT", "validator")
    model = aivm("validate", package, "--json").document["model"]
    for _ in range(2):  # signing twice changes nothing
        assert aivm("validate", package, "--sign").status == 0
    document = aivm("validate", package, "--json").document
    assert document["signers"] == [key.address, validator.address]
    assert document["model"] == model


def test_what_does_not_hold_is_not_signed(aivm: Aivm, package: Path) -> None:
    signature = (package / "manifest.sig.json").read_bytes()
    (package / "source.onnx").write_bytes(b"")
    assert aivm("validate", package, "--sign").status == 3
    assert (package / "manifest.sig.json").read_bytes() == signature

"""The shipped artifacts are whole, portable, and made from the sources that lie in the checkout."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aivm.receipts.receipt import Receipt
from aivm.receipts.voucher import Voucher

PUSH1, PUSH32 = 0x60, 0x7F
# Their errors are those of Numerics.
PARTS_OF_NUMERICS = ("Exponentials", "Hyperbolics", "Trigonometry")
# Opcodes that chains older than Shanghai, Cancun or Osaka do not know.
TOO_NEW = {0x5F: "PUSH0", 0x5E: "MCOPY", 0x5C: "TLOAD", 0x5D: "TSTORE", 0x1E: "CLZ"}


@pytest.fixture(scope="module")
def build(contracts: Path) -> ModuleType:
    """contracts/build.py as a module."""
    spec = importlib.util.spec_from_file_location("contracts_build", contracts / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code(artifact: dict[str, Any], field: str) -> bytes:
    assert artifact[field].startswith("0x")
    return bytes.fromhex(artifact[field][2:])


def signatures(artifact: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in artifact["abi"] if entry["type"] == kind}


def test_an_artifact_is_whole(artifact: dict[str, Any], build: ModuleType) -> None:
    assert artifact["contractName"] == artifact["file"]
    assert artifact["solcVersion"] == build.SOLC_VERSION
    assert artifact["soljsonSha256"] == build.SOLJSON_SHA256
    assert len(bytes.fromhex(artifact["inputSha256"])) == 32
    assert len(code(artifact, "bytecode")) > len(code(artifact, "deployedBytecode")) > 1_000


def test_the_code_fits_any_chain(artifact: dict[str, Any], build: ModuleType) -> None:
    deployed = code(artifact, "deployedBytecode")
    assert len(deployed) <= build.CODE_SIZE_LIMIT
    found, position = set(), 0
    while position < len(deployed):
        opcode = deployed[position]
        found.add(opcode)
        position += 1 + (opcode - PUSH1 + 1 if PUSH1 <= opcode <= PUSH32 else 0)
    assert not {TOO_NEW[opcode] for opcode in found & TOO_NEW.keys()}


def test_immutables_are_blank_in_the_code(artifact: dict[str, Any]) -> None:
    deployed = code(artifact, "deployedBytecode")
    places = artifact["immutableReferences"]
    assert places == sorted(places, key=lambda place: place["start"])
    for place in places:
        assert place["length"] == 32
        assert deployed[place["start"] : place["start"] + 32] == bytes(32)


def test_errors_are_custom_and_documented_in_the_interface(
    artifact: dict[str, Any], contracts: Path
) -> None:
    name = "Numerics" if artifact["file"] in PARTS_OF_NUMERICS else artifact["file"]
    interface = (contracts / "src" / "interfaces" / f"I{name}.sol").read_text("utf-8")
    ours = {name for name in signatures(artifact, "error") if f"error {name}(" in interface}
    # The token has OpenZeppelin's only, the referee those of the dispute game.
    assert bool(ours) == (artifact["file"] not in ("AIVMToken", "Referee"))
    for name in ours:
        assert any(f"{name}.selector" in test for test in solidity_tests(contracts)), name


def solidity_tests(contracts: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted((contracts / "test").glob("*.t.sol"))]


@pytest.mark.parametrize(
    ("library", "struct"), [("VoucherHash", Voucher), ("ReceiptHash", Receipt)]
)
def test_typed_data_is_what_the_python_side_signs(
    contracts: Path, library: str, struct: type[Voucher | Receipt]
) -> None:
    source = (contracts / "src" / "libraries" / f"{library}.sol").read_text("utf-8")
    literals = source.split("keccak256(", 1)[1].split(");", 1)[0]
    written = "".join(part for index, part in enumerate(literals.split('"')) if index % 2)
    members = ",".join(f"{kind} {name}" for name, kind in struct.FIELDS)
    assert written == f"{struct.__name__}({members})"


def test_the_receipt_struct_has_the_order_that_is_hashed(contracts: Path) -> None:
    source = (contracts / "src" / "types" / "Receipt.sol").read_text("utf-8")
    members = re.findall(r"^    (\w+) (\w+);", source, re.MULTILINE)
    assert [(name, kind) for kind, name in members] == list(Receipt.FIELDS)


def test_the_artifacts_are_made_from_these_sources(
    artifact: dict[str, Any], build: ModuleType, contracts: Path
) -> None:
    if not (contracts / "node_modules" / "@openzeppelin").exists():
        pytest.skip("needs `npm ci --ignore-scripts` in contracts/")
    assert artifact["inputSha256"] == hashlib.sha256(build.compiler_input()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rebuild_gives_the_same_bytes(contracts: Path) -> None:
    if shutil.which("node") is None or not (contracts / "node_modules" / "solc").exists():
        pytest.skip("needs Node and `npm ci --ignore-scripts` in contracts/")
    command = [sys.executable, contracts / "build.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_promised_gas_holds(contracts: Path) -> None:
    gas = json.loads((contracts / "snapshots" / "gas.json").read_text("utf-8"))
    assert gas["escrow: redeem"] <= 55_000
    assert gas["escrow: redeemMany of ten, each"] <= 20_000
    assert gas["float32: fma"] <= 1_350
    assert all(used <= 1_500 for name, used in gas.items() if name.startswith("float32: "))


def test_foundry_builds_what_ships(contracts: Path, build: ModuleType) -> None:
    profile = tomllib.loads((contracts / "foundry.toml").read_text("utf-8"))["profile"]["default"]
    assert profile["evm_version"] == build.SETTINGS["evmVersion"]
    assert profile["via_ir"] is build.SETTINGS["viaIR"]
    assert profile["optimizer"] is build.SETTINGS["optimizer"]["enabled"]
    assert profile["optimizer_runs"] == build.SETTINGS["optimizer"]["runs"]
    assert profile["bytecode_hash"] == build.SETTINGS["metadata"]["bytecodeHash"]
    assert profile["cbor_metadata"] is build.SETTINGS["metadata"]["appendCBOR"]
    assert profile["offline"] is True


def test_the_lockfile_names_no_registry(contracts: Path) -> None:
    lock = json.loads((contracts / "package-lock.json").read_text("utf-8"))
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert name == "" or package["integrity"].startswith("sha512-"), name

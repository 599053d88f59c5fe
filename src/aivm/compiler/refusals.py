"""Why a node cannot be lowered, before it is known which node that is.

Rules and the builder raise these two; `translate` adds the node's name and turns them into
`UnsupportedModel` and `MalformedModel`. Neither ever leaves the compiler.
"""

from __future__ import annotations


class Unsupported(Exception):
    """The model is well-formed but asks for something that programs cannot express."""

    def __init__(self, reason: str, *, change: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.change = change


class Malformed(Exception):
    """The model contradicts the ONNX rules (shapes that do not broadcast, a missing input...)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

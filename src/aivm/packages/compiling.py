"""Which compiler made a program: a name for everything that decides its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files as resource_files
from importlib.resources.abc import Traversable

_COMPILER_ROOMS = ("compiler", "commitments", "isa", "numerics")


@cache
def compiler_version() -> str:
    """What decides which program a model becomes, in 16 hexadecimal digits: our compiler's
    sources, and the release of onnx, which holds operators' function bodies.
    """
    digest = sha256(f"onnx {version('onnx')}\n".encode())
    for room in _COMPILER_ROOMS:
        for name, content in _sources(resource_files(f"aivm.{room}"), room):
            digest.update(f"{name} {sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _sources(item, f"{name}/{item.name}")
        elif item.name.endswith(".py"):
            yield f"{name}/{item.name}", item.read_bytes()

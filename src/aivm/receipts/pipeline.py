"""Jobs that run a package's modules as well: what their receipt's `program` then stands for.

    stage root     SHA-256(0x03 || canonical JSON of the stage)
    pipeline root  SHA-256(0x04 || program root || stage roots in order)

A stage names the module and everything else that decides what it gives: its interface, entry, data
files and limits. The tensor program inside can be disputed step by step; a module cannot, so that a
dispute about what a stage gave goes to arbitration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from aivm.commitments import canonical_json
from aivm.errors import MalformedReceipt

_STAGE_TAG = b"\x03"
_PIPELINE_TAG = b"\x04"
_BYTES32 = re.compile(r"0x[0-9a-f]{64}")
_COUNTS = ("fuel", "memory_bytes")
_LISTS = ("data", "inputs", "outputs")
_KEYS = {"role", "interface", "module", "entry", *_COUNTS, *_LISTS}
MAX_STAGES = 3


class StageRole(StrEnum):
    """What a module does in a job."""

    TOKENIZER = "tokenizer"  # a text becomes the model's inputs
    PREPROCESS = "preprocess"  # arrays become the model's inputs
    POSTPROCESS = "postprocess"  # the model's outputs become the job's
    APP = "app"  # a program that calls models as it likes


class ModuleInterface(StrEnum):
    """How a module is called."""

    TENSORS = "tensors-1"
    WASI = "wasi-preview1"


@dataclass(frozen=True, slots=True)
class Stage:
    """One module in a job. `module` and `data` are SHA-256 digests of files."""

    role: StageRole
    interface: ModuleInterface
    module: bytes
    entry: str
    data: tuple[bytes, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fuel: int
    memory_bytes: int

    @property
    def root(self) -> bytes:
        return sha256(_STAGE_TAG + canonical_json.spell(self.to_document())).digest()

    def to_document(self) -> dict[str, Any]:
        return {
            "role": self.role.value,
            "interface": self.interface.value,
            "module": _hex(self.module),
            "entry": self.entry,
            "data": [_hex(digest) for digest in self.data],
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "fuel": self.fuel,
            "memory_bytes": self.memory_bytes,
        }

    def __str__(self) -> str:
        return f"{self.role} {_hex(self.module)}"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of a job around the tensor program with root `program`.

    For an app, `program` is the root over all programs of its package.
    """

    program: bytes
    stages: tuple[Stage, ...]

    @property
    def root(self) -> bytes:
        """What stands as `program` in the job's receipt."""
        roots = b"".join(stage.root for stage in self.stages)
        return sha256(_PIPELINE_TAG + self.program + roots).digest()

    def to_document(self) -> dict[str, Any]:
        return {
            "program": _hex(self.program),
            "stages": [stage.to_document() for stage in self.stages],
        }

    def __str__(self) -> str:
        return ", ".join(map(str, self.stages))


def pipeline_from_document(document: Any) -> Pipeline:
    """Reads what `to_document` wrote. Raises MalformedReceipt."""
    if not isinstance(document, dict) or document.keys() != {"program", "stages"}:
        raise MalformedReceipt("'pipeline' is not an object of program and stages")
    stages = document["stages"]
    if not isinstance(stages, list) or not 1 <= len(stages) <= MAX_STAGES:
        raise MalformedReceipt(f"'stages' is not a list of 1 to {MAX_STAGES}")
    return Pipeline(_bytes32(document["program"]), tuple(map(_stage, stages)))


def _stage(document: Any) -> Stage:
    if not isinstance(document, dict) or document.keys() != _KEYS:
        raise MalformedReceipt("a stage has other fields than it should")
    if not isinstance(document["entry"], str):
        raise MalformedReceipt("a stage's entry is not a string")
    for key in _COUNTS:
        if type(document[key]) is not int or document[key] < 0:
            raise MalformedReceipt(f"a stage's {key} is not a count")
    try:
        role, interface = StageRole(document["role"]), ModuleInterface(document["interface"])
    except ValueError as problem:
        raise MalformedReceipt(f"a stage: {problem}") from None
    return Stage(
        role=role,
        interface=interface,
        module=_bytes32(document["module"]),
        entry=document["entry"],
        data=tuple(_bytes32(item) for item in _strings(document, "data")),
        inputs=_strings(document, "inputs"),
        outputs=_strings(document, "outputs"),
        fuel=document["fuel"],
        memory_bytes=document["memory_bytes"],
    )


def _strings(document: dict[str, Any], key: str) -> tuple[str, ...]:
    value = document[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedReceipt(f"a stage's {key} is not a list of strings")
    return tuple(value)


def _bytes32(value: Any) -> bytes:
    if not isinstance(value, str) or not _BYTES32.fullmatch(value):
        raise MalformedReceipt(f"{value!a} is not 0x and 64 hexadecimal digits")
    return bytes.fromhex(value[2:])


def _hex(digest: bytes) -> str:
    return f"0x{digest.hex()}"

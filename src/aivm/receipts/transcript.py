"""The canonical transcript of one execution: what every value was, by its tensor root.

Two executions of one program on the same inputs have the same transcript, byte for byte, on every
engine; where two differ, the first value that differs names the instruction that went astray.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aivm.commitments import bundle_root, canonical_json
from aivm.errors import MalformedReceipt, TooLarge

TYPE = "aivm.transcript.v1"
MAX_TRANSCRIPT_BYTES = 64 * 2**20
_ROOT = re.compile(r"0x[0-9a-f]{64}")
_LISTS = ("inputs", "constants", "results")
_FIELDS = {"type", "model", "program", "numerics", "trace", "outputs", *_LISTS}


@dataclass(frozen=True, slots=True)
class Transcript:
    """Tensor roots of all values in the program's numbering; `outputs` are value ids.

    `model` is the model id (of an ONNX file its SHA-256), `program` the program root.
    """

    model: bytes
    program: bytes
    numerics: int
    inputs: tuple[bytes, ...]
    constants: tuple[bytes, ...]
    results: tuple[bytes, ...]
    outputs: tuple[int, ...]

    @property
    def values(self) -> tuple[bytes, ...]:
        """The root of every value, by value id."""
        return self.inputs + self.constants + self.results

    @property
    def trace_root(self) -> bytes:
        """The root over all values."""
        return bundle_root(self.values)

    @property
    def input_root(self) -> bytes:
        """The input root of a receipt about this execution."""
        return bundle_root(self.inputs)

    @property
    def output_root(self) -> bytes:
        """The output root of a receipt about this execution."""
        values = self.values
        return bundle_root(values[value] for value in self.outputs)

    def place(self, value: int) -> str:
        """What a value id stands for: "input 0", "constant 2", "instruction 17"."""
        for name, roots in (("input", self.inputs), ("constant", self.constants)):
            if value < len(roots):
                return f"{name} {value}"
            value -= len(roots)
        return f"instruction {value}"

    def to_json(self) -> bytes:
        """The canonical bytes; the trace root stands in them, to be compared by eye."""
        document: dict[str, Any] = {
            "type": TYPE,
            "model": _hex(self.model),
            "program": _hex(self.program),
            "numerics": self.numerics,
            "trace": _hex(self.trace_root),
            "outputs": list(self.outputs),
        }
        for name in _LISTS:
            document[name] = [_hex(root) for root in getattr(self, name)]
        return canonical_json.spell(document)


def parse_transcript(data: bytes) -> Transcript:
    """The transcript with exactly these bytes. Raises MalformedReceipt and TooLarge."""
    if len(data) > MAX_TRANSCRIPT_BYTES:
        raise TooLarge(f"a transcript of {len(data)} bytes is over {MAX_TRANSCRIPT_BYTES}")
    document = canonical_json.parse(data, MalformedReceipt)
    if not isinstance(document, dict) or set(document) != _FIELDS or document["type"] != TYPE:
        raise MalformedReceipt(f"this is no document of type {TYPE}")
    lists = {name: tuple(_roots(name, document[name])) for name in _LISTS}
    transcript = Transcript(
        model=_root("model", document["model"]),
        program=_root("program", document["program"]),
        numerics=_count("numerics", document["numerics"]),
        outputs=tuple(_outputs(document["outputs"], sum(map(len, lists.values())))),
        **lists,
    )
    if _hex(transcript.trace_root) != document["trace"]:
        raise MalformedReceipt("the trace root is not the root over the values")
    if transcript.to_json() != data:
        raise MalformedReceipt("the document is not in canonical form")
    return transcript


def first_difference(one: Transcript, other: Transcript) -> int | None:
    """The first value id at which two executions differ; None where they are the same.

    Raises MalformedReceipt where they are not about the same program.
    """
    if one.program != other.program:
        raise MalformedReceipt("the transcripts are of different programs")
    lengths = [tuple(len(getattr(each, name)) for name in _LISTS) for each in (one, other)]
    if lengths[0] != lengths[1]:
        raise MalformedReceipt("the transcripts do not have the same number of values")
    pairs = enumerate(zip(one.values, other.values, strict=True))
    return next((value for value, (a, b) in pairs if a != b), None)


def _hex(root: bytes) -> str:
    return "0x" + root.hex()


def _root(name: str, value: Any) -> bytes:
    if not isinstance(value, str) or not _ROOT.fullmatch(value):
        raise MalformedReceipt(f"{name}: {str(value)[:80]!a} is not 32 bytes as 0x and hex")
    return bytes.fromhex(value[2:])


def _roots(name: str, value: Any) -> Iterator[bytes]:
    if not isinstance(value, list):
        raise MalformedReceipt(f"{name} is not a list")
    return (_root(name, each) for each in value)


def _count(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MalformedReceipt(f"{name}: {str(value)[:80]!a} is not a number from 0")
    return value


def _outputs(value: Any, values: int) -> Iterator[int]:
    if not isinstance(value, list):
        raise MalformedReceipt("outputs is not a list")
    for each in value:
        if _count("outputs", each) >= values:
            raise MalformedReceipt(f"there is no value {each} to be an output")
        yield each

"""The moves of a dispute: what each player may send, with what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.dispute.trace import Evidence, OpenedTensor
from aivm.receipts.receipt import Receipt

Path = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """Provider: the roots of the receipt's outputs, and the top frontier of his trace."""

    receipt: Receipt
    outputs: tuple[bytes, ...]
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Reveal:
    """Provider: the frontier below the node reached; at the trace's leaves, the tensor roots."""

    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """Challenger: one node of the frontier (a tensor root at the trace's leaves)."""

    position: int
    node: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class ProveOutput:
    """Challenger: the receipt's output is not the value of the trace that the program names."""

    receipt: Receipt
    output: int
    root: bytes
    root_path: Path
    record: bytes
    record_path: Path
    value_root: bytes
    value_path: Path


@dataclass(frozen=True, slots=True)
class ProveInput:
    """Challenger: the receipt's input has another root than the trace's."""

    receipt: Receipt
    root: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class ProveConstant:
    """Challenger: the program's constant has another root than the trace's."""

    receipt: Receipt
    record: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class RevealTensor:
    """Provider: the record that makes the value, and the top frontier of the value's data."""

    receipt: Receipt
    record: bytes
    path: Path
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RevealLeaf:
    """Provider: the bytes of the data leaf."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PickElement:
    """Challenger: one element of the leaf.

    `sizing` opens the operand whose type says how long the chain is: operand 0 of a MATMUL, the
    index of a SCATTER; None for all others.
    """

    element: int
    data: bytes
    record: bytes
    sizing: OpenedTensor | None


@dataclass(frozen=True, slots=True)
class RevealLanes:
    """Provider: the 16 lanes of a float sum after its last step."""

    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PickLane:
    """Challenger: one of the lanes."""

    lane: int
    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RevealStates:
    """Provider: the state after each segment of the steps in dispute, one after another."""

    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PickStep:
    """Challenger: one of the segments."""

    segment: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prove:
    """Challenger: the step that is left gives something else than the provider says."""

    record: bytes
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ProveElement:
    """Challenger: `PickElement` and `Prove` in one."""

    pick: PickElement
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ProveStep:
    """Challenger: `PickStep` and `Prove` in one."""

    pick: PickStep
    prove: Prove


@dataclass(frozen=True, slots=True)
class ProveFinish:
    """Challenger: the lanes do not add up to the element."""

    lanes: tuple[int, ...]
    prove: Prove


Move = (
    Commit
    | Reveal
    | Pick
    | ProveOutput
    | ProveInput
    | ProveConstant
    | RevealTensor
    | RevealLeaf
    | PickElement
    | RevealLanes
    | PickLane
    | RevealStates
    | PickStep
    | Prove
    | ProveElement
    | ProveStep
    | ProveFinish
)

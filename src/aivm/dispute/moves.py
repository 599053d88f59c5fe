"""The moves of a dispute: what each player may send, with what proves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.dispute.state import CHUNK_BYTES, Form, packed_words, posted_tree
from aivm.dispute.trace import Evidence, Work
from aivm.dispute.trees import leaf_path
from aivm.isa.instructions import TensorType
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
    """Provider: the type of the value, and the top frontier of its data."""

    type: TensorType
    nodes: Path


@dataclass(frozen=True, slots=True)
class ProveType:
    """Challenger: the program gives the value another type than the provider."""

    receipt: Receipt
    trace: bytes  # root
    type: TensorType  # the provider's
    record: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class RevealLeaves:
    """Provider: the bytes of all data leaves below the node reached, one after another."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PickElement:
    """Challenger: one element of a leaf; opens the instruction that makes it, and its operands."""

    receipt: Receipt
    element: int
    leaf: bytes
    leaf_path: Path  # up to the node reached
    trace: bytes  # root
    work: Work
    record_path: Path  # up to the program root
    operand_paths: tuple[Path, ...]  # up to the trace root


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
    """Challenger: one of the segments; its two states are in one leaf of the tree over them."""

    segment: int
    chunk: bytes
    path: Path


@dataclass(frozen=True, slots=True)
class Prove:
    """Challenger: the step that is left gives something else than the provider says."""

    work: Work
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
    | ProveType
    | RevealLeaves
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


def pick_step(segment: int, words: Sequence[int], form: Form) -> PickStep:
    """The choice of a segment among the posted states `words`."""
    tree = posted_tree(packed_words(words, form), form)
    chunk = segment * form.width // CHUNK_BYTES
    return PickStep(segment, tree.leaf(chunk), leaf_path(tree, chunk))

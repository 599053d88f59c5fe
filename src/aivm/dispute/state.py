"""The state of a game, as the contract keeps it: one hash, of eight words that players resend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from math import isqrt
from typing import Any

from eth_hash.auto import keccak

from aivm.dispute.trees import LeafTree, depth
from aivm.receipts.addresses import checked_address
from aivm.receipts.eip712 import encode_field
from aivm.receipts.receipt import Receipt

NO_LANE = 255
MAX_POSTED_BYTES = 2048  # states of a chain in one round
CHUNK_BYTES = 128  # of posted states, in one leaf of the tree over them


class Phase(IntEnum):
    """What the next move is. The codes are known to contracts."""

    COMMIT = 1
    PICK_VALUE = 2
    REVEAL_VALUES = 3
    PROVE_SOURCE = 4  # the value is an input or a constant
    REVEAL_TENSOR = 5
    PICK_LEAF = 6
    REVEAL_NODES = 7
    REVEAL_LEAVES = 8
    PICK_ELEMENT = 9
    REVEAL_LANES = 10
    PICK_LANE = 11
    REVEAL_STATES = 12
    PICK_STEP = 13
    PROVE = 14  # one step is left

    @property
    def is_providers(self) -> bool:
        """Whether the provider is to move; else the challenger is."""
        return self in _PROVIDERS


_PROVIDERS = frozenset(
    {
        Phase.COMMIT,
        Phase.REVEAL_VALUES,
        Phase.REVEAL_TENSOR,
        Phase.REVEAL_NODES,
        Phase.REVEAL_LEAVES,
        Phase.REVEAL_LANES,
        Phase.REVEAL_STATES,
    }
)


class Form(IntEnum):
    """How a state of the chain is posted."""

    NARROW = 0  # one word of at most 32 bits
    WIDE = 1  # one word of 64 bits
    TWO = 2  # ARG_MAX, ARG_MIN: best, position, of 64 bits each
    LAST_OF_TWO = 3  # the same, but of the last state only the position is known so far

    @property
    def words(self) -> int:
        """How many words a state has."""
        return 2 if self in (Form.TWO, Form.LAST_OF_TWO) else 1

    @property
    def width(self) -> int:
        """Bytes of a state."""
        return 4 if self is Form.NARROW else 8 * self.words


@dataclass(frozen=True)
class State:
    """A game between two moves. Counts are of the program's parts; times are seconds.

    Until the provider commits, `node` is the root of the receipt's outputs. While a tree is
    descended, it is the hash reached and (`level`, `index`) its place in a tree of `leaves` leaves,
    of which the last has `tail` bytes. At a leaf of the trace it is the tensor root; below the
    element it is the root over the states that the provider posted last.

    `opened` says what has been opened so far: before the commitment the provider's own account, in
    the trace its root, in a tensor the hash of that root and the tensor's type, below an element
    the hash of the instruction and its operands. `start` to `end` are the steps of the chain
    in dispute: both players agree on the state `before` (none at the chain's start) and not on
    `after`.
    """

    receipt: bytes
    challenger: str
    defender: str
    phase: Phase
    since: int
    challenger_left: int
    provider_left: int
    inputs: int
    constants: int
    instructions: int
    outputs: int
    node: bytes = bytes(32)
    opened: bytes = bytes(32)
    value: int = 0
    level: int = 0
    index: int = 0
    leaves: int = 0
    tail: int = 0
    element: int = 0
    lane: int = NO_LANE
    form: Form = Form.NARROW
    start: int = 0
    end: int = 0
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)

    @property
    def values(self) -> int:
        """How many leaves the trace has."""
        return self.inputs + self.constants + self.instructions

    @property
    def first_instruction(self) -> int:
        return self.inputs + self.constants

    @property
    def records(self) -> int:
        """How many records the program has."""
        return 1 + self.values + self.outputs

    @property
    def trace_depth(self) -> int:
        return depth(self.values)

    def encode(self) -> bytes:
        """The eight words, as the contract's `PackedState`."""
        progress = _packed(
            (self.phase, 8),
            (self.since, 40),
            (self.challenger_left, 32),
            (self.provider_left, 32),
            (self.inputs, 32),
            (self.constants, 32),
            (self.instructions, 32),
            (self.outputs, 32),
        )
        place = _packed(
            (self.value, 32),
            (self.level, 8),
            (self.index, 32),
            (self.leaves, 32),
            (self.tail, 16),
            (self.element, 48),
            (self.lane, 8),
            (self.form, 8),
            (self.start, 32),
            (self.end, 32),
        )
        words = _packed(*((word, 64) for word in (*self.before, *self.after)))
        people = [encode_field("address", who) for who in (self.challenger, self.defender)]
        return b"".join([self.receipt, *people, progress, self.node, self.opened, place, words])

    @cached_property
    def hash(self) -> bytes:
        """What the contract stores."""
        return bytes(keccak(self.encode()))


def decode_state(data: bytes) -> State:
    """The state with exactly these eight words (from a contract's event)."""
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    assert len(words) == 8 and len(words[-1]) == 32, "eight words"
    phase, since, challenger_left, provider_left, inputs, constants, instructions, outputs = (
        _unpacked(words[3], 8, 40, 32, 32, 32, 32, 32, 32)
    )
    value, level, index, leaves, tail, element, lane, form, start, end = _unpacked(
        words[6], 32, 8, 32, 32, 16, 48, 8, 8, 32, 32
    )
    pair = _unpacked(words[7], 64, 64, 64, 64)
    return State(
        receipt=words[0],
        challenger=_address(words[1]),
        defender=_address(words[2]),
        phase=Phase(phase),
        since=since,
        challenger_left=challenger_left,
        provider_left=provider_left,
        inputs=inputs,
        constants=constants,
        instructions=instructions,
        outputs=outputs,
        node=words[4],
        opened=words[5],
        value=value,
        level=level,
        index=index,
        leaves=leaves,
        tail=tail,
        element=element,
        lane=lane,
        form=Form(form),
        start=start,
        end=end,
        before=(pair[0], pair[1]),
        after=(pair[2], pair[3]),
    )


def receipt_hash(receipt: Receipt) -> bytes:
    """How a state names its receipt: Keccak-256 of its ABI encoding."""
    fields: Sequence[tuple[str, Any]] = [
        (kind, getattr(receipt, name)) for name, kind in Receipt.FIELDS
    ]
    return bytes(keccak(b"".join(encode_field(kind, value) for kind, value in fields)))


def game_id(receipt: bytes, challenger: str) -> bytes:
    """The name of a game: a challenger has at most one about a receipt at a time."""
    return bytes(keccak(receipt + encode_field("address", challenger)))


def packed_words(words: Sequence[int], form: Form) -> bytes:
    """States as they are posted: big-endian words, in the width of their form."""
    size = form.width // form.words
    return b"".join(word.to_bytes(size, "big") for word in words)


def unpacked_words(data: bytes, form: Form) -> tuple[int, ...]:
    """The words of states as they were posted."""
    size = form.width // form.words
    return tuple(int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size))


def posted_tree(data: bytes, form: Form) -> LeafTree:
    """The tree over posted states, so that two of them can be shown without the others.

    A leaf has 128 bytes of states, and the state before them, if there is one.
    """
    starts = range(0, len(data), CHUNK_BYTES)
    return LeafTree([data[max(0, at - form.width) : at + CHUNK_BYTES] for at in starts])


def segment_steps(steps: int, form: Form) -> int:
    """How many steps each segment of a round has (the last may have fewer), over so many steps.

    One, if all states fit into one round; else evenly over two rounds; else as few as fit.
    """
    most = MAX_POSTED_BYTES // form.width
    if steps <= most:
        return 1
    if steps > most**2:
        return -(-steps // most)
    return isqrt(steps - 1) + 1


def _packed(*fields: tuple[int, int]) -> bytes:
    number = bits = 0
    for value, width in fields:
        assert 0 <= value < 1 << width, "a number fits its field"
        number, bits = number << width | value, bits + width
    return number.to_bytes(32, "big")


def _unpacked(word: bytes, *widths: int) -> list[int]:
    number, values = int.from_bytes(word, "big"), []
    for width in reversed(widths):
        values.append(number & ((1 << width) - 1))
        number >>= width
    return values[::-1]


def _address(word: bytes) -> str:
    return checked_address("0x" + word[12:].hex())

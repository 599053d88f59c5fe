"""The state of a game, as the contract keeps it: one hash, of nine words that players resend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from eth_hash.auto import keccak

from aivm.dispute.trees import depth
from aivm.receipts.addresses import checked_address
from aivm.receipts.eip712 import encode_field
from aivm.receipts.receipt import Receipt

NO_LANE = 255
MAX_SEGMENTS = 48  # of a chain, in one round


class Phase(IntEnum):
    """What the next move is. The codes are known to contracts."""

    COMMIT = 1
    PICK_VALUE = 2
    REVEAL_VALUES = 3
    PROVE_SOURCE = 4  # the value is an input or a constant
    REVEAL_TENSOR = 5
    PICK_LEAF = 6
    REVEAL_NODES = 7
    REVEAL_LEAF = 8
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
        Phase.REVEAL_LEAF,
        Phase.REVEAL_LANES,
        Phase.REVEAL_STATES,
    }
)


class Form(IntEnum):
    """How many words a state of the chain has."""

    ONE = 0
    TWO = 1  # ARG_MAX, ARG_MIN: best, position
    LAST_OF_TWO = 2  # the same, but of the last state only the position is known so far


@dataclass(frozen=True)
class State:
    """A game between two moves. Counts are of the program's parts; times are seconds.

    While a tree is descended, `node` is the hash reached and (`level`, `index`) its place in a tree
    of `leaves` leaves, of which the last has `tail` bytes. At a leaf of the trace `node` is the
    tensor root; afterwards it is the hash of what the provider posted last. `start` to `end` are
    the steps of the chain in dispute:
    both players agree on the state `before` (none at the chain's start) and not on `after`.
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
    trace: bytes = bytes(32)
    node: bytes = bytes(32)
    record: bytes = bytes(32)
    value: int = 0
    level: int = 0
    index: int = 0
    leaves: int = 0
    tail: int = 0
    element: int = 0
    lane: int = NO_LANE
    form: Form = Form.ONE
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
        """The nine words, as the contract's `PackedState`."""
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
        return b"".join(
            [self.receipt, *people, progress, self.trace, self.node, self.record, place, words]
        )

    @cached_property
    def hash(self) -> bytes:
        """What the contract stores."""
        return bytes(keccak(self.encode()))


def decode_state(data: bytes) -> State:
    """The state with exactly these nine words (from a contract's event)."""
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    assert len(words) == 9 and len(words[-1]) == 32, "nine words"
    phase, since, challenger_left, provider_left, inputs, constants, instructions, outputs = (
        _unpacked(words[3], 8, 40, 32, 32, 32, 32, 32, 32)
    )
    value, level, index, leaves, tail, element, lane, form, start, end = _unpacked(
        words[7], 32, 8, 32, 32, 16, 48, 8, 8, 32, 32
    )
    pair = _unpacked(words[8], 64, 64, 64, 64)
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
        trace=words[4],
        node=words[5],
        record=words[6],
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


def packed_words(words: Sequence[int]) -> bytes:
    """States and lanes as they are posted: eight big-endian bytes a word."""
    return b"".join(word.to_bytes(8, "big") for word in words)


def unpacked_words(data: bytes) -> tuple[int, ...]:
    """The words in a posting."""
    return tuple(int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8))


def segment_steps(steps: int) -> int:
    """How many steps each segment of a round has (the last may have fewer), over so many steps.

    One, if they fit into one round; else evenly over two rounds; else as few as fit.
    """
    if steps <= MAX_SEGMENTS:
        return 1
    if steps > MAX_SEGMENTS**2:
        return -(-steps // MAX_SEGMENTS)
    width = 1
    while width * width < steps:
        width += 1
    return width


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

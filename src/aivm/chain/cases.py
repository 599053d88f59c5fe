"""`Case`: one game as the chain tells it, from its opening to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from aivm.chain.dispute_calls import state_of, type_of
from aivm.chain.events import Event
from aivm.dispute.chronicle import (
    Committed,
    Happening,
    Moved,
    Posted,
    Revealed,
    Turn,
    Typed,
    history_of,
    turns_of,
)
from aivm.dispute.moves import Move
from aivm.dispute.state import State
from aivm.dispute.trace import ProgramTree
from aivm.receipts.addresses import ZERO_ADDRESS
from aivm.receipts.receipt import Receipt


class Side(StrEnum):
    """Who is to move, or has moved."""

    PROVIDER = "provider"
    CHALLENGER = "challenger"
    ANYONE = "anyone"


class Status(StrEnum):
    """How a game stands."""

    OPEN = "open"
    CONVICTED = "convicted"  # the receipt is false
    ACQUITTED = "acquitted"  # the challenger ran out of time
    VOIDED = "voided"  # the receipt was convicted elsewhere, or nobody may slash


ENDS = {
    "Convicted": Status.CONVICTED,
    "Acquitted": Status.ACQUITTED,
    "Voided": Status.VOIDED,
}
"""The events that end a game."""


class Payee(StrEnum):
    """What somebody who is paid at the end is in the game."""

    CHALLENGER = "challenger"
    CLIENT = "client"
    PROVIDER = "provider"
    NOBODY = "burned"


@dataclass(frozen=True, slots=True)
class Payment:
    """Tokens that somebody was given, or can collect; base units. To the zero address: burned."""

    payee: Payee
    recipient: str
    amount: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a node knows of a mined transaction; time in Unix seconds.

    `calldata` is what it called the dispute game with; nothing where it called another contract,
    which then called the game.
    """

    gas: int
    time: int
    calldata: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One move, and the transaction that made it (also another's, if it made several).

    `move` is "open", the phase that the move answered in lower case, "prove", "timeout" or "void".
    `sent` is None while the node does not tell it.
    """

    move: str
    by: Side
    transaction: str
    block_number: int
    sent: Sent | None


@dataclass(frozen=True)
class Case:
    """A game about `receipt`; amounts in token base units, times in Unix seconds."""

    game: bytes
    receipt: Receipt
    challenger: str
    opening: State
    turns: tuple[Turn, ...]
    status: Status
    taken: int  # of the stake, by a conviction
    payments: tuple[Payment, ...]  # who got what at the end
    entries: tuple[Entry, ...]
    position: tuple[int, int]  # of its opening: block number, and number of the log there

    @property
    def provider(self) -> str:
        """The owner of the receipt, whose stake is held."""
        return self.receipt.provider

    @property
    def state(self) -> State:
        """The state now; of a game that is over, the last one."""
        return self.turns[-1].after if self.turns else self.opening

    @property
    def is_open(self) -> bool:
        return self.status is Status.OPEN

    @property
    def mover(self) -> Side | None:
        """Whose clock runs; nobody's after the end."""
        return _side(self.state) if self.is_open else None

    @property
    def deadline(self) -> int | None:
        """The last second in which the mover may move; from the next on, anyone may end it."""
        if not self.is_open:
            return None
        state = self.state
        left = state.provider_left if state.phase.is_providers else state.challenger_left
        return state.since + left

    @property
    def rounds(self) -> int:
        """How often the provider has shown something."""
        return sum(turn.before.phase.is_providers for turn in self.turns)

    @cached_property
    def gas(self) -> int:
        """Of all transactions so far, as far as the node tells it."""
        sent = {entry.transaction: entry.sent.gas for entry in self.entries if entry.sent}
        return sum(sent.values())

    def history(self, program: ProgramTree) -> list[Move]:
        """The moves so far, for `Challenger.move`; `program` is the receipt's.

        Raises BadInput if it is another.
        """
        return history_of(self.receipt, program, self.turns)


def case_of(events: Sequence[Event], sent: Sequence[Sent | None], bond: int) -> Case:
    """The game whose events, from `Opened` on, these are; `sent` is what is known of each one's
    transaction, `bond` what a challenger puts up. Raises WrongChain if they are not whole."""
    opened, end = events[0].arguments, ENDS.get(events[-1].name)
    told = [_happening(event) for event in events[1:] if event.name not in ENDS]
    turns = turns_of(told)
    assert isinstance(told[0], Moved), "turns_of has checked it"
    states = [told[0].state, *(turn.after for turn in turns)]
    receipt, last = Receipt(**opened["receipt"]), events[-1].arguments
    return Case(
        game=opened["game"],
        receipt=receipt,
        challenger=opened["challenger"],
        opening=told[0].state,
        turns=tuple(turns),
        status=end or Status.OPEN,
        taken=last["taken"] if end is Status.CONVICTED else 0,
        payments=_payments(end, receipt, opened["challenger"], bond, last),
        entries=tuple(_entries(events, sent, states)),
        position=(events[0].block_number, events[0].log_index),
    )


def _payments(
    end: Status | None, receipt: Receipt, challenger: str, bond: int, last: Mapping[str, Any]
) -> tuple[Payment, ...]:
    """Who got what, by the game's last event."""
    match end:
        case Status.CONVICTED:
            taken, award, share = last["taken"], last["award"], last["share"]
            paid = [
                Payment(Payee.CHALLENGER, challenger, bond + award),
                Payment(Payee.CLIENT, receipt.client, share),
                Payment(Payee.NOBODY, ZERO_ADDRESS, taken - award - share),
            ]
        case Status.ACQUITTED:
            paid = [
                Payment(Payee.PROVIDER, receipt.provider, bond // 2),
                Payment(Payee.NOBODY, ZERO_ADDRESS, bond - bond // 2),
            ]
        case Status.VOIDED:
            paid = [Payment(Payee.CHALLENGER, challenger, bond)]
        case _:
            paid = []
    return tuple(payment for payment in paid if payment.amount)


def _happening(event: Event) -> Happening:
    match event.name:
        case "Moved":
            return Moved(state_of(event.arguments["state"]))
        case "Committed":
            return Committed(event.arguments["outputs"])
        case "Revealed":
            return Revealed(event.arguments["nodes"])
        case "Typed":
            return Typed(type_of(event.arguments["kind"]))
        case "Posted":
            return Posted(event.arguments["data"])
        case name:
            raise AssertionError(f"{name} is no part of a game")


def _entries(
    events: Sequence[Event], sent: Sequence[Sent | None], states: Sequence[State]
) -> list[Entry]:
    """An entry for every state, and for the end."""
    names = ["open"] + [state.phase.name.lower() for state in states[:-1]]
    movers = [Side.CHALLENGER] + [_side(state) for state in states[:-1]]
    pairs = list(zip(events, sent, strict=True))
    marks = [pair for pair in pairs if pair[0].name == "Moved"]
    last = events[-1].name
    if last in ENDS:
        is_proof = last == "Convicted" and _side(states[-1]) is Side.CHALLENGER
        names.append("void" if last == "Voided" else "prove" if is_proof else "timeout")
        movers.append(Side.CHALLENGER if is_proof else Side.ANYONE)
        marks.append(pairs[-1])
    return [
        Entry(name, mover, event.transaction, event.block_number, known)
        for name, mover, (event, known) in zip(names, movers, marks, strict=True)
    ]


def _side(state: State) -> Side:
    """Who is to move in that state."""
    return Side.PROVIDER if state.phase.is_providers else Side.CHALLENGER

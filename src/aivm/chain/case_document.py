"""A dispute as JSON, for pages and programs: `docs/guides/disputes.md` says what each field means.

Hashes and addresses are 0x-prefixed hexadecimal, times Unix seconds, amounts decimal strings of
token base units. Field names are an interface: none changes its meaning.
"""

from __future__ import annotations

from typing import Any

from aivm.chain.case_view import Place, Row, view_of
from aivm.chain.cases import Case, Side
from aivm.isa.instructions import Instruction, TensorType

Document = dict[str, Any]


def case_document(case: Case, now: int) -> Document:
    """The case at the time `now` (Unix seconds)."""
    view, state, receipt = view_of(case), case.state, case.receipt
    return {
        "game": _hex(case.game),
        "receipt": _hex(state.receipt),
        "job": _hex(receipt.job),
        "model": _hex(receipt.model),
        "program": _hex(receipt.program),
        "provider": case.provider,
        "challenger": case.challenger,
        "client": receipt.client,
        "status": case.status.value,
        "phase": state.phase.name.lower() if case.is_open else None,
        "mover": case.mover.value if case.mover else None,
        "deadline": case.deadline,
        "clocks": {side.value: time_left(case, side, now) for side in PLAYERS},
        "now": now,
        "rounds": case.rounds,
        "transactions": len({entry.transaction for entry in case.entries}),
        "gas": case.gas,
        "step_gas": _step_gas(case),
        "seconds": seconds(case),
        "place": _place(view.place),
        "moves": [_move(row) for row in view.rows],
        "taken": str(case.taken),
        "payments": [
            {
                "to": payment.recipient,
                "role": payment.payee.value,
                "amount": str(payment.amount),
            }
            for payment in case.payments
        ],
    }


PLAYERS = (Side.PROVIDER, Side.CHALLENGER)


def time_left(case: Case, side: Side, now: int) -> int:
    """Seconds left on a player's clock; 0 if the time is over."""
    state = case.state
    left = state.provider_left if side is Side.PROVIDER else state.challenger_left
    if case.mover is side:
        left -= max(0, now - state.since)
    return max(0, left)


def seconds(case: Case) -> int | None:
    """From the opening to the last transaction; None while the node does not tell its time."""
    sent = case.entries[-1].sent
    return None if sent is None else sent.time - case.opening.since


def _step_gas(case: Case) -> int | None:
    """Of the transaction in which the contract computed the step that decided."""
    last = case.entries[-1]
    return last.sent.gas if last.move == "prove" and last.sent else None


def _place(place: Place) -> Document:
    return {
        "value": place.value,
        "type": None if place.type is None else _type(place.type),
        "instruction": None if place.instruction is None else _instruction(place.instruction),
        "leaf": place.leaf,
        "element": place.element,
        "lane": place.lane,
        "step": place.step,
        "output": place.output,
    }


def _instruction(instruction: Instruction) -> Document:
    function = getattr(instruction, "function", None)
    return {
        "family": type(instruction).__name__,
        "function": None if function is None else function.name,
        "operands": list(instruction.operands),
    } | _type(instruction.type)


def _type(type_: TensorType) -> Document:
    return {"dtype": type_.dtype.name, "shape": list(type_.shape)}


def _move(row: Row) -> Document:
    entry, scope = row.entry, row.scope
    return {
        "move": entry.move,
        "by": entry.by.value,
        "function": row.function or None,
        "transaction": entry.transaction,
        "block": entry.block_number,
        "time": None if entry.sent is None else entry.sent.time,
        "gas": None if entry.sent is None else entry.sent.gas,
        "parts": row.parts,
        "scope": {
            "scale": scope.scale.value,
            "first": scope.first,
            "end": scope.end,
            "low": scope.low,
            "high": scope.high,
        },
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()

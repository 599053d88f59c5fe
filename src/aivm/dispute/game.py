"""The rules: `opened` starts a game, `played` makes a move, `timed_out` ends one that stands still.

The contract `DisputeGame` follows the same rules, state by state. Whatever does not verify raises
IllegalMove and changes nothing, so no player can be harmed by a wrong move of the other; a player
who cannot move in his time loses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from aivm.commitments import merkle
from aivm.dispute import claims, moves, narrowing
from aivm.dispute.moves import Move
from aivm.dispute.openings import check_receipt, check_record
from aivm.dispute.state import Form, Phase, State, receipt_hash
from aivm.dispute.trace import root_of_header, tensor_hash
from aivm.dispute.trees import (
    climbed,
    data_levels,
    depth,
    frontier_size,
    hashed_up,
    leaf_count,
    round_levels,
)
from aivm.errors import IllegalMove
from aivm.isa.opcodes import Opcode
from aivm.isa.records import decode_header, decode_instruction
from aivm.receipts.addresses import checked_address
from aivm.receipts.eip712 import encode_field
from aivm.receipts.receipt import Receipt, Tier

_ROOT = slice(64, 96)  # of a CONSTANT record
_VALUE = slice(8, 12)  # of an OUTPUT record
MOST_LEAVES = 1 << 32  # of a tensor that can be disputed


# Of the others, local receipts are nobody's claim, and attested and zk ones promise no equal bits.
DISPUTABLE = frozenset({Tier.OPTIMISTIC, Tier.REDUNDANT})


class Outcome(IntEnum):
    """How a game ends."""

    CONVICTED = 1  # the receipt is false: the provider pays
    ACQUITTED = 2  # the challenger pays


@dataclass(frozen=True, slots=True)
class Rules:
    """What a contract was deployed with, in seconds."""

    window: int  # for how long after its time a receipt can be disputed
    clock: int  # of each player, for all his moves


def opened(
    rules: Rules,
    receipt: Receipt,
    signer: str,
    challenger: str,
    header: bytes,
    path: moves.Path,
    now: int,
) -> State:
    """A new game about a receipt that `signer` signed.

    `header` and `path` show record 0 of the receipt's program. Raises IllegalMove for a receipt
    that is not, or no longer, open to disputes.
    """
    if receipt.tier not in DISPUTABLE:
        raise IllegalMove(f"receipts of tier {receipt.tier.name} are not decided by this game")
    if not now - rules.window <= receipt.time <= now:
        raise IllegalMove("the receipt's time is ahead, or too long ago")
    numerics, *counts = decode_header(header)
    inputs, constants, instructions, outputs = counts
    values = inputs + constants + instructions
    if numerics != receipt.numerics or not 0 < values < 1 << 32 or not outputs:
        raise IllegalMove("the program's header is not that of a receipt's program")
    if not merkle.verify(receipt.program, header, 0, 1 + sum(counts), path):
        raise IllegalMove("the header is not record 0 of the receipt's program")
    return State(
        receipt_hash(receipt),
        challenger,
        signer,
        Phase.COMMIT,
        now,
        rules.clock,
        rules.clock,
        inputs,
        constants,
        instructions,
        outputs,
        node=receipt.outputs,
        opened=encode_field("address", receipt.provider),
    )


def timed_out(state: State, now: int) -> Outcome:
    """The end of a game whose mover's time is over. Raises IllegalMove where it is not."""
    is_providers = state.phase.is_providers
    left = state.provider_left if is_providers else state.challenger_left
    if now - state.since <= left:
        raise IllegalMove("the mover still has time")
    return Outcome.CONVICTED if is_providers else Outcome.ACQUITTED


def played(state: State, move: Move, sender: str, now: int) -> State | Outcome:
    """What a move makes of a game. Raises IllegalMove."""
    phases, rule = _RULES[type(move)]
    if state.phase not in phases:
        raise IllegalMove(f"{type(move).__name__} is no move in phase {state.phase.name}")
    _check_sender(state, move, sender)
    return rule(_clocked(state, now), move, sender)


def _check_sender(state: State, move: Move, sender: str) -> None:
    is_providers = state.phase.is_providers
    allowed = {state.defender if is_providers else state.challenger}
    if isinstance(move, moves.Commit):  # the key that signed, or its owner, whoever comes first
        allowed.add(owner_of(state))
    if sender not in allowed:
        raise IllegalMove(f"{sender} is not the one to move")


def owner_of(state: State) -> str:
    """The provider's own account, in a game that waits for his commitment."""
    return checked_address("0x" + state.opened[12:].hex())


def _clocked(state: State, now: int) -> State:
    """The state with the mover's clock stopped and the other's running."""
    used = now - state.since
    if state.phase.is_providers:
        if used > state.provider_left:
            raise IllegalMove("the provider's time is over")
        return replace(state, since=now, provider_left=state.provider_left - used)
    if used > state.challenger_left:
        raise IllegalMove("the challenger's time is over")
    return replace(state, since=now, challenger_left=state.challenger_left - used)


# --- the trace ------------------------------------------------------------------------------------


def _commit(state: State, move: moves.Commit, sender: str) -> State:
    if len(move.outputs) != state.outputs:
        raise IllegalMove(f"the program has {state.outputs} outputs")
    if merkle.root_of_leaves(move.outputs) != state.node:
        raise IllegalMove("these are not the outputs of the receipt")
    top = replace(state, defender=sender, level=state.trace_depth, leaves=state.values)
    levels = round_levels(top.level)
    root = _root_of_frontier(top, move.nodes, levels, are_values=top.level == levels)
    return replace(top, node=root, opened=root, phase=Phase.PICK_VALUE)


def _levels(state: State) -> int:
    """How far the next round goes down from the node in dispute."""
    in_trace = state.phase in (Phase.REVEAL_VALUES, Phase.PICK_VALUE)
    return (round_levels if in_trace else data_levels)(state.level)


def _root_of_frontier(state: State, nodes: moves.Path, levels: int, *, are_values: bool) -> bytes:
    expected = frontier_size(state.leaves, state.level, state.index, levels)
    if len(nodes) != expected:
        raise IllegalMove(f"the frontier has {expected} nodes, not {len(nodes)}")
    return hashed_up([merkle.leaf_hash(node) for node in nodes] if are_values else nodes)


def _reveal(state: State, move: moves.Reveal, sender: str) -> State:  # noqa: ARG001
    in_trace, levels = state.phase is Phase.REVEAL_VALUES, _levels(state)
    are_values = in_trace and state.level == levels
    if _root_of_frontier(state, move.nodes, levels, are_values=are_values) != state.node:
        raise IllegalMove("the nodes do not hash up to the node in dispute")
    return replace(state, phase=Phase.PICK_VALUE if in_trace else Phase.PICK_LEAF)


def _pick(state: State, move: moves.Pick, sender: str) -> State:  # noqa: ARG001
    levels, in_trace = _levels(state), state.phase is Phase.PICK_VALUE
    count = frontier_size(state.leaves, state.level, state.index, levels)
    if not 0 <= move.position < count:
        raise IllegalMove(f"the frontier has {count} nodes")
    level, index = state.level - levels, (state.index << levels) + move.position
    node = merkle.leaf_hash(move.node) if in_trace and level == 0 else move.node
    if climbed(node, move.position, count, move.path) != state.node:
        raise IllegalMove("this is not that node of the frontier")
    below = replace(state, node=move.node, level=level, index=index)
    if not in_trace:
        return replace(below, phase=_revealing(level))
    if level:
        return replace(below, phase=Phase.REVEAL_VALUES)
    is_source = index < state.first_instruction
    phase = Phase.PROVE_SOURCE if is_source else Phase.REVEAL_TENSOR
    return replace(below, phase=phase, value=index, index=0)


def _prove_output(state: State, move: moves.ProveOutput, sender: str) -> Outcome:  # noqa: ARG001
    check_record(state, move.receipt, 1 + state.values + move.output, move.record, move.record_path)
    outputs = state.outputs
    if not merkle.verify(move.receipt.outputs, move.root, move.output, outputs, move.root_path):
        raise IllegalMove("this is not the root of that output of the receipt")
    value = int.from_bytes(move.record[_VALUE], "big")
    if not merkle.verify(state.opened, move.value_root, value, state.values, move.value_path):
        raise IllegalMove("this is not the root of that value of the trace")
    return _convicted(move.root != move.value_root)


def _prove_input(state: State, move: moves.ProveInput, sender: str) -> Outcome:  # noqa: ARG001
    check_receipt(state, move.receipt)
    inputs = state.inputs
    if not merkle.verify(move.receipt.inputs, move.root, state.value, inputs, move.path):
        raise IllegalMove("this is not the root of that input of the receipt")
    return _convicted(move.root != state.node)


def _prove_constant(state: State, move: moves.ProveConstant, sender: str) -> Outcome:  # noqa: ARG001
    check_record(state, move.receipt, 1 + state.value, move.record, move.path)
    if move.record[0] != Opcode.CONSTANT:
        raise IllegalMove("the value is an input")
    return _convicted(move.record[_ROOT] != state.node)


def _convicted(differs: bool) -> Outcome:
    if not differs:
        raise IllegalMove("nothing is wrong here")
    return Outcome.CONVICTED


# --- the tensor -----------------------------------------------------------------------------------


def _reveal_tensor(state: State, move: moves.RevealTensor, sender: str) -> State:  # noqa: ARG001
    leaves = leaf_count(move.type.size_bytes)
    if leaves >= MOST_LEAVES:
        raise IllegalMove("the tensor has a terabyte or more")
    tail = move.type.size_bytes - (leaves - 1) * merkle.LEAF_BYTES
    top = replace(state, leaves=leaves, tail=tail, level=depth(leaves), index=0)
    data_root = _root_of_frontier(top, move.nodes, data_levels(top.level), are_values=False)
    if root_of_header(move.type, data_root) != state.node:
        raise IllegalMove("the nodes do not hash up to the tensor root in dispute")
    phase = Phase.PICK_LEAF if data_levels(top.level) else Phase.REVEAL_LEAVES
    opened = tensor_hash(state.opened, move.type)
    return replace(top, node=data_root, opened=opened, phase=phase)


def _prove_type(state: State, move: moves.ProveType, sender: str) -> Outcome:  # noqa: ARG001
    check_record(state, move.receipt, 1 + state.value, move.record, move.path)
    if tensor_hash(move.trace, move.type) != state.opened:
        raise IllegalMove("this is not the trace, or not the type that the provider gave the value")
    return _convicted(decode_instruction(move.record).type != move.type)


def _reveal_leaves(state: State, move: moves.RevealLeaves, sender: str) -> State:  # noqa: ARG001
    first = state.index << state.level
    count = frontier_size(state.leaves, state.level, state.index, state.level)
    last = state.tail if first + count == state.leaves else merkle.LEAF_BYTES
    expected = (count - 1) * merkle.LEAF_BYTES + last
    if len(move.data) != expected:
        raise IllegalMove(f"the leaves have {expected} bytes, not {len(move.data)}")
    if merkle.root_of_data(move.data) != state.node:
        raise IllegalMove("these are not the leaves in dispute")
    return replace(state, phase=Phase.PICK_ELEMENT)


def _revealing(level: int) -> Phase:
    """What the provider shows below a node of a data tree."""
    return Phase.REVEAL_NODES if data_levels(level) else Phase.REVEAL_LEAVES


# --- the step -------------------------------------------------------------------------------------


def _prove(state: State, move: moves.Prove, sender: str) -> Outcome:  # noqa: ARG001
    judgement = claims.judge(narrowing.claimed_step(state, move))
    said = state.after if state.form is Form.TWO else state.after[1:]
    return _convicted(judgement.fault or judgement.words[-len(said) :] != said)


def _prove_element(state: State, move: moves.ProveElement, sender: str) -> Outcome:
    picked = narrowing.pick_element(state, move.pick, sender)
    return _prove(_last(picked), moves.Prove(move.pick.work, move.evidence), sender)


def _prove_step(state: State, move: moves.ProveStep, sender: str) -> Outcome:
    return _prove(_last(narrowing.pick_step(state, move.pick, sender)), move.prove, sender)


def _prove_finish(state: State, move: moves.ProveFinish, sender: str) -> Outcome:  # noqa: ARG001
    narrowing.check_lanes(state, move.lanes)
    claim = narrowing.claimed_finish(state, move.lanes, move.prove)
    return _convicted(claims.judge(claim).words != state.after[1:])


def _last(state: State) -> State:
    if state.phase is not Phase.PROVE:
        raise IllegalMove("more than one step is left")
    return state


Rule = Callable[[State, Any, str], "State | Outcome"]

_RULES: dict[type, tuple[frozenset[Phase], Rule]] = {
    moves.Commit: (frozenset({Phase.COMMIT}), _commit),
    moves.Reveal: (frozenset({Phase.REVEAL_VALUES, Phase.REVEAL_NODES}), _reveal),
    moves.Pick: (frozenset({Phase.PICK_VALUE, Phase.PICK_LEAF}), _pick),
    moves.ProveOutput: (frozenset({Phase.PICK_VALUE}), _prove_output),
    moves.ProveInput: (frozenset({Phase.PROVE_SOURCE}), _prove_input),
    moves.ProveConstant: (frozenset({Phase.PROVE_SOURCE}), _prove_constant),
    moves.RevealTensor: (frozenset({Phase.REVEAL_TENSOR}), _reveal_tensor),
    moves.ProveType: (frozenset({Phase.PICK_LEAF, Phase.PICK_ELEMENT}), _prove_type),
    moves.RevealLeaves: (frozenset({Phase.REVEAL_LEAVES}), _reveal_leaves),
    moves.PickElement: (frozenset({Phase.PICK_ELEMENT}), narrowing.pick_element),
    moves.RevealLanes: (frozenset({Phase.REVEAL_LANES}), narrowing.reveal_lanes),
    moves.PickLane: (frozenset({Phase.PICK_LANE}), narrowing.pick_lane),
    moves.RevealStates: (frozenset({Phase.REVEAL_STATES}), narrowing.reveal_states),
    moves.PickStep: (frozenset({Phase.PICK_STEP}), narrowing.pick_step),
    moves.Prove: (frozenset({Phase.PROVE}), _prove),
    moves.ProveElement: (frozenset({Phase.PICK_ELEMENT}), _prove_element),
    moves.ProveStep: (frozenset({Phase.PICK_STEP}), _prove_step),
    moves.ProveFinish: (frozenset({Phase.PICK_LANE}), _prove_finish),
}

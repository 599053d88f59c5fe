"""The part of a manifest that says how programs with state generate tokens.

A *session* is a step program (one token in, logits and state out), block programs that take several
tokens of a prompt at once, and a sampler. The rules are checked here from the manifest alone; that
ports are those of the programs is checked when the package is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aivm.errors import MalformedPackage
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType

if TYPE_CHECKING:
    from aivm.packages.entries import Port, ProgramEntry

# What every sampler takes after the logits, and gives: `aivm.sessions.sampler`.
SAMPLER_INPUTS = (
    ("temperature", TensorType(DType.F32, ())),
    ("top_k", TensorType(DType.I64, ())),
    ("top_p", TensorType(DType.F32, ())),
    ("seed", TensorType(DType.U64, (2,))),
)
TOKEN_TYPE = TensorType(DType.I64, (1, 1))


@dataclass(frozen=True, slots=True)
class StatePair:
    """An input and an output of equal type: what one run gives, the next one takes."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """Names of entries (`step`, `blocks`, `sampler`) and of their ports (the others).

    `position` is the number of tokens before the first one of a run; None where the model does not
    ask. `capacity` is the most tokens that a session can take; None where there is no limit.
    `stop` are the tokens at which a text ends.
    """

    step: str
    blocks: tuple[str, ...]
    sampler: str
    tokens: str
    position: str | None
    logits: str
    states: tuple[StatePair, ...]
    capacity: int | None
    stop: tuple[int, ...]


def session_from_document(document: Mapping[str, Any]) -> SessionEntry:
    """From JSON that the manifest's schema has accepted."""
    return SessionEntry(
        step=document["step"],
        blocks=tuple(document["blocks"]),
        sampler=document["sampler"],
        tokens=document["tokens"],
        position=document.get("position"),
        logits=document["logits"],
        states=tuple(StatePair(pair["input"], pair["output"]) for pair in document["states"]),
        capacity=document.get("capacity"),
        stop=tuple(document["stop"]),
    )


def session_to_document(session: SessionEntry) -> dict[str, Any]:
    """The JSON object; what is None is left out."""
    document = {
        "step": session.step,
        "blocks": list(session.blocks),
        "sampler": session.sampler,
        "tokens": session.tokens,
        "position": session.position,
        "logits": session.logits,
        "states": [{"input": pair.input, "output": pair.output} for pair in session.states],
        "capacity": session.capacity,
        "stop": list(session.stop),
    }
    return {name: value for name, value in document.items() if value is not None}


def check_session(session: SessionEntry, entries: Sequence[ProgramEntry]) -> None:
    """Raises MalformedPackage, naming the entry, where programs do not fit one another."""
    by_name = {entry.name: entry for entry in entries}
    for name in (session.step, *session.blocks, session.sampler):
        if name not in by_name:
            raise _wrong(f"there is no entry {name!a}")
    step = by_name[session.step]
    vocabulary = _check_logits(session, step, by_name[session.sampler])
    if any(token >= vocabulary for token in session.stop):
        raise _wrong(f"a stop token is not below {vocabulary}")
    if session.position is not None and session.capacity is None:
        raise _wrong("a session with positions needs a capacity")
    names = [pair.input for pair in session.states] + [pair.output for pair in session.states]
    if len(set(names)) != len(names):
        raise _wrong("a state occurs twice")
    if _check_run(session, step, step) != 1:
        raise _wrong(f"entry {step.name} must take one token")
    sizes = [_check_run(session, by_name[name], step) for name in session.blocks]
    if sizes != sorted(set(sizes)) or (sizes and sizes[0] < 2):
        raise _wrong("blocks must be in ascending order of size, from 2 on")


def _check_logits(session: SessionEntry, step: ProgramEntry, sampler: ProgramEntry) -> int:
    """Step and sampler fit together; returns the size of the vocabulary."""
    logits = _port(session.logits, step.name, step.outputs)
    if logits.dtype is not DType.F32 or not 1 <= logits.type.elements < 2**31:
        raise _wrong(f"{session.logits!a} of {step.name} are no logits of dtype f32")
    wanted = (("logits", logits.type), *SAMPLER_INPUTS)
    if tuple((port.name, port.type) for port in sampler.inputs) != wanted:
        raise _wrong(f"entry {sampler.name} does not take {', '.join(name for name, _ in wanted)}")
    if [port.type for port in sampler.outputs] != [TOKEN_TYPE]:
        raise _wrong(f"entry {sampler.name} does not give one token, i64 [1, 1]")
    return logits.type.elements


def _check_run(session: SessionEntry, entry: ProgramEntry, step: ProgramEntry) -> int:
    """A step or block takes tokens, position and state, and gives state; returns its size."""
    tokens = _port(session.tokens, entry.name, entry.inputs)
    size = tokens.shape[-1] if tokens.shape else 0
    if tokens.dtype is not DType.I64 or tokens.shape != (1, size) or not size:
        raise _wrong(f"{session.tokens!a} of {entry.name} is not i64 [1, tokens]")
    known = {session.tokens, *(pair.input for pair in session.states)}
    if session.position is not None:
        known.add(session.position)
        position = _port(session.position, entry.name, entry.inputs)
        if position.dtype is not DType.I64 or position.type.elements not in (1, size):
            raise _wrong(f"{session.position!a} of {entry.name} is not i64, one or one a token")
    if len(known) != len(session.states) + 1 + (session.position is not None):
        raise _wrong("tokens, position and states share a name")
    for port in entry.inputs:
        if port.name not in known:
            raise _wrong(
                f"input {port.name!a} of {entry.name} is neither token, position nor state"
            )
    for pair in session.states:
        taken = _port(pair.input, entry.name, entry.inputs)
        given = _port(pair.output, entry.name, entry.outputs)
        if not taken.type == given.type == _port(pair.input, step.name, step.inputs).type:
            raise _wrong(f"state {pair.input!a} of {entry.name} changes its type")
    return size


def _port(name: str, entry: str, ports: Sequence[Port]) -> Port:
    for port in ports:
        if port.name == name:
            return port
    raise _wrong(f"entry {entry} has no {name!a}")


def _wrong(reason: str) -> MalformedPackage:
    return MalformedPackage(f"session: {reason}")

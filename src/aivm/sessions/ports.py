"""Which inputs and outputs of a model are tokens, position, logits and state: by name, or as told.

A state is an input and an output of one type. They find each other by these spellings:

    NAME and NAME_next     past_NAME and present_NAME     past_key_values.NAME and present.NAME
    NAME_in and NAME_out   NAME and NAMEN (state and stateN, h and hn)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aivm.compiler.interface import ModelInterface, TensorInterface
from aivm.errors import BadInput, UnsupportedModel
from aivm.numerics.dtypes import DType
from aivm.packages import StatePair

_TOKENS = ("tokens", "input_ids", "token", "input", "x")
_POSITIONS = ("position", "position_ids", "cache_position", "past_length")
_SPELLINGS = (
    (r"(.+)", r"\1_next"),
    (r"past_key_values(\..+)", r"present\1"),
    (r"past_key_values(\..+)", r"present_key_values\1"),
    (r"past([._].+)", r"present\1"),
    (r"(.+)_in", r"\1_out"),
    (r"(.+)", r"\1N"),
    (r"(.+)", r"\1n"),
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Names of a model's inputs and outputs by what they mean to a session."""

    tokens: str
    position: str | None
    logits: str
    states: tuple[StatePair, ...]


def find_ports(
    interface: ModelInterface,
    *,
    tokens: str | None = None,
    position: str | None = None,
    logits: str | None = None,
    states: Mapping[str, str] = MappingProxyType({}),
) -> Ports:
    """The ports of a model; what is given here is not guessed.

    `states` maps inputs to outputs. Raises UnsupportedModel, naming the input that has no meaning,
    and BadInput for a name that the model does not have.
    """
    inputs = {tensor.name: tensor for tensor in interface.inputs}
    outputs = {tensor.name: tensor for tensor in interface.outputs}
    _check_given(inputs, (tokens, position, *states))
    _check_given(outputs, (logits, *states.values()))
    pairs = tuple(_pairs(inputs, outputs, states, {tokens, position}))
    stateful = {pair.input for pair in pairs}
    rest = [name for name in inputs if name not in stateful]
    tokens = tokens or _named(rest, _TOKENS, inputs)
    if tokens is None:
        raise UnsupportedModel(
            f"none of the inputs {', '.join(inputs)} is known as the tokens",
            hint="Say which one takes them: --tokens NAME.",
        )
    position = position or _named([name for name in rest if name != tokens], _POSITIONS, inputs)
    for name in rest:
        if name not in (tokens, position):
            raise UnsupportedModel(
                f"input {name!r} is neither tokens, position nor state: no output belongs to it",
                hint="Say which output does (--state IN=OUT), or fix the input (--bind).",
            )
    if not pairs:
        raise UnsupportedModel(
            "the model has no state: no output belongs to any of its inputs",
            hint="Name the pairs (--state IN=OUT); a model without state runs with `aivm run`.",
        )
    given = {pair.output for pair in pairs}
    return Ports(tokens, position, logits or _logits(outputs, given), pairs)


def _check_given(known: Mapping[str, object], names: Collection[str | None]) -> None:
    for name in names:
        if name is not None and name not in known:
            raise BadInput(f"the model has no {name!r}", hint=f"It has: {', '.join(known)}.")


def _pairs(
    inputs: Mapping[str, TensorInterface],
    outputs: Mapping[str, TensorInterface],
    told: Mapping[str, str],
    excepted: Collection[str | None],
) -> Iterator[StatePair]:
    taken = set(told.values())
    for name in inputs:
        if name in told:
            yield StatePair(name, told[name])
        elif name not in excepted:
            for output in _partners(name):
                if output in outputs and output not in taken:
                    taken.add(output)
                    yield StatePair(name, output)
                    break


def _partners(name: str) -> Iterator[str]:
    for pattern, output in _SPELLINGS:
        found = re.fullmatch(pattern, name)
        if found is not None:
            yield found.expand(output)


def _named(
    names: Collection[str], known: Collection[str], inputs: Mapping[str, TensorInterface]
) -> str | None:
    """The input of a well-known name; it must be I64, which token ids and positions are here."""
    whole = [name for name in names if inputs[name].dtype is DType.I64]
    return next((name for name in known if name in whole), None)


def _logits(outputs: Collection[str], states: Collection[str]) -> str:
    others = [name for name in outputs if name not in states]
    if "logits" in others:
        return "logits"
    if len(others) != 1:
        raise UnsupportedModel(
            f"which output is the logits? The model gives {', '.join(outputs)}",
            hint="Say it: --logits NAME.",
        )
    return others[0]

"""The session of a manifest: what the schema refuses, and what does not fit its programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from aivm.compiler import CompiledModel
from aivm.errors import MalformedPackage
from aivm.isa.instructions import Map, Reduce, TensorType
from aivm.isa.opcodes import Function, Reduction
from aivm.isa.program import Program
from aivm.numerics.dtypes import DType
from aivm.packages import (
    Description,
    Interface,
    SessionEntry,
    StatePair,
    open_package,
    parse_manifest,
    write_package,
)
from aivm.packages.session import SAMPLER_INPUTS, TOKEN_TYPE

LOGITS = TensorType(DType.F32, (1, 1, 4))
SESSION = SessionEntry(
    step="step",
    blocks=("block",),
    sampler="sampler",
    tokens="tokens",
    position="position",
    logits="logits",
    states=(StatePair("h", "h_next"),),
    capacity=9,
    stop=(3,),
)


def run_program(size: int) -> CompiledModel:
    """Types are all that matters: the state is doubled, and is the logits of a step too."""
    types = (TensorType(DType.I64, (1, size)), TensorType(DType.I64, ()), LOGITS)
    double = Map(Function.ADD, (2, 2), LOGITS)
    outputs, names = ((3, 3), ("logits", "h_next")) if size == 1 else ((3,), ("h_next",))
    return CompiledModel(
        Program(types, (), (double,), outputs), (), ("tokens", "position", "h"), names
    )


def sampler() -> CompiledModel:
    types = (LOGITS, *(kind for _, kind in SAMPLER_INPUTS))
    greatest = Reduce(Reduction.ARG_MAX, (0,), TOKEN_TYPE, 1, 4, 1)
    names = ("logits", *(name for name, _ in SAMPLER_INPUTS))
    return CompiledModel(Program(types, (), (greatest,), (5,)), (), names, ("token",))


@pytest.fixture
def written(tmp_path: Path, publisher: Any) -> Path:
    state = (1, 1, 4)
    inputs = (
        Interface("tokens", DType.I64, (1, "S")),
        Interface("position", DType.I64, ()),
        Interface("h", DType.F32, state),
    )
    outputs = (Interface("logits", DType.F32, state), Interface("h_next", DType.F32, state))
    about = Description("demo/s", "1.0.0", "MIT", inputs, outputs, created=0, session=SESSION)
    entries = {"step": run_program(1), "block": run_program(5), "sampler": sampler()}
    write_package(tmp_path / "package", about, entries, publisher)
    return tmp_path / "package"


@pytest.fixture
def document(written: Path) -> dict[str, Any]:
    return json.loads((written / "manifest.json").read_bytes())


def test_round_trip(written: Path) -> None:
    package = open_package(written)
    assert package.manifest.session == SESSION
    assert parse_manifest(package.manifest.to_json()) == package.manifest


def test_what_is_none_is_left_out(document: dict[str, Any]) -> None:
    for described in (*document["entries"][:2], document):
        del described["inputs"][1]
    del document["session"]["position"], document["session"]["capacity"]
    session = parse_manifest(rfc8785.dumps(document)).session
    assert session is not None and session.position is None and session.capacity is None


def port(entry: int, kind: str, place: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["entries"][entry][kind][place].update(changes)


def session(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["session"].update(changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (session(step="other"), "no entry 'other'"),
        (session(sampler="block"), "block does not take logits, temperature"),
        (session(step="sampler"), "sampler has no 'logits'"),
        (session(blocks=["block", "block"]), "ascending order"),
        (session(blocks=["step"]), "ascending order"),
        (session(step="block"), "block has no 'logits'"),
        (session(stop=[4]), "stop token is not below 4"),
        (session(stop=[3, 3]), "non-unique"),
        (session(capacity=0), "minimum"),
        (session(states=[]), "non-empty|too short"),
        (session(tokens="position"), "not i64"),
        (session(tokens="h"), "not i64"),
        (session(position="tokens"), "share a name"),
        (session(position="x"), "no 'x'"),
        (session(states=[{"input": "h", "output": "x"}]), "no 'x'"),
        (session(states=[{"input": "h", "output": "h_next"}] * 2), "occurs twice"),
        (session(extra=1), "extra"),
        (port(0, "inputs", 0, shape=[1, 2]), "must take one token"),
        (port(0, "inputs", 0, dtype="i32"), r"not i64 \[1, tokens\]"),
        (port(1, "inputs", 0, shape=[2, 5]), r"not i64 \[1, tokens\]"),
        (port(1, "inputs", 0, shape=[]), r"not i64 \[1, tokens\]"),
        (port(1, "inputs", 1, shape=[2]), "one or one a token"),
        (port(1, "inputs", 2, shape=[1, 1, 5]), "changes its type"),
        (port(0, "outputs", 1, dtype="i32"), "changes its type"),
        (port(0, "outputs", 0, dtype="i32"), "no logits of dtype f32"),
        (port(2, "inputs", 1, dtype="f16"), "does not take logits, temperature"),
        (port(2, "inputs", 1, name="heat"), "does not take logits, temperature"),
        (port(2, "outputs", 0, shape=[1]), "does not give one token"),
        (lambda document: document["session"].pop("capacity"), "needs a capacity"),
        (lambda document: document["session"].pop("position"), "'position' of step is neither"),
        (lambda document: document["session"].pop("step"), "'step' is a required"),
    ],
)
def test_what_does_not_fit_is_refused(
    document: dict[str, Any], change: Callable[[dict[str, Any]], None], match: str
) -> None:
    change(document)
    with pytest.raises(MalformedPackage, match=match):
        parse_manifest(rfc8785.dumps(document))


def test_a_position_may_have_an_element_for_each_token(document: dict[str, Any]) -> None:
    port(1, "inputs", 1, shape=[1, 5])(document)
    assert parse_manifest(rfc8785.dumps(document)).session == SESSION

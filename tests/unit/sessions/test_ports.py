from __future__ import annotations

import pytest

from aivm.compiler import ModelInterface, TensorInterface
from aivm.errors import BadInput, UnsupportedModel
from aivm.numerics.dtypes import DType
from aivm.packages import StatePair
from aivm.sessions.ports import find_ports


def interface(inputs: str, outputs: str) -> ModelInterface:
    """Names; those with a leading # are I64."""

    def tensors(names: str) -> tuple[TensorInterface, ...]:
        return tuple(
            TensorInterface(name.lstrip("#"), DType.I64 if name[0] == "#" else DType.F32, (1,))
            for name in names.split()
        )

    return ModelInterface(tensors(inputs), tensors(outputs), 17, {})


@pytest.mark.parametrize(
    ("taken", "given"),
    [
        ("cache", "cache_next"),
        ("past_key.0", "present_key.0"),
        ("past.3", "present.3"),
        ("past_key_values.0.key", "present.0.key"),
        ("past_key_values.0.key", "present_key_values.0.key"),
        ("h_in", "h_out"),
        ("state", "stateN"),
        ("h", "hn"),
    ],
)
def test_states_find_each_other(taken: str, given: str) -> None:
    ports = find_ports(interface(f"#input_ids {taken}", f"{given} logits"))
    assert ports.states == (StatePair(taken, given),)
    assert (ports.tokens, ports.position, ports.logits) == ("input_ids", None, "logits")


def test_what_is_told_is_not_guessed() -> None:
    model = interface("#a #b x x_next", "p q x_next")
    ports = find_ports(
        model, tokens="b", position="a", logits="q", states={"x": "p", "x_next": "x_next"}
    )
    assert ports.tokens == "b" and ports.position == "a" and ports.logits == "q"
    assert ports.states == (StatePair("x", "p"), StatePair("x_next", "x_next"))


def test_one_output_belongs_to_one_state() -> None:
    with pytest.raises(UnsupportedModel, match="'past_x' is neither"):
        find_ports(interface("#tokens x past_x", "x_next present_x y"), states={"x": "present_x"})


def test_a_position_is_found_and_the_only_output_left_is_the_logits() -> None:
    ports = find_ports(interface("#position #tokens s", "s_next y"))
    assert (ports.tokens, ports.position, ports.logits) == ("tokens", "position", "y")


@pytest.mark.parametrize(
    ("inputs", "outputs", "match"),
    [
        ("tokens s", "s_next logits", "known as the tokens"),
        ("#tokens s mask", "s_next logits", "'mask' is neither tokens, position nor state"),
        ("#tokens", "logits", "no state"),
        ("#tokens s", "s_next a b", "which output is the logits"),
        ("#tokens s", "s_next", "which output is the logits"),
    ],
)
def test_a_model_that_is_not_understood_is_refused(inputs: str, outputs: str, match: str) -> None:
    with pytest.raises(UnsupportedModel, match=match) as caught:
        find_ports(interface(inputs, outputs))
    assert caught.value.hint


@pytest.mark.parametrize("told", [{"tokens": "t"}, {"logits": "l"}, {"states": {"s": "z"}}])
def test_a_name_that_does_not_exist_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="the model has no"):
        find_ports(interface("#tokens s", "s_next logits"), **told)  # type: ignore[arg-type]

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aivm.errors import AivmError, BadInput, TooLarge, WrongTensor
from aivm.sessions import Request, request_from_tensors
from aivm.sessions.request import TENSOR_NAMES


def request(**changes: Any) -> Request:
    return Request(**{"prompt": (1, 2, 3), "max_tokens": 5, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": ()},
        {"prompt": (1.5,)},
        {"prompt": ("1",)},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"max_tokens": 2**31},
        {"max_tokens": "9"},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 1e39},
        {"temperature": "hot"},
        {"temperature": None},
        {"top_k": -1},
        {"top_k": 2**63},
        {"top_k": 1.0},
        {"top_p": 0},
        {"top_p": 1.0001},
        {"top_p": -1},
        {"top_p": float("nan")},
        {"top_p": 1e-60},
        {"seed": -1},
        {"seed": 2**64},
        {"stop": (0.5,)},
        {"stop": tuple(range(65))},
    ],
)
def test_hostile_parameters_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(changes))):
        request(**changes)


def test_floats_are_those_of_the_tensors() -> None:
    assert request(temperature=0.7).temperature == float(np.float32(0.7))


def test_a_token_must_be_known() -> None:
    for changes in ({"prompt": (1, 10)}, {"prompt": (-1,)}, {"stop": (10,)}):
        with pytest.raises(BadInput, match="the model knows 0 to 9"):
            request(**changes).check_fits(10, None)


def test_the_last_token_needs_no_room() -> None:
    request(max_tokens=6).check_fits(10, 8)
    with pytest.raises(TooLarge, match="room for 6"):
        request(max_tokens=7).check_fits(10, 8)
    with pytest.raises(TooLarge, match="the prompt has 3 tokens, the model takes 2"):
        request(max_tokens=1).check_fits(10, 2)
    request(max_tokens=10_000).check_fits(10, None)


def test_tensors_and_back() -> None:
    full = request(temperature=0.8, top_k=7, top_p=0.9, seed=2**64 - 1, stop=(4, 5))
    tensors = full.tensors()
    assert tuple(tensors) == TENSOR_NAMES
    assert request_from_tensors(dict(reversed(tensors.items()))) == full
    assert request_from_tensors(request().tensors()).root == request().root != full.root


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": np.array([[1]], np.int64)},
        {"prompt": np.array([1], np.int32)},
        {"prompt": np.array([], np.int64)},
        {"temperature": np.array(0.5, np.float64)},
        {"temperature": np.array(np.nan, np.float32)},
        {"seed": np.array([1], np.uint64)},
        {"more": np.array(1)},
    ],
)
def test_other_tensors_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AivmError) as caught:
        request_from_tensors({**request().tensors(), **change})
    assert isinstance(caught.value, WrongTensor | BadInput)


def test_the_root_is_of_every_field() -> None:
    roots = {request(**change).root for change in (
        {}, {"prompt": (1, 2)}, {"max_tokens": 6}, {"temperature": 1}, {"top_k": 1},
        {"top_p": 0.5}, {"seed": 1}, {"stop": (0,)},
    )}  # fmt: skip
    assert len(roots) == 8

"""What is asked of a generation: a prompt and parameters, checked, and as the tensors of a job.

The input root of a generation is the bundle root of these tensors, in this order:

    prompt i64 [n]     max_tokens i64 []     temperature f32 []     top_k i64 []
    top_p f32 []       seed u64 []           stop i64 [m]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np

from aivm.commitments import Array, bundle_root, carried, numpy_dtype, tensor_root
from aivm.errors import BadInput, TooLarge, WrongTensor
from aivm.numerics.dtypes import DType

MAX_TOKENS = 2**31 - 1
MAX_STOP = 64

_SCALARS = {
    "max_tokens": DType.I64,
    "temperature": DType.F32,
    "top_k": DType.I64,
    "top_p": DType.F32,
    "seed": DType.U64,
}
TENSOR_NAMES = ("prompt", *_SCALARS, "stop")


@dataclass(frozen=True, slots=True)
class Request:
    """Raises BadInput for a parameter outside its range; floats are rounded to f32.

    `temperature` 0 takes the likeliest token always; `top_k` 0 and `top_p` 1 are off. A generation
    ends after `max_tokens` or behind a token of `stop`, which then is its last one.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("prompt", "stop"):
            tokens = tuple(_integer(name, token) for token in getattr(self, name))
            object.__setattr__(self, name, tokens)
        for name in ("temperature", "top_p"):
            object.__setattr__(self, name, _float(name, getattr(self, name)))
        for name, least, most in (
            ("max_tokens", 1, MAX_TOKENS),
            ("top_k", 0, 2**63 - 1),
            ("seed", 0, 2**64 - 1),
        ):
            value = _integer(name, getattr(self, name))
            if not least <= value <= most:
                raise BadInput(f"{name} is {value}, it must be from {least} to {most}")
            object.__setattr__(self, name, value)
        if not 0 <= self.temperature < np.inf:
            raise BadInput(f"temperature is {self.temperature}, it must be 0 or more, and finite")
        if not 0 < self.top_p <= 1:
            raise BadInput(f"top_p is {self.top_p}, it must be over 0 and at most 1")
        if not self.prompt:
            raise BadInput("the prompt is empty", hint="Give at least one token to go on from.")
        if len(self.stop) > MAX_STOP:
            raise BadInput(f"{len(self.stop)} stop tokens are over {MAX_STOP}")

    def check_fits(self, vocabulary: int, capacity: int | None) -> None:
        """Raises BadInput for a token that the model does not know, TooLarge for too many."""
        for name, tokens in (("prompt", self.prompt), ("stop", self.stop)):
            for token in tokens:
                if not 0 <= token < vocabulary:
                    raise BadInput(
                        f"{name} has token {token}; the model knows 0 to {vocabulary - 1}"
                    )
        if capacity is None:
            return
        room = capacity - len(self.prompt) + 1  # the last token is never taken in again
        if room < 1:
            raise TooLarge(f"the prompt has {len(self.prompt)} tokens, the model takes {capacity}")
        if self.max_tokens > room:
            raise TooLarge(
                f"max_tokens is {self.max_tokens}; after a prompt of {len(self.prompt)} tokens the "
                f"model has room for {room}",
                hint=f"Ask for at most {room} tokens, or shorten the prompt.",
            )

    def tensors(self) -> dict[str, Array]:
        """The tensors that the input root commits to, by name and in order."""
        scalars = {
            name: np.array(getattr(self, name), numpy_dtype(dtype))
            for name, dtype in _SCALARS.items()
        }
        lists = {name: np.array(getattr(self, name), np.int64) for name in ("prompt", "stop")}
        return {name: (scalars | lists)[name] for name in TENSOR_NAMES}

    @property
    def root(self) -> bytes:
        """The bundle root of the tensors (32 bytes)."""
        return bundle_root(map(tensor_root, self.tensors().values()))


def request_from_tensors(tensors: Mapping[str, Array]) -> Request:
    """The reverse of `Request.tensors`. Raises WrongTensor, and BadInput as Request does."""
    if set(tensors) != set(TENSOR_NAMES):
        raise WrongTensor(
            f"a generation has not exactly the tensors {', '.join(TENSOR_NAMES)}",
            hint="They are what `aivm generate --inputs FILE.npz` writes.",
        )
    values: dict[str, Any] = {}
    for name in TENSOR_NAMES:
        dtype = _SCALARS.get(name, DType.I64)
        array = carried(np.asarray(tensors[name]), dtype, name)
        if array.ndim != (0 if name in _SCALARS else 1):
            raise WrongTensor(f"{name} has shape {array.shape}")
        values[name] = array.tolist()
    return Request(**values)


def _integer(name: str, value: SupportsIndex) -> int:
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        raise BadInput(f"{name}: {value!r} is not an integer") from None


def _float(name: str, value: Any) -> float:
    try:
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    except (TypeError, ValueError):
        raise BadInput(f"{name}: {value!r} is not a number") from None


def as_tokens(values: Sequence[int]) -> Array:
    """Generated tokens as the one output tensor of a generation: i64 [m]."""
    return np.array(values, np.int64)

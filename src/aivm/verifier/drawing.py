"""Inputs for canaries: such as a client of the model might send.

What fits a model best is what its clients really send: samples that the operator has put aside are
used before anything is invented. Without any, texts are sentences, numbers that choose a row of a
table lie within it, masks are ones, and other floats are smooth, as signals and pictures are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np

from aivm.commitments import Array, numpy_dtype
from aivm.errors import AivmError, BadInput, UnsupportedModel
from aivm.isa.instructions import Cast, Concat, Gather, Move, Scatter
from aivm.isa.program import Program
from aivm.market.text import encode_text
from aivm.numerics.dtypes import DType
from aivm.packages import Package, PackageProgram
from aivm.packages.arrays import read_arrays
from aivm.receipts import StageRole

MAX_SAMPLE_BYTES = 64 * 2**20
_WAVES = 6

_WHO = (
    "The engineer", "My neighbour", "A customer", "The committee", "Our teacher", "The driver",
    "Nobody", "The company", "Her brother", "The museum", "A farmer", "The patient",
)  # fmt: skip
_DOES = (
    "sold", "was looking for", "has returned", "could not repair", "described", "ordered",
    "forgot", "recommends", "compared", "is waiting for", "painted", "lost",
)  # fmt: skip
_WHAT = (
    "an old bicycle", "the second edition", "three letters", "a cheaper insurance", "the contract",
    "a table by the window", "the missing part", "a map of the city", "two tickets",
    "the green coat", "a report on the harvest", "the wrong medicine",
)  # fmt: skip
_WHEN = (
    "", "last week", "in the morning", "without saying why", "for the third time", "at the station",
    "after the storm", "on the way home", "because of the price", "before the meeting",
)  # fmt: skip


def draw_inputs(
    package: Package, found: Sequence[PackageProgram], random: Random, samples: Path | None
) -> dict[str, Array]:
    """Inputs of one of the package's listed programs, `found`.

    `samples` is a folder of the operator's: `.npz` files with inputs, and `.txt` files of texts, a
    line each, for models with a tokeniser. Raises BadInput for samples that cannot be read.
    """
    drawn = None if samples is None else _sample(package, samples, random)
    if drawn is not None:
        return drawn
    if package.module(StageRole.TOKENIZER) is not None:
        return encode_text(package, sentences(random))
    program = random.choice(list(found))
    return {
        name: draw_tensor(program.program, position, name, random)
        for position, name in enumerate(program.input_names)
    }


def sentences(random: Random) -> str:
    """One to three plain sentences."""
    made = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        parts = [random.choice(words) for words in (_WHO, _DOES, _WHAT, _WHEN)]
        made.append(" ".join(filter(None, parts)) + random.choice((".", ".", ".", "?", "")))
    return " ".join(made)


def draw_tensor(program: Program, position: int, name: str, random: Random) -> Array:
    """A value for input `position` of a program, which is called `name`."""
    kind = program.inputs[position]
    rng = np.random.default_rng(random.getrandbits(64))
    if kind.dtype in (DType.F32, DType.F16, DType.BF16):
        return _as_floats(_smooth(rng, kind.shape), kind.dtype)
    rows = table_rows(program, position)
    if rows is None and (kind.dtype is DType.BOOL or "mask" in name):
        return np.ones(kind.shape, numpy_dtype(kind.dtype))
    high = rows if rows is not None else 256 if kind.dtype is DType.U8 else 100
    return rng.integers(0, high, kind.shape).astype(numpy_dtype(kind.dtype))


def table_rows(program: Program, position: int) -> int | None:
    """The length of the shortest axis that an input's elements choose a place on; None if none.

    Followed through instructions that move elements without changing them.
    """
    carried, sizes = {position}, []
    for number, instruction in enumerate(program.instructions, start=program.first_instruction):
        operands = instruction.operands
        if isinstance(instruction, Gather | Scatter) and operands[1] in carried:
            sizes.append(instruction.size)
        if isinstance(instruction, Move | Cast | Concat) and carried.intersection(operands):
            carried.add(number)
    return min(sizes, default=None)


def _sample(package: Package, folder: Path, random: Random) -> dict[str, Array] | None:
    """One of the operator's samples for this model: `folder/owner/name/`, or nothing there."""
    place = folder / package.manifest.name
    files = sorted(path for path in place.glob("*") if path.suffix in (".npz", ".txt"))
    if not files:
        return None
    path = random.choice(files)
    if path.suffix == ".npz":
        arrays = read_arrays(path, max_bytes=MAX_SAMPLE_BYTES)
        if not isinstance(arrays, dict):
            raise BadInput(f"{path} holds one array without a name")
        return arrays
    texts = [line for line in path.read_text().splitlines() if line.strip()]
    if not texts:
        raise BadInput(f"{path} holds no text")
    try:
        return encode_text(package, random.choice(texts))
    except UnsupportedModel as error:
        raise BadInput(f"{path}: {error.message}") from None
    except AivmError as error:
        raise BadInput(f"a text of {path} does not fit: {error.message}") from None


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A few waves along each axis, and a little noise; of unit size."""
    total: Array = np.zeros(shape)
    for axis, size in enumerate(shape):
        places = np.arange(size) / max(1, size)
        wave = sum(
            rng.normal() * np.cos(2 * np.pi * (k * places + rng.random())) for k in range(_WAVES)
        )
        total = total + np.reshape(wave, [-1 if each == axis else 1 for each in range(len(shape))])
    total = total + 0.05 * rng.normal(size=shape)
    scale = float(np.std(total)) if total.size else 0.0
    return total / scale if scale > 0 else total


def _as_floats(values: Array, dtype: DType) -> Array:
    single = values.astype(np.float32)
    if dtype is DType.F32:
        return single
    if dtype is DType.F16:
        return single.astype(np.float16)
    return (single.view(np.uint32) >> np.uint32(16)).astype(np.uint16)

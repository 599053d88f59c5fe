from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aivm.commitments import merkle
from aivm.errors import UnsupportedModel
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.packages import Package
from aivm.sessions import Generator, generator_of


def test_what_the_package_says(generator: Generator, llama: Package) -> None:
    assert [run.size for run in (generator.step, *generator.blocks)] == [1, 4, 16, 64]
    assert (generator.vocabulary, generator.capacity, generator.stop) == (512, 256, (0,))
    assert generator.state_types == (TensorType(DType.F32, (1, 2, 256, 16)),) * 8
    assert generator.step.logits == 0 and generator.blocks[0].logits is None
    roots = {entry.program for entry in llama.manifest.entries}
    assert {entry.program for entry in generator.entries} == roots


@pytest.mark.parametrize(
    ("prompt", "sizes"),
    [
        (1, [1]),
        (4, [1] * 4),
        (5, [4, 1]),
        (17, [16, 1]),
        (64, [16, 16, 16, 4, 4, 4, 1, 1, 1, 1]),
        (65, [64, 1]),
        (150, [64, 64, 16, 4, 1, 1]),
    ],
)
def test_a_prompt_goes_in_by_the_largest_blocks_and_ends_with_a_step(
    generator: Generator, prompt: int, sizes: list[int]
) -> None:
    assert [run.size for run in generator.runs_of(prompt)] == sizes


def test_the_root_by_hand(generator: Generator) -> None:
    """The format of docs/reference/formats.md."""
    wiring = np.array([0, 1, 0], ">u2").tobytes()
    wiring += np.array([[n + 2, n + 1] for n in range(8)], ">u2").tobytes()
    quiet = np.array([0, 1, 0xFFFF], ">u2").tobytes()
    quiet += np.array([[n + 2, n] for n in range(8)], ">u2").tobytes()
    leaves = [b"aivm.generation.v1" + (256).to_bytes(8, "big")]
    for run, ports in zip(
        (generator.step, *generator.blocks), (wiring, quiet, quiet, quiet), strict=True
    ):
        leaves.append(b"\x01" + run.size.to_bytes(4, "big") + run.entry.program + ports)
    leaves.append(b"\x02" + generator.sampler.program)
    assert generator.root == merkle.root_of_leaves(leaves)


def test_the_root_is_of_everything_that_matters(generator: Generator) -> None:
    step, sampler = generator.step, generator.sampler
    others = [
        replace(generator, capacity=255),
        replace(generator, capacity=None),
        replace(generator, blocks=generator.blocks[:-1]),
        replace(generator, sampler=replace(sampler, program=bytes(32))),
        replace(generator, step=replace(step, entry=sampler)),
        replace(generator, step=replace(step, position=None)),
        replace(generator, step=replace(step, states=step.states[::-1])),
    ]
    assert len({generator.root, *(other.root for other in others)}) == len(others) + 1


def test_a_package_without_a_session_generates_nothing(llama: Package) -> None:
    with pytest.raises(UnsupportedModel, match="has no session"):
        generator_of(replace(llama.manifest, session=None))

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aivm.client.local import LocalModel, load
from aivm.client.transcripts import record, replay
from aivm.commitments import Array, tensor_root
from aivm.errors import MalformedReceipt

DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return load(DIGITS / "digits.onnx")


@pytest.fixture(scope="module")
def images() -> Array:
    with np.load(DIGITS / "digits_samples.npz") as samples:
        found: Array = samples["images"]
        return found


def test_engines_give_the_same_transcript(model: LocalModel, images: Array) -> None:
    inputs = {"images": images[:1]}
    made = record(model, inputs)
    for engine in ("native", "reference"):
        with load(DIGITS / "digits.onnx", engine=engine) as other:
            assert record(other, inputs).to_json() == made.to_json()
    receipt = model.run_with_receipt(inputs)[1]
    assert (made.program, made.input_root, made.output_root) == (
        receipt.program,
        receipt.inputs,
        receipt.outputs,
    )
    assert replay(model, inputs, made) is None


def test_a_replay_names_the_instruction_and_the_element(model: LocalModel, images: Array) -> None:
    inputs = {"images": images[:1]}
    kept: dict[str, Array] = {}
    made = record(model, inputs, lambda value, array: kept.update({str(value): array.copy()}))
    value = len(made.inputs) + len(made.constants) + 2
    lie = kept[str(value)]
    lie.reshape(-1)[7] += np.float32(1)
    results = list(made.results)
    results[2] = tensor_root(lie)
    found = replay(model, inputs, replace(made, results=tuple(results)), kept)
    assert found is not None
    assert (found.value, found.element) == (value, 7)
    assert found.place.startswith("instruction 2 (")
    assert found.found != found.expected
    found = replay(model, inputs, replace(made, results=tuple(results)))
    assert found is not None
    assert found.as_json() == {"value": value, "place": found.place}


def test_a_wrong_constant_is_named(model: LocalModel, images: Array) -> None:
    inputs = {"images": images[:1]}
    made = record(model, inputs)
    constants = (made.constants[0], bytes(32), *made.constants[2:])
    found = replay(model, inputs, replace(made, constants=constants))
    assert found is not None
    assert found.place == "constant 1"


def test_a_transcript_of_another_program_is_refused(model: LocalModel, images: Array) -> None:
    made = record(model, {"images": images[:1]})
    with pytest.raises(MalformedReceipt, match="the transcript is of program"):
        replay(model, {"images": images[:2]}, made)
    short = replace(made, results=made.results[:-1], outputs=())
    with pytest.raises(MalformedReceipt, match="values of its own program"):
        replay(model, {"images": images[:1]}, short)


def test_runs_and_transcripts_take_turns(model: LocalModel, images: Array) -> None:
    with model.tracing({"images": images[:1]}) as (_, values):
        next(values)
    assert model.run({"images": images[:1]})["probabilities"].shape == (1, 10)

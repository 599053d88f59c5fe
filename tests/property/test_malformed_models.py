"""Models with any field changed: a program or an AivmError. See fuzz/malformed.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto

from aivm.compiler import compile_model
from aivm.errors import AivmError, InternalError, MalformedModel, UnsupportedModel
from aivm.isa import decode, encode
from aivm.testing.onnx_mutants import mutant, nested
from aivm.testing.small_models import small_models

MODELS = small_models()


@given(
    name=st.sampled_from(sorted(MODELS)),
    seed=st.integers(0, 2**32 - 1),
    changes=st.sampled_from((1, 1, 2, 4)),
)
@settings(max_examples=150, deadline=None)
def test_nothing_but_a_program_or_a_refusal(name: str, seed: int, changes: int) -> None:
    try:
        compiled = compile_model(mutant(MODELS[name], seed, changes), {})
    except AivmError as error:
        assert not isinstance(error, InternalError)
        assert error.message
    else:
        assert decode(encode(compiled.program)) == compiled.program


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("depth", [1, 25, 30, 40, 3000])
def test_deep_nesting_is_refused(name: str, depth: int) -> None:
    with pytest.raises((MalformedModel, UnsupportedModel)):
        compile_model(nested(MODELS[name], depth), {})


def dense() -> ModelProto:
    model = ModelProto()
    model.CopyFrom(MODELS["dense"])
    return model


def test_a_cycle_is_refused() -> None:
    model = dense()
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]
    with pytest.raises(MalformedModel):
        compile_model(model, {})


def test_a_name_given_twice_is_refused() -> None:
    model = dense()
    model.graph.node[1].output[0] = model.graph.node[0].output[0]
    with pytest.raises(MalformedModel):
        compile_model(model, {})


def test_an_input_from_nowhere_is_refused() -> None:
    model = dense()
    model.graph.node[0].input[1] = "nowhere"
    with pytest.raises(MalformedModel):
        compile_model(model, {})


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "weights.bin", ""])
def test_data_in_another_file_is_refused(path: str) -> None:
    model = dense()
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", path
    with pytest.raises((MalformedModel, UnsupportedModel), match="file"):
        compile_model(model, {})


def test_a_reference_outside_of_a_function_is_refused() -> None:
    model = dense()
    attribute = model.graph.node[-1].attribute.add()
    attribute.name, attribute.ref_attr_name = "axis", "x"
    attribute.type = AttributeProto.INT
    with pytest.raises(MalformedModel, match="outside of one"):
        compile_model(model, {})


@pytest.mark.parametrize("dims", [[8, -3], [2**40, 2**40], [2**62, 4], [8, 2], [0, 3], []])
def test_data_of_another_length_is_refused(dims: list[int]) -> None:
    model = dense()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(MalformedModel):
        compile_model(model, {})


@pytest.mark.parametrize("opset", [0, -1, 1000, 2**63 - 1])
def test_an_opset_that_does_not_exist_is_refused(opset: int) -> None:
    model = dense()
    model.opset_import[0].version = opset
    with pytest.raises(UnsupportedModel, match="opset"):
        compile_model(model, {})

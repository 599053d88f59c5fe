import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.isa import Function, Map, Reduce, Reduction

F32 = np.float32


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_flattens_before_version_13(agree, rng, operator, opset, axis):
    x = rng.normal(size=(3, 4, 5)).astype(F32) * 9
    agree(operator, {"x": x}, opset=opset, axis=axis)


def test_softmax_of_huge_numbers(agree):
    agree("Softmax", {"x": np.array([[3e38, -3e38, 3e38], [-1e30, -1e30, 0]], F32)})


@pytest.mark.parametrize("opset", [11, 13])
def test_hardmax(agree, rng, opset):
    agree("Hardmax", {"x": rng.integers(0, 3, (3, 4, 5)).astype(F32)}, opset=opset, axis=1)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_layer_normalisation(agree, rng, axis):
    x = rng.normal(size=(2, 3, 4, 5)).astype(F32)
    shape = x.shape[axis:]
    scale = {"g": rng.normal(size=shape).astype(F32), "b": rng.normal(size=shape).astype(F32)}
    agree("LayerNormalization", {"x": x}, constants=scale, axis=axis, epsilon=1e-3)


def test_layer_normalisation_gives_mean_and_inverse_deviation(agree, rng):
    x, scale = rng.normal(size=(2, 3, 8)).astype(F32), {"g": np.ones(8, F32)}
    agree("LayerNormalization", {"x": x}, constants=scale, outputs=["y", "mean", "inverse"])


def test_instance_normalisation(agree, rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype(F32)
    constants = {"g": rng.normal(size=3).astype(F32), "b": rng.normal(size=3).astype(F32)}
    agree("InstanceNormalization", {"x": x}, constants=constants)


def test_group_normalisation(agree, rng):
    x = rng.normal(size=(2, 6, 4)).astype(F32)
    constants = {"g": rng.normal(size=6).astype(F32), "b": rng.normal(size=6).astype(F32)}
    agree("GroupNormalization", {"x": x}, constants=constants, opset=21, num_groups=3)


@pytest.mark.parametrize("opset", [9, 14, 15])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_batch_normalisation(agree, rng, opset, shape):
    statistics = {name: rng.uniform(0.5, 2, 3).astype(F32) for name in "sbmv"}
    x = rng.normal(size=shape).astype(F32)
    agree("BatchNormalization", {"x": x}, constants=statistics, opset=opset, epsilon=1e-3)


def test_batch_normalisation_with_constant_statistics_is_one_instruction(make_model, rng):
    constants = {name: rng.uniform(0.5, 2, 3).astype(F32) for name in "sbmv"}
    node = helper.make_node("BatchNormalization", ["x", *"sbmv"], ["y"])
    x = np.zeros((2, 3, 4), F32)
    model = make_model([node], {"x": x}, {"y": TensorProto.FLOAT}, constants=constants)
    (only,) = compile_model(model, {}).program.instructions
    assert isinstance(only, Map)
    assert only.function is Function.FMA


def test_local_response_normalisation(agree, rng):
    x = rng.normal(size=(2, 7, 3, 3)).astype(F32)
    agree("LRN", {"x": x}, size=5, alpha=0.1, beta=0.5, bias=2.0)


@pytest.mark.parametrize("p", [1, 2])
def test_power_normalisation(agree, rng, p):
    x = rng.normal(size=(3, 4)).astype(F32)
    x[1] = 0
    agree("LpNormalization", {"x": x}, p=p, axis=1)


def test_layer_normalisation_is_the_pattern_that_engines_know(make_model):
    x = np.zeros((2, 8), F32)
    node = helper.make_node("LayerNormalization", ["x", "g", "b"], ["y"])
    constants = {"g": np.arange(8, dtype=F32), "b": np.arange(8, dtype=F32) + 1}
    model = make_model([node], {"x": x}, {"y": TensorProto.FLOAT}, constants=constants)
    found = [step.function for step in compile_model(model, {}).program.instructions]
    assert found == [
        Reduction.SUM, Function.DIV, Function.SUB, Function.MUL, Reduction.SUM, Function.DIV,
        Function.ADD, Function.SQRT, Function.DIV, Function.MUL, Function.ADD,
    ]  # fmt: skip


def test_softmax_is_the_pattern_that_engines_know(make_model):
    x = np.zeros((2, 3, 8), F32)
    node = helper.make_node("Softmax", ["x"], ["y"], axis=-1)
    model = make_model([node], {"x": x}, {"y": TensorProto.FLOAT})
    steps = compile_model(model, {}).program.instructions
    assert [step.function for step in steps] == [
        Reduction.MAX, Function.SUB, Function.EXP, Reduction.SUM, Function.DIV
    ]  # fmt: skip
    assert isinstance(steps[0], Reduce)
    assert (steps[0].outer, steps[0].length, steps[0].inner) == (6, 8, 1)

import numpy as np
import pytest

F32 = np.float32
UNARY = [
    "Abs", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp", "Floor", "HardSigmoid",
    "HardSwish", "LeakyRelu", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
    "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Tanh", "ThresholdedRelu",
]  # fmt: skip


@pytest.mark.parametrize("operator", UNARY)
def test_functions_of_one_operand(agree, rng, operator):
    agree(operator, {"x": rng.normal(size=(3, 50)).astype(F32)})


@pytest.mark.parametrize("operator", ["Log", "Sqrt"])
def test_functions_of_a_positive_operand(agree, rng, operator):
    agree(operator, {"x": rng.uniform(1e-3, 50, (3, 50)).astype(F32)})


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(4,), (3, 1), (1,), (), (2, 3, 4)])
def test_operands_broadcast(agree, rng, operator, shape):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree(operator, {"x": x, "z": (rng.normal(size=shape) + 4).astype(F32)})


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_division_truncates(agree, dtype):
    x = np.array([7, -7, 7, -7, 0], dtype)
    agree("Div", {"x": x, "z": np.array([2, 2, -2, -2, 5], dtype)})


@pytest.mark.parametrize("fmod", [0, 1])
def test_remainders_take_the_sign_of_divisor_or_dividend(agree, fmod):
    x, z = np.array([7, -7, 7, -7], np.int64), np.array([3, 3, -3, -3], np.int64)
    agree("Mod", {"x": x, "z": z}, fmod=fmod)


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_operands(agree, rng, operator, count):
    shapes = [(3, 4), (4,), (3, 1), (1,), (2, 3, 4)]
    agree(operator, {f"x{i}": rng.normal(size=shapes[i]).astype(F32) for i in range(count)})


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0, 0.5, -1.5])
def test_constant_powers(agree, rng, exponent):
    x = rng.uniform(0.1, 9, (40,)).astype(F32)
    agree("Pow", {"x": x}, constants={"e": np.array(exponent, F32)})


def test_a_power_with_an_exponent_of_another_type_keeps_the_base_type(agree, rng):
    x = rng.uniform(0.1, 9, (5,)).astype(F32)
    agree("Pow", {"x": x, "e": np.array([1, 2, 3, 4, -2], np.int64)})


def test_a_wide_exponent_of_one_broadcasts_the_base(agree, rng):
    x = rng.uniform(0.1, 9, (1,)).astype(F32)
    agree("Pow", {"x": x}, constants={"e": np.full((1, 1), 2, F32)})


@pytest.mark.parametrize("bounds", [{}, {"min": -0.5}, {"max": 0.5}, {"min": -0.5, "max": 0.5}])
def test_clip_before_version_11_has_attributes(agree, rng, bounds):
    agree("Clip", {"x": rng.normal(size=(40,)).astype(F32)}, opset=10, **bounds)


@pytest.mark.parametrize("inputs", [["x"], ["x", "lo"], ["x", "", "hi"], ["x", "lo", "hi"]])
def test_clip_since_version_11_has_operands(agree, rng, inputs):
    bounds = {"lo": np.array(-0.5, F32), "hi": np.array(0.5, F32)}
    used = {name: bounds[name] for name in inputs if name in bounds}
    agree("Clip", {"x": rng.normal(size=(40,)).astype(F32)}, constants=used, inputs=inputs)


def test_gelu_is_expanded_by_its_function_body(agree, rng):
    agree("Gelu", {"x": rng.normal(size=(40,)).astype(F32)}, opset=20, approximate="tanh")


def test_nan_passes_through_relu(run, make_model):
    from onnx import TensorProto, helper

    x = np.array([np.nan, -1, -0.0, 2], F32)
    node = helper.make_node("Relu", ["x"], ["y"])
    (found,) = run(make_model([node], {"x": x}, {"y": TensorProto.FLOAT}), {"x": x})
    assert found.view(np.uint32).tolist() == [0x7FC00000, 0, 0, 0x40000000]

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

F32 = np.float32


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"value_int": 3}, np.array(3)),
        ({"value_ints": [3, 4]}, np.array([3, 4])),
        ({"value_float": 0.5}, np.array(0.5, F32)),
        ({"value_floats": [0.5, 1.5]}, np.array([0.5, 1.5], F32)),
        ({"value": numpy_helper.from_array(np.eye(2, dtype=F32))}, np.eye(2, dtype=F32)),
    ],
)
def test_every_form_of_constant(run, make_model, attribute, expected):
    kind = helper.np_dtype_to_tensor_dtype(expected.dtype)
    model = make_model([helper.make_node("Constant", [], ["y"], **attribute)], {}, {"y": kind})
    (found,) = run(model, {})
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("start", "limit", "delta"),
    [(0, 5, 1), (3, -4, -2), (5, 5, 1), (5, 0, 1), (0.1, 1.0, 0.3), (1.0, -1.0, -0.25)],
)
def test_range(run, make_model, start, limit, delta):
    dtype = np.int64 if isinstance(start, int) else F32
    constants = {
        name: np.array(v, dtype) for name, v in zip("sld", (start, limit, delta), strict=True)
    }
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    node = helper.make_node("Range", list("sld"), ["y"])
    (found,) = run(make_model([node], {}, {"y": kind}, constants=constants), {})
    expected = np.arange(start, limit, delta, dtype=dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("value", [None, np.array([7], np.int64), np.array([2.5], F32)])
def test_constant_of_shape(agree, value):
    attributes = {} if value is None else {"value": numpy_helper.from_array(value)}
    agree("ConstantOfShape", {}, constants={"s": np.array([2, 3], np.int64)}, **attributes)


@pytest.mark.parametrize("bounds", [{}, {"start": 1}, {"end": -1}, {"start": -2, "end": 3}])
def test_shape(agree, bounds):
    agree("Shape", {"x": np.zeros((2, 3, 4), F32)}, **bounds)


def test_size(agree):
    agree("Size", {"x": np.zeros((2, 3, 4), F32)})


CASTS = [np.float32, np.int64, np.int32, np.uint8, np.int8, np.bool_]


@pytest.mark.parametrize("source", CASTS)
@pytest.mark.parametrize("target", CASTS)
def test_casts(agree, source, target):
    x = np.array([0, 1, 2, 3, 100], source)
    agree("Cast", {"x": x}, to=helper.np_dtype_to_tensor_dtype(np.dtype(target)))


def test_half_precision_is_storage(run, make_model):
    """Computed in F32 and rounded once, as the definition of F16 arithmetic says."""
    x = np.array([1, 2**-11, 65504, 3], np.float16)
    half = TensorProto.FLOAT16
    model = make_model([helper.make_node("Add", ["x", "x"], ["y"])], {"x": x}, {"y": half})
    (found,) = run(model, {"x": x.view(np.uint16)})
    with np.errstate(over="ignore"):
        assert found.view(np.float16).tolist() == (x + x).tolist()


def test_one_hot(agree):
    constants = {"d": np.array(4, np.int64), "v": np.array([-1, 2], F32)}
    for axis in (-1, 0, 1):
        x = np.array([[0, 3], [-1, 9]], np.int64)
        agree("OneHot", {"x": x}, constants=constants, axis=axis)


def test_eye_like(agree):
    agree("EyeLike", {"x": np.zeros((3, 4), F32)}, k=1)


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [-2, 0, 1, 9])
def test_triangles(agree, rng, upper, diagonal):
    x = rng.normal(size=(2, 3, 4)).astype(F32)
    agree("Trilu", {"x": x}, constants={"k": np.array(diagonal, np.int64)}, upper=upper)

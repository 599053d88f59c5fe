import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from aivm.errors import InvalidIndex, MalformedModel

F32 = np.float32


def feeds(rng, batch, rows, starts):
    cache = rng.normal(size=(batch, 2, 6, 3)).astype(F32)
    update = rng.normal(size=(batch, 2, rows, 3)).astype(F32)
    return {"cache": cache, "update": update, "starts": np.array(starts, np.int64)}


def model_of(make_model, given, **attributes):
    node = helper.make_node("TensorScatter", list(given), ["y"], **attributes)
    return make_model([node], given, {"y": TensorProto.FLOAT}, opset=24)


@pytest.mark.parametrize("batch, starts", [(1, [0]), (1, [3]), (3, [0, 3, 1])])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_rows_are_written_from_a_place_on(make_model, run, rng, batch, starts, rows):
    given = feeds(rng, batch, rows, starts)
    model = model_of(make_model, given)
    (expected,) = ReferenceEvaluator(model).run(None, given)
    assert np.array_equal(run(model, given)[0], expected)


def test_a_circular_cache_begins_again(make_model, run, rng):
    given = feeds(rng, 2, 4, [4, 17])
    model = model_of(make_model, given, mode="circular", axis=2)
    (expected,) = ReferenceEvaluator(model).run(None, given)
    assert np.array_equal(run(model, given)[0], expected)


def test_without_a_place_it_writes_from_the_start(make_model, run, rng):
    given = feeds(rng, 2, 4, [0, 0])
    del given["starts"]
    (result,) = run(model_of(make_model, given), given)
    assert np.array_equal(result[:, :, :4], given["update"])
    assert np.array_equal(result[:, :, 4:], given["cache"][:, :, 4:])


@pytest.mark.parametrize("start", [4, 6, -1, -6, 2**62])
def test_a_linear_cache_has_an_end_and_no_place_before_its_beginning(make_model, run, rng, start):
    given = feeds(rng, 1, 3, [start])
    with pytest.raises(InvalidIndex):
        run(model_of(make_model, given), given)


@pytest.mark.parametrize(
    ("attributes", "change"),
    [
        ({"axis": 0}, {}),
        ({"mode": "reverse"}, {}),
        ({}, {"update": np.zeros((1, 2, 7, 3), F32)}),
        ({}, {"update": np.zeros((1, 3, 2, 3), F32)}),
        ({}, {"starts": np.zeros(2, np.int64)}),
    ],
)
def test_what_does_not_fit_is_refused(make_model, run, rng, attributes, change):
    given = {**feeds(rng, 1, 3, [0]), **change}
    with pytest.raises(MalformedModel, match="TensorScatter"):
        run(model_of(make_model, given, **attributes), given)

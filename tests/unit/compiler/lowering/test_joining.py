import numpy as np
import pytest

F32 = np.float32


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 17])
def test_any_number_of_tensors_is_joined(agree, rng, count):
    feeds = {f"x{i}": rng.normal(size=(2, i % 3, 3)).astype(F32) for i in range(count)}
    agree("Concat", feeds, axis=1)


@pytest.mark.parametrize("axis", [0, -1])
def test_concat_axes(agree, rng, axis):
    x = rng.normal(size=(2, 3)).astype(F32)
    agree("Concat", {"x": x, "z": x + 1}, axis=axis)


def test_split_by_attribute_operand_and_count(agree, rng):
    x = rng.normal(size=(2, 7)).astype(F32)
    agree("Split", {"x": x}, outputs=["a", "b"], opset=11, axis=1, split=[3, 4])
    sizes = {"sizes": ints(1, 6)}
    agree("Split", {"x": x}, outputs=["a", "b"], constants=sizes, opset=13, axis=-1)
    agree("Split", {"x": x}, outputs=["a", "b", "c"], opset=18, axis=1, num_outputs=3)


SLICES = [
    ([0], [2], [0], [1]),
    ([1, -3], [9, -1], [0, 1], [1, 1]),
    ([-1], [-9], [1], [-1]),
    ([5], [0], [1], [-2]),
    ([0, 0], [4, 6], [1, 0], [3, 2]),
    ([3], [3], [0], [1]),
    ([2**62], [-(2**62)], [1], [-(2**62)]),
]


@pytest.mark.parametrize("case", SLICES, ids=str)
def test_slices_in_any_direction(agree, rng, case):
    names = ("starts", "ends", "axes", "steps")
    constants = {name: ints(*values) for name, values in zip(names, case, strict=True)}
    agree("Slice", {"x": rng.normal(size=(4, 6)).astype(F32)}, constants=constants)


def test_slice_by_attributes(agree, rng):
    x = rng.normal(size=(4, 6)).astype(F32)
    agree("Slice", {"x": x}, opset=9, starts=[1, -2], ends=[3, 100], axes=[0, 1])


@pytest.mark.parametrize("pads", [(0, 1, 2, 3), (1, 0, 0, 0), (-1, 2, 1, -2)], ids=str)
def test_constant_padding_of_either_sign(agree, rng, pads):
    x = rng.normal(size=(3, 4)).astype(F32)
    constants = {"pads": ints(*pads), "value": np.array(1.5, F32)}
    agree("Pad", {"x": x}, constants=constants)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_padding_from_the_tensor_itself(agree, rng, mode):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("Pad", {"x": x}, constants={"pads": ints(2, 3, 1, 2)}, opset=19, mode=mode)


def test_padding_by_attributes_and_on_named_axes(agree, rng):
    x = rng.normal(size=(3, 4)).astype(F32)
    agree("Pad", {"x": x}, opset=10, pads=[1, 0, 0, 2], value=0.5)
    constants = {"pads": ints(1, 2), "value": np.array(0, F32), "axes": ints(-1)}
    agree("Pad", {"x": x}, constants=constants, opset=18)


def test_integer_padding(agree):
    agree("Pad", {"x": np.arange(6).reshape(2, 3)}, constants={"pads": ints(0, 1, 1, 0)})

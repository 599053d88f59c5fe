import numpy as np
import pytest

F32 = np.float32


def ints(*values):
    return np.array(values, np.int64)


@pytest.mark.parametrize("shape", [(4, 6), (-1,), (0, -1), (2, 0, 3, 2), (1, -1, 1), (24, 1)])
def test_reshape(agree, rng, shape):
    x = rng.normal(size=(2, 3, 4) if shape == (2, 0, 3, 2) else (4, 6)).astype(F32)
    wanted = (2, 0, 2, 2) if shape == (2, 0, 3, 2) else shape
    agree("Reshape", {"x": x}, constants={"shape": ints(*wanted)})


def test_reshape_to_and_from_rank_0(agree):
    agree("Reshape", {"x": np.array([3], F32)}, constants={"shape": ints()})
    agree("Reshape", {"x": np.array(3, F32)}, constants={"shape": ints(1, 1)})


def test_reshape_of_an_empty_tensor(agree):
    x = np.zeros((0, 3), F32)
    agree("Reshape", {"x": x}, constants={"shape": ints(0, 5)}, opset=14, allowzero=1)


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_flatten(agree, rng, axis):
    agree("Flatten", {"x": rng.normal(size=(2, 3, 4)).astype(F32)}, axis=axis)


@pytest.mark.parametrize("opset", [11, 13])
def test_squeeze_and_unsqueeze_in_both_forms(agree, rng, opset):
    x = rng.normal(size=(1, 3, 1, 4)).astype(F32)
    old = opset < 13
    axes = {} if old else {"constants": {"axes": ints(0, -2)}}
    agree("Squeeze", {"x": x}, opset=opset, **({"axes": [0, 2]} if old else axes))
    agree("Squeeze", {"x": x}, opset=opset)
    agree("Unsqueeze", {"x": x}, opset=opset, **({"axes": [0, 4]} if old else axes))


@pytest.mark.parametrize("perm", [None, [0, 2, 1, 3], [3, 2, 1, 0], [1, 0, 3, 2]])
def test_transpose(agree, rng, perm):
    x = rng.normal(size=(2, 3, 4, 5)).astype(F32)
    agree("Transpose", {"x": x}, **({} if perm is None else {"perm": perm}))


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 1), (1, 1), (5, 3, 4)])
def test_expand(agree, rng, shape):
    agree("Expand", {"x": rng.normal(size=(3, 1)).astype(F32)}, constants={"s": ints(*shape)})


@pytest.mark.parametrize("repeats", [(1, 1), (2, 1), (1, 3), (2, 3), (0, 2)])
def test_tile(agree, rng, repeats):
    agree("Tile", {"x": rng.normal(size=(2, 3)).astype(F32)}, constants={"r": ints(*repeats)})


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(agree, rng, mode):
    x = rng.normal(size=(2, 8, 3, 4)).astype(F32)
    agree("DepthToSpace", {"x": x}, blocksize=2, mode=mode)


def test_space_to_depth(agree, rng):
    agree("SpaceToDepth", {"x": rng.normal(size=(2, 3, 4, 6)).astype(F32)}, blocksize=2)

import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.compiler import compile_model
from aivm.errors import MalformedModel

F32 = np.float32


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)]),
        ("ij,jk", [(3, 4), (4, 5)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
        ("...ij,jk->...ik", [(2, 2, 3, 4), (4, 5)]),
        ("ii->i", [(4, 4)]),
        ("...ii->...i", [(2, 4, 4)]),
        ("ii", [(4, 4)]),
        ("ij->ji", [(3, 4)]),
        ("ij->", [(3, 4)]),
        ("i,j->ij", [(3,), (4,)]),
        ("i,i", [(5,), (5,)]),
        ("ij,ij->i", [(3, 4), (3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("bij,bj->bi", [(2, 3, 4), (2, 4)]),
        ("abc,cd,ae->bde", [(2, 3, 4), (4, 5), (2, 6)]),
        (" i j , j k -> k i ", [(3, 4), (4, 5)]),
        ("ij,jk->ik", [(3, 0), (0, 5)]),
        ("b...,b...->b...", [(2, 3, 4), (2, 3, 4)]),
    ],
)
def test_einsum(agree, rng, equation, shapes):
    feeds = {f"x{i}": rng.normal(size=shape).astype(F32) for i, shape in enumerate(shapes)}
    agree("Einsum", feeds, equation=equation)


def test_einsum_of_integers(agree, rng):
    feeds = {name: rng.integers(-9, 9, (4, 4)) for name in "ab"}
    agree("Einsum", feeds, equation="ij,jk->ik")


@pytest.mark.parametrize(
    "equation", ["ij,jk->iz", "ij->ii", "ij,jk", "i,jk->ik", "ij,jj->ij", "i1,1k->ik"]
)
def test_equations_that_do_not_fit(make_model, equation):
    feeds = {"a": np.ones((2, 3), F32), "b": np.ones((3, 4), F32)}
    names = list(feeds)[: equation.partition("->")[0].count(",") + 1]
    names = ["a"] if equation == "ij,jk" else names
    node = helper.make_node("Einsum", names, ["y"], equation=equation)
    with pytest.raises(MalformedModel):
        compile_model(make_model([node], feeds, {"y": TensorProto.FLOAT}), {})


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 4, 4), (2, 2, 7, 7)])
def test_determinant(agree, rng, shape):
    agree("Det", {"x": rng.normal(size=shape).astype(F32)})

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from aivm.commitments import tensor_root
from aivm.compiler import compile_model
from aivm.errors import MalformedModel, WrongTensor
from aivm.isa import Function, Map, Move, encode

F32 = np.float32
FLOAT = TensorProto.FLOAT


@pytest.fixture
def adder(make_model):
    """y = a + b, with one named and one open dimension."""
    feeds = {"a": np.zeros((2, 3), F32), "b": np.zeros((2, 3), F32)}
    model = make_model([helper.make_node("Add", ["a", "b"], ["y"])], feeds, {"y": FLOAT})
    for info in model.graph.input:
        rows, columns = info.type.tensor_type.shape.dim
        rows.dim_param = "batch"
        columns.ClearField("dim_value")
    return model


def test_the_program_is_for_the_given_shapes(adder):
    compiled = compile_model(adder, {"a": (4, 1), "b": (4, 5)})
    assert [type_.shape for type_ in compiled.program.inputs] == [(4, 1), (4, 5)]
    assert compiled.program.instructions[-1].type.shape == (4, 5)
    assert (compiled.input_names, compiled.output_names) == (("a", "b"), ("y",))


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"a": (4, 1)}, r"'b' needs a shape.*\[batch, \?\]"),
        ({"a": (4, 1), "b": (5, 1)}, r"\(5, 1\) does not fit input 'b'"),
        ({"a": (4, 1, 1), "b": (4, 1)}, r"\(4, 1, 1\) does not fit input 'a'"),
        ({"a": (4, 2**33), "b": (4, 1)}, "'a': shape"),
        ({"a": (4, -1), "b": (4, 1)}, "'a': shape"),
        ({"a": (4, 1), "b": (4, 1), "c": (1,)}, "no input 'c'"),
    ],
)
def test_shapes_that_do_not_fit(adder, shapes, reason):
    with pytest.raises(WrongTensor, match=reason):
        compile_model(adder, shapes)


def test_a_size_that_another_input_has_fixed_is_named(adder):
    with pytest.raises(WrongTensor) as caught:
        compile_model(adder, {"a": (4, 1), "b": (5, 1)})
    assert caught.value.hint == "Here batch is 4."


def test_shapes_that_do_not_broadcast_are_the_models_fault(adder):
    with pytest.raises(MalformedModel, match="do not broadcast"):
        compile_model(adder, {"a": (4, 2), "b": (4, 3)})


def test_a_bound_input_is_a_constant(adder):
    bound = np.array([[1.5]], F32)
    compiled = compile_model(adder, {"a": (1, 2)}, bindings={"b": bound})
    assert compiled.input_names == ("a",)
    assert [constant.tolist() for constant in compiled.constants] == [1.5]


@pytest.mark.parametrize("dtype", ["<f2", ">f2"])
def test_float16_is_bound_as_its_bits(make_model, dtype):
    feeds = {name: np.zeros((1, 2), np.float16) for name in "ab"}
    kinds = {"y": TensorProto.FLOAT16}
    model = make_model([helper.make_node("Concat", ["a", "b"], ["y"], axis=0)], feeds, kinds)
    compiled = compile_model(model, {"a": (1, 2)}, bindings={"b": np.array([[1, -2]], dtype)})
    assert [constant.tolist() for constant in compiled.constants] == [[[0x3C00, 0xC000]]]


@pytest.mark.parametrize(
    ("array", "reason"),
    [(np.ones((1, 1)), "float64.*float32"), (np.ones((2, 1), F32), "does not fit")],
)
def test_bindings_that_do_not_fit(adder, array, reason):
    with pytest.raises(WrongTensor, match=reason):
        compile_model(adder, {"a": (1, 2)}, bindings={"b": array})


def test_an_input_is_shaped_or_bound_not_both(adder):
    with pytest.raises(WrongTensor, match="both"):
        compile_model(adder, {"a": (1, 2), "b": (1, 1)}, bindings={"b": np.ones((1, 1), F32)})


def test_an_initializer_that_is_also_an_input_is_a_constant_unless_it_is_asked_for(make_model):
    feeds = {"x": np.zeros(3, F32), "w": np.zeros(3, F32)}
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    model = make_model([node], feeds, {"y": FLOAT}, constants={"w": np.arange(3, dtype=F32)})
    assert compile_model(model, {}).input_names == ("x",)
    assert compile_model(model, {"w": (3,)}).input_names == ("x", "w")


def test_inputs_and_constants_become_outputs_by_a_copy(make_model):
    nodes = [helper.make_node("Identity", [name], [f"{name}2"]) for name in ("x", "w")]
    model = make_model(
        nodes, {"x": np.zeros(3, F32)}, {"x2": FLOAT, "w2": FLOAT},
        constants={"w": np.arange(3, dtype=F32)},
    )  # fmt: skip
    program = compile_model(model, {}).program
    assert [type(step) for step in program.instructions] == [Move, Move]
    assert program.outputs == (2, 3)


def test_unused_inputs_stay_and_unused_work_goes(make_model):
    nodes = [
        helper.make_node("Exp", ["x"], ["unused"]),
        helper.make_node("Log", ["unused"], ["unused_too"]),
        helper.make_node("Neg", ["x"], ["y"]),
    ]
    feeds = {"x": np.zeros(3, F32), "ignored": np.zeros(2, F32)}
    compiled = compile_model(make_model(nodes, feeds, {"y": FLOAT}), {})
    assert compiled.input_names == ("x", "ignored")
    assert [step.function for step in compiled.program.instructions] == [Function.NEG]


def test_equal_work_and_equal_constants_are_shared(make_model):
    nodes = [
        helper.make_node("Mul", ["x", "w1"], ["p"]),
        helper.make_node("Mul", ["x", "w2"], ["q"]),
        helper.make_node("Add", ["p", "q"], ["y"]),
    ]
    weights = {name: np.arange(3, dtype=F32) for name in ("w1", "w2")}
    model = make_model(nodes, {"x": np.zeros(3, F32)}, {"y": FLOAT}, constants=weights)
    compiled = compile_model(model, {})
    assert len(compiled.constants) == 1
    _, second = compiled.program.instructions
    assert isinstance(second, Map)
    assert second.operands == (2, 2)


def test_constants_carry_their_tensor_roots(make_model):
    weights = {"w": np.arange(6, dtype=F32).reshape(3, 2)}
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
    compiled = compile_model(
        make_model([node], {"x": np.zeros((4, 2), F32)}, {"y": FLOAT}, constants=weights), {}
    )
    (weight,) = compiled.constants
    assert np.array_equal(weight, weights["w"].T), "weights are stored ready to multiply"
    assert compiled.program.constants[0].root == tensor_root(weight)


def test_shape_arithmetic_leaves_no_trace(make_model):
    """reshape(x, [shape(x)[0] * 2, -1]), as exporters write it."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["rows_f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["rows_f", "two"], ["double_f"]),
        helper.make_node("Cast", ["double_f"], ["double"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["double", "axis"], ["double_1"]),
        helper.make_node("Concat", ["double_1", "minus_one"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    constants = {
        "zero": np.array(0), "axis": np.array([0]), "minus_one": np.array([-1]),
        "two": np.array(2, F32),
    }  # fmt: skip
    model = make_model(nodes, {"x": np.zeros((3, 4), F32)}, {"y": FLOAT}, constants=constants)
    program = compile_model(model, {}).program
    assert [type(step) for step in program.instructions] == [Move]
    assert program.instructions[0].type.shape == (6, 2)
    assert not program.constants


def test_a_large_constant_is_not_made_larger(make_model):
    """An expanded constant stays an instruction: packages do not grow by folding."""
    node = helper.make_node("Expand", ["w", "s"], ["wide"])
    nodes = [node, helper.make_node("Add", ["x", "wide"], ["y"])]
    constants = {"w": np.zeros((1, 1000), F32), "s": np.array([1000, 1000])}
    model = make_model(nodes, {"x": np.zeros((1000, 1000), F32)}, {"y": FLOAT}, constants=constants)
    compiled = compile_model(model, {})
    assert sum(constant.nbytes for constant in compiled.constants) == 4000


def test_outputs_keep_their_declared_type(make_model):
    node = helper.make_node("Shape", ["x"], ["y"])
    model = make_model([node], {"x": np.zeros(3, F32)}, {"y": FLOAT})
    with pytest.raises(MalformedModel, match="declared as F32 but its node gives I64"):
        compile_model(model, {})


DIGEST = """
import hashlib, sys
from aivm.compiler import compile_model
from aivm.isa import encode
compiled = compile_model(sys.stdin.buffer.read(), {"x": (2, 3, 4)})
digest = hashlib.sha256(encode(compiled.program))
for constant in compiled.constants:
    digest.update(constant.tobytes())
print(digest.hexdigest())
"""


def test_the_same_bytes_whatever_the_hash_seed(make_model, rng):
    nodes = [
        helper.make_node("LayerNormalization", ["x", "g", "b"], ["n"]),
        helper.make_node("Softmax", ["n"], ["s"]),
        helper.make_node("Concat", ["n", "s", "x", "n", "s"], ["y"], axis=1),
    ]
    constants = {name: rng.normal(size=4).astype(F32) for name in "gb"}
    model = make_model(
        nodes, {"x": np.zeros((2, 3, 4), F32)}, {"y": FLOAT}, constants=constants
    ).SerializeToString()
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            input=model,
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert len(digests) == 1
    assert encode(compile_model(model, {}).program) == encode(compile_model(model, {}).program)

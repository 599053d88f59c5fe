"""Small valid ONNX models of many shapes, as the stock from which mutants are made."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import ModelProto, parser

_HEAD = '<ir_version: 10, opset_import: ["" : 21]>\n'

# ONNX's own textual syntax.
_TEXTS: Mapping[str, str] = {
    "dense": """dense (float[2, 8] x) => (float[2, 3] y)
        <float[8, 3] w = {0.5,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5},
         float[3] b = {1,2,3}> {
        h = Gemm <transA = 0, alpha = 1.0> (x, w, b)
        n = LayerNormalization <axis = -1> (h, b)
        y = Softmax <axis = -1> (n)
    }""",
    "image": """image (float[1, 2, 6, 6] x) => (float[1, 3, 2, 2] y)
        <float[3, 2, 1, 1] w = {1,2,3,4,5,6}> {
        c = Conv <kernel_shape = [1, 1], pads = [0, 0, 0, 0], strides = [1, 1]> (x, w)
        r = Relu (c)
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
        i = Constant <value_ints = [0, 1]> ()
        y = AveragePool <kernel_shape = [2, 2], strides = [1, 1]> (p)
    }""",
    "shapes": """shapes (float[2, 3, 4] x, int64[2] ids) => (float[2, 12] y, float[2, 3, 2] z)
        <int64[2] to = {2, -1}, int64[1] starts = {0}, int64[1] ends = {2}, int64[1] axes = {2}> {
        t = Transpose <perm = [1, 0, 2]> (x)
        g = Gather <axis = 0> (t, ids)
        s = Shape (x)
        f = ConstantOfShape <value = float[1] {1.0}> (s)
        a = Add (x, f)
        y = Reshape (a, to)
        z = Slice (a, starts, ends, axes)
    }""",
    "branch": """branch (float[4] x) => (float[4] y)
        <bool c = {1}, int64 n = {3}, bool go = {1}> {
        a = If (c) <
            then_branch = t () => (float[4] o) { o = Neg (x) },
            else_branch = e () => (float[4] o) { o = Abs (x) }>
        y = Loop (n, go, a) <body = b (int64 i, bool g, float[4] v) => (bool k, float[4] w) {
            k = Identity (g)
            w = Add (v, x)
        }>
    }""",
    "quantised": """quantised (float[2, 4] x) => (float[2, 2] y)
        <int8[4, 2] w = {1,2,3,4,5,6,7,8}, float s = {0.1}, int8 z = {0}> {
        q = QuantizeLinear (x, s, z)
        d = DequantizeLinear (q, s, z)
        v = DequantizeLinear (w, s, z)
        y = MatMul (d, v)
    }""",
    "sorted": """sorted (float[3, 5] x) => (float[3, 2] v, int64[3, 2] i, float[3] e)
        <int64[1] k = {2}, int64[1] sizes = {5}> {
        v, i = TopK <axis = -1> (x, k)
        p = Split <axis = 1> (x, sizes)
        e = Einsum <equation = "ij,ij->i"> (p, x)
    }""",
    "recurrent": """recurrent (float[3, 1, 2] x) => (float[3, 1, 1, 2] y)
        <float[1, 8, 2] w = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8},
         float[1, 8, 2] r = {1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8}> {
        y = LSTM <hidden_size = 2> (x, w, r)
    }""",
}

_WITH_FUNCTION = """<ir_version: 10, opset_import: ["" : 21, "own" : 1]>
    called (float[4] x) => (float[4] y) { y = own.twice <by = 2.0> (x) }
    <domain: "own", opset_import: ["" : 21]>
    twice <by> (a) => (b) {
        c = Constant <value_float: float = @by> ()
        b = Mul (a, c)
    }"""


def small_models() -> dict[str, ModelProto]:
    """By name; each compiles without being told any shape."""
    models = {name: parser.parse_model(_HEAD + text) for name, text in _TEXTS.items()}
    models["called"] = parser.parse_model(_WITH_FUNCTION)
    for model in models.values():
        onnx.checker.check_model(model)
    return models

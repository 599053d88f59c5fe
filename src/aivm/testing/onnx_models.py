"""Random small ONNX models of supported operators, to be compared with another runtime.

    model, feeds = random_model(seed)

The same seed gives the same model. Values stay near 1 and away from poles, so that two runtimes
that both compute well agree to a few units in the last place of the output's scale. Operators that
jump (ArgMax, comparisons, rounding) are applied only to values that are equal on every runtime:
inputs, and what only moves them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
Options = dict[str, Any]

OPSET = 18
MAX_ELEMENTS = 4096
_KINDS = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL}


@dataclass(frozen=True, slots=True)
class Known:
    """A value of the graph: its kind is 'f', 'i' or 'b'; `exact` if every runtime has its bits."""

    name: str
    shape: tuple[int, ...]
    kind: str = "f"
    exact: bool = False


class ModelWriter:
    """Nodes so far, and everything that has a name."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.values: list[Known] = []
        self.feeds: dict[str, Array] = {}
        self._names = 0

    def fresh(self) -> str:
        self._names += 1
        return f"v{self._names}"

    def input(self, array: Array, kind: str) -> Known:
        value = Known(self.fresh(), array.shape, kind, exact=True)
        self.feeds[value.name] = array
        self.values.append(value)
        return value

    def constant(self, array: Array) -> str:
        name = self.fresh()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def normal(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((self.rng.normal(size=shape) * scale).astype(np.float32))

    def integers(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        shape: Sequence[int],
        kind: str = "f",
        *,
        exact: bool = False,
        **attributes: Any,
    ) -> Known:
        """A node with one result, of the given shape."""
        value = Known(self.fresh(), tuple(int(size) for size in shape), kind, exact)
        self.nodes.append(helper.make_node(operator, inputs, [value.name], **attributes))
        self.values.append(value)
        return value

    def pick(self, *, rank: int | None = None, exact: bool = False, least: int = 0) -> Known | None:
        """A float of this rank (or of `least` dimensions and more), a late one more likely."""
        fitting = [
            value
            for value in self.values
            if value.kind == "f"
            and (rank is None or len(value.shape) == rank)
            and len(value.shape) >= least
            and (value.exact or not exact)
            and all(value.shape)
        ]
        if not fitting:
            return None
        place = int(len(fitting) * self.rng.random() ** 0.5)
        return fitting[min(place, len(fitting) - 1)]

    def axis(self, value: Known) -> int:
        return int(self.rng.integers(len(value.shape)))

    def model(self) -> ModelProto:
        """The graph; everything that nothing reads is an output."""
        read = {name for node in self.nodes for name in node.input}
        outputs = [v for v in self.values if v.name not in read and v.name not in self.feeds]
        inputs = [v for v in self.values if v.name in self.feeds]
        graph = helper.make_graph(
            self.nodes,
            "random",
            [_info(value) for value in inputs],
            [_info(value) for value in outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _info(value: Known) -> ValueInfoProto:
    return helper.make_tensor_value_info(value.name, _KINDS[value.kind], value.shape)


def random_model(seed: int, nodes: int = 8) -> tuple[ModelProto, dict[str, Array]]:
    """A model of about `nodes` operators and inputs for it."""
    writer = ModelWriter(seed)
    rng = writer.rng
    for rank in (2, 3, 4):
        shape = tuple(int(size) for size in rng.integers(1, 7, rank))
        writer.input(rng.normal(size=shape).astype(np.float32), "f")
    while len(writer.nodes) < nodes:
        step = STEPS[int(rng.integers(len(STEPS)))]
        before = len(writer.nodes)
        step(writer)
        if len(writer.nodes) > before and prod(writer.values[-1].shape) > MAX_ELEMENTS:
            last = writer.values[-1]
            writer.add("ReduceMean", [last.name, writer.integers(0)], last.shape[1:], keepdims=0)
    return writer.model(), writer.feeds


# --- steps: each adds a few nodes, or none if nothing fits ------------------------------------

_SMOOTH = (
    "Tanh", "Sigmoid", "Relu", "Erf", "Sin", "Cos", "Softplus", "Neg", "Abs", "Elu", "LeakyRelu",
    "HardSigmoid", "HardSwish", "Softsign", "Identity", "Selu", "Atan",
)  # fmt: skip


def _unary(w: ModelWriter) -> None:
    value = w.pick()
    if value is not None:
        w.add(str(w.rng.choice(_SMOOTH)), [value.name], value.shape)


def _positive(w: ModelWriter) -> None:
    """Operators with poles, on values of 1 and more."""
    value = w.pick()
    if value is not None:
        size = w.add("Abs", [value.name], value.shape)
        one = w.constant(np.array(1, np.float32))
        grown = w.add("Add", [size.name, one], value.shape)
        name = str(w.rng.choice(["Log", "Sqrt", "Reciprocal"]))
        w.add(name, [grown.name], value.shape)


def _binary(w: ModelWriter) -> None:
    """With another value of the same shape, or a constant that broadcasts."""
    value = w.pick()
    if value is None:
        return
    partners = [v.name for v in w.values if v.kind == "f" and v.shape == value.shape]
    shape = [size if w.rng.random() < 0.5 else 1 for size in value.shape]
    partners.append(w.normal(*shape[int(w.rng.integers(len(shape) + 1)) :]))
    other = partners[int(w.rng.integers(len(partners)))]
    name = str(w.rng.choice(["Add", "Sub", "Mul", "Max", "Min"]))
    w.add(name, [value.name, other], value.shape)


def _compare_and_choose(w: ModelWriter) -> None:
    value = w.pick(exact=True)
    if value is not None:
        edge = w.constant(np.array(w.rng.normal(), np.float32))
        name = str(w.rng.choice(["Less", "Greater", "LessOrEqual", "GreaterOrEqual"]))
        mask = w.add(name, [value.name, edge], value.shape, "b", exact=True)
        other = w.add("Tanh", [value.name], value.shape)
        w.add("Where", [mask.name, value.name, other.name], value.shape)


def _product(w: ModelWriter) -> None:
    value = w.pick(least=2)
    if value is not None:
        depth, columns = value.shape[-1], int(w.rng.integers(1, 9))
        weights = w.normal(depth, columns, scale=depth**-0.5)
        w.add("MatMul", [value.name, weights], (*value.shape[:-1], columns))


def _general_product(w: ModelWriter) -> None:
    value = w.pick(rank=2)
    if value is not None:
        columns = int(w.rng.integers(1, 9))
        weights, bias = w.normal(columns, value.shape[1], scale=0.5), w.normal(columns)
        shape = (value.shape[0], columns)
        w.add("Gemm", [value.name, weights, bias], shape, transB=1, alpha=0.7, beta=1.3)


def _contract(w: ModelWriter) -> None:
    value = w.pick(rank=3)
    if value is not None:
        a, b, _ = value.shape
        w.add("Einsum", [value.name, value.name], (a, b, b), equation="abc,adc->abd")


def _convolve(w: ModelWriter) -> None:
    value = w.pick(rank=4)
    if value is None:
        return
    batch, channels, height, width = value.shape
    group = channels if w.rng.random() < 0.3 else 1
    filters, stride = group * int(w.rng.integers(1, 5)), int(w.rng.integers(1, 3))
    weights = w.normal(filters, channels // group, 3, 3, scale=(9 * channels / group) ** -0.5)
    shape = (batch, filters, (height - 1) // stride + 1, (width - 1) // stride + 1)
    options: Options = {"pads": [1, 1, 1, 1], "strides": [stride, stride], "group": group}
    w.add("Conv", [value.name, weights, w.normal(filters)], shape, **options)


def _pool(w: ModelWriter) -> None:
    value = w.pick(rank=4)
    if value is not None:
        name = str(w.rng.choice(["MaxPool", "AveragePool"]))
        w.add(name, [value.name], value.shape, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def _normalise(w: ModelWriter) -> None:
    value = w.pick(least=2)
    if value is not None:
        width = value.shape[-1]
        scale, bias = w.normal(width), w.normal(width)
        w.add("LayerNormalization", [value.name, scale, bias], value.shape, epsilon=0.1)


def _soften(w: ModelWriter) -> None:
    value = w.pick()
    if value is not None and value.shape:
        # LogSoftmax is left out: its logarithms of sums are zero, but for rounding errors.
        w.add("Softmax", [value.name], value.shape, axis=w.axis(value))


def _reduce(w: ModelWriter) -> None:
    value = w.pick(least=2)
    if value is not None:
        axis, keep = w.axis(value), int(w.rng.integers(2))
        shape = [*value.shape]
        shape[axis : axis + 1] = [1] if keep else []
        names = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceLogSumExp"]
        name = str(w.rng.choice(names))
        w.add(name, [value.name, w.integers(axis)], shape, keepdims=keep)


def _search(w: ModelWriter) -> None:
    value = w.pick(exact=True, least=1)
    if value is not None:
        axis = w.axis(value)
        shape = [1 if a == axis else size for a, size in enumerate(value.shape)]
        name = str(w.rng.choice(["ArgMax", "ArgMin"]))
        place = w.add(name, [value.name], shape, "i", exact=True, axis=axis)
        w.add("GatherElements", [value.name, place.name], shape, exact=True, axis=axis)


def _turn(w: ModelWriter) -> None:
    value = w.pick(least=2)
    if value is not None:
        order = [int(axis) for axis in w.rng.permutation(len(value.shape))]
        shape = [value.shape[axis] for axis in order]
        w.add("Transpose", [value.name], shape, exact=value.exact, perm=order)


def _flatten(w: ModelWriter) -> None:
    """A shape that is put together at run time."""
    value = w.pick(least=2)
    if value is not None:
        rank = len(value.shape)
        shape = w.add("Shape", [value.name], (rank,), "i", exact=True)
        first = w.add("Gather", [shape.name, w.integers(0)], (1,), "i", exact=True)
        target = w.add("Concat", [first.name, w.integers(-1)], (2,), "i", exact=True, axis=0)
        rest = (value.shape[0], prod(value.shape[1:]))
        w.add("Reshape", [value.name, target.name], rest, exact=value.exact)


def _cut(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        axis, step = w.axis(value), int(w.rng.choice([-2, -1, 1, 2]))
        places = range(value.shape[axis])[::step]
        ends = (-1, -1000) if step < 0 else (0, 1000)
        operands = [w.integers(number) for number in (*ends, axis, step)]
        shape = [len(places) if a == axis else size for a, size in enumerate(value.shape)]
        w.add("Slice", [value.name, *operands], shape, exact=value.exact)


def _join(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        axis = w.axis(value)
        shape = [2 * size if a == axis else size for a, size in enumerate(value.shape)]
        w.add("Concat", [value.name, value.name], shape, exact=value.exact, axis=axis)


def _pad(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        amounts = [int(n) for n in w.rng.integers(0, 3, 2 * len(value.shape))]
        shape = [
            size + amounts[axis] + amounts[axis + len(value.shape)]
            for axis, size in enumerate(value.shape)
        ]
        mode = str(w.rng.choice(["constant", "edge"]))
        w.add("Pad", [value.name, w.integers(*amounts)], shape, exact=value.exact, mode=mode)


def _gather(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        axis = w.axis(value)
        size, count = value.shape[axis], int(w.rng.integers(1, 5))
        index = w.integers(*(int(n) for n in w.rng.integers(-size, size, count)))
        shape = [count if a == axis else s for a, s in enumerate(value.shape)]
        w.add("Gather", [value.name, index], shape, exact=value.exact, axis=axis)


def _scatter(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        axis = w.axis(value)
        shape = [min(2, s) if a == axis else s for a, s in enumerate(value.shape)]
        index = w.constant(w.rng.integers(0, value.shape[axis], shape))
        updates = w.normal(*shape)
        names = [value.name, index, updates]
        w.add("ScatterElements", names, value.shape, axis=axis, reduction="add")


def _sort(w: ModelWriter) -> None:
    value = w.pick(exact=True, least=1)
    if value is not None:
        axis = w.axis(value)
        count = int(w.rng.integers(1, value.shape[axis] + 1))
        shape = [count if a == axis else size for a, size in enumerate(value.shape)]
        largest, place = int(w.rng.integers(2)), w.fresh()
        found = w.add("TopK", [value.name, w.integers(count)], shape, exact=True,
                      axis=axis, largest=largest)  # fmt: skip
        w.nodes[-1].output.append(place)
        w.values.append(Known(place, found.shape, "i", exact=True))


def _accumulate(w: ModelWriter) -> None:
    value = w.pick(least=1)
    if value is not None:
        options: Options = {"exclusive": int(w.rng.integers(2)), "reverse": int(w.rng.integers(2))}
        w.add("CumSum", [value.name, w.integers(w.axis(value))], value.shape, **options)


def _enlarge(w: ModelWriter) -> None:
    value = w.pick(rank=4)
    if value is not None:
        scales = w.constant(np.array([1, 1, 2, 2], np.float32))
        shape = (*value.shape[:2], 2 * value.shape[2], 2 * value.shape[3])
        mode = str(w.rng.choice(["nearest", "linear"]))
        options: Options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        w.add("Resize", [value.name, "", scales], shape, mode=mode, **options)


def _choose(w: ModelWriter) -> None:
    """If, with a condition on data, branches that see the names around them, and a constant."""
    value, decider = w.pick(), w.pick(exact=True)
    if value is None or decider is None:
        return
    axes = w.integers(*range(len(decider.shape)))
    total = w.add("ReduceMax", [decider.name, axes], (), exact=True, keepdims=0)
    edge = w.constant(np.array(w.rng.normal(), np.float32))
    flag = w.add("Less", [edge, total.name], (), "b", exact=True)
    branches = {}
    for branch, operator in (("then_branch", "Tanh"), ("else_branch", "Neg")):
        name = w.fresh()
        node = helper.make_node(operator, [value.name], [name])
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
        branches[branch] = helper.make_graph([node], branch, [], [info])
    w.add("If", [flag.name], value.shape, **branches)
    # A branch reads this name, which the graph must not give out as an output twice.
    w.add("Identity", [value.name], value.shape, exact=value.exact)


STEPS: tuple[Callable[[ModelWriter], None], ...] = (
    _unary, _positive, _binary, _compare_and_choose, _product, _general_product, _contract,
    _convolve, _pool, _normalise, _soften, _reduce, _search, _turn, _flatten, _cut, _join, _pad,
    _gather, _scatter, _sort, _accumulate, _enlarge, _choose,
)  # fmt: skip

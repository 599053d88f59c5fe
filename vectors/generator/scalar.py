"""Cases of MAP and CAST: every scalar function on every dtype, and every conversion."""

from __future__ import annotations

from collections.abc import Iterator

from aivm.isa.instructions import Cast, Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics import binary32
from aivm.numerics.dtypes import DType
from generator.cases import Tensor, case, casts, dtypes, filled, plain, tensor
from generator.words import columns, ordinary_f32, packed, words_of


def maps_of_floats() -> Iterator[str]:
    """Every function of F32, F16 and BF16."""
    for function in Function:
        for dtype in dtypes(FUNCTIONS[function].accepted):
            if dtype.is_float:
                yield _map(function, dtype)
    yield _cancellation()


def maps_of_integers() -> Iterator[str]:
    """Every function of the integers and BOOL."""
    for function in Function:
        for dtype in dtypes(FUNCTIONS[function].accepted):
            if not dtype.is_float:
                yield _map(function, dtype)


def _map(function: Function, dtype: DType) -> str:
    signature = FUNCTIONS[function]
    name = f"{function.name} {dtype.name}"
    data = [dtype] * (signature.arity - signature.first_is_condition)
    given = columns(dtype, len(data), name)
    count = len(given[0])
    operands = [tensor(dtype, (count,), packed(dtype, column)) for column in given]
    if signature.first_is_condition:
        truths = packed(DType.BOOL, words_of(DType.BOOL, name, count))
        operands.insert(0, tensor(DType.BOOL, (count,), truths))
    result = TensorType(signature.result or dtype, (count,))
    return case(name, Map(function, tuple(range(signature.arity)), result), operands)


def _cancellation() -> str:
    """FMA where the sum cancels all but what a rounded product would have lost."""
    a, b = ordinary_f32("cancel a", 128), ordinary_f32("cancel b", 128)
    c = [binary32.negative(binary32.mul(x, y)) for x, y in zip(a, b, strict=True)]
    operands = [tensor(DType.F32, (128,), packed(DType.F32, column)) for column in (a, b, c)]
    result = TensorType(DType.F32, (128,))
    return case("FMA F32, cancelling", Map(Function.FMA, (0, 1, 2), result), operands)


BROADCASTS = (
    ((), (), ()),
    ((2, 3), (3,), (2, 3)),
    ((), (2, 2), (2, 2)),
    ((2, 1, 3), (1, 4, 1), (2, 4, 3)),
    ((1,), (3,), (3,)),
    ((1, 1), (1,), (2, 3)),
    ((0, 3), (3,), (0, 3)),
    ((1, 3), (0, 1), (0, 3)),
    ((1, 2, 1, 1, 1, 1, 3, 1), (2, 1, 1, 1, 1, 1, 1, 2), (2, 2, 1, 1, 1, 1, 3, 2)),
)


def broadcasts() -> Iterator[str]:
    """MAPs whose operands have other shapes than the result."""
    for a, b, result in BROADCASTS:
        name = f"SUB {a} {b} -> {result}"
        operands = [plain(DType.F32, a, f"{name} a"), plain(DType.F32, b, f"{name} b")]
        yield case(name, Map(Function.SUB, (0, 1), TensorType(DType.F32, result)), operands)
    type_ = TensorType(DType.I16, (3, 2, 2))
    operands = [
        filled(DType.BOOL, (2, 1), "condition"),
        filled(DType.I16, (3, 1, 1), "then"),
        filled(DType.I16, (2,), "otherwise"),
    ]
    yield case("SELECT (2, 1) (3, 1, 1) (2,)", Map(Function.SELECT, (0, 1, 2), type_), operands)
    x = filled(DType.F32, (5,), "twice")
    yield case("MUL of a value by itself", Map(Function.MUL, (0, 0), x.type), [x])


def conversions() -> Iterator[str]:
    """Every CAST."""
    for source, target in casts():
        name = f"{source.name} to {target.name}"
        words = words_of(source, name, 160)
        if source is DType.F32:
            words += _ties(target)
        given = Tensor(TensorType(source, (len(words),)), packed(source, words))
        yield case(name, Cast((0,), TensorType(target, (len(words),))), [given])


def _ties(target: DType) -> list[int]:
    """F32 words half way between two numbers of a storage type, and just beside; 0.5 and 1.5."""
    dropped = {DType.F16: 13, DType.BF16: 16}.get(target, 23)
    bases = [(0x3F80 + 5 * n << 16) >> dropped << dropped for n in range(8)]
    half = 1 << dropped - 1
    near = [base + half + step for base in bases for step in (-1, 0, 1)]
    return (
        near
        + [word | 0x8000_0000 for word in near]
        + [0x33800000 + n * 0x00400000 for n in range(12)]
    )

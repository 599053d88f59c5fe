from __future__ import annotations

from itertools import product

import pytest

from aivm.isa import Function, Reduction
from aivm.isa.recipes import apply
from aivm.isa.signatures import FUNCTIONS, REDUCTIONS, can_cast
from aivm.numerics.dtypes import DType
from aivm.numerics.integers import wrap
from aivm.numerics.machine import ScalarMachine


def test_the_tables_are_complete() -> None:
    assert set(FUNCTIONS) == set(Function)
    assert set(REDUCTIONS) == set(Reduction)


@pytest.mark.parametrize("function", Function, ids=lambda function: function.name)
def test_what_is_accepted_is_defined(function: Function) -> None:
    """Numerics 1 computes every combination of the table, and the result fits its dtype."""
    signature = FUNCTIONS[function]
    for dtype in signature.accepted:
        for values in product((0, 1), repeat=signature.arity):
            word = apply(ScalarMachine(), function, dtype, values)
            assert wrap(signature.result or dtype, word) == word


@pytest.mark.parametrize(
    ("function", "operands", "result"),
    [
        (Function.ADD, (DType.F32, DType.F32), DType.F32),
        (Function.ADD, (DType.U8, DType.U8), DType.U8),
        (Function.ADD, (DType.BOOL, DType.BOOL), None),
        (Function.ADD, (DType.F32, DType.I32), None),
        (Function.ADD, (DType.F32,), None),
        (Function.AND, (DType.BOOL, DType.BOOL), DType.BOOL),
        (Function.AND, (DType.F32, DType.F32), None),
        (Function.LESS, (DType.I64, DType.I64), DType.BOOL),
        (Function.LESS, (DType.BOOL, DType.BOOL), None),
        (Function.EQUAL, (DType.BOOL, DType.BOOL), DType.BOOL),
        (Function.IS_NAN, (DType.F32,), DType.BOOL),
        (Function.SELECT, (DType.BOOL, DType.F16, DType.F16), DType.F16),
        (Function.SELECT, (DType.BOOL, DType.BOOL, DType.BOOL), DType.BOOL),
        (Function.SELECT, (DType.U8, DType.F32, DType.F32), None),
        (Function.SELECT, (DType.BOOL, DType.F32, DType.I32), None),
        (Function.EXP, (DType.BF16,), None),
    ],
)
def test_results(function: Function, operands: tuple[DType, ...], result: DType | None) -> None:
    assert FUNCTIONS[function].result_of(operands) is result


def test_storage_types_are_rounded_once() -> None:
    """From F32 and to F32, so that no value is rounded on the way to its rounding."""
    for source, target in product(DType, repeat=2):
        storage = {source, target} & {DType.F16, DType.BF16}
        expected = source is not target and (not storage or DType.F32 in (source, target))
        assert can_cast(source, target) == expected

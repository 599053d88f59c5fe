"""Every function on F32 with a million operands: the kernels of all engines, the arrays of the
reference engine and, for a share of them, the specification itself give the same bits.

The same functions on the EVM: tests/unit/contracts/test_numerics.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from aivm.engines import open_engine
from aivm.isa import Function, Map, Program, TensorType
from aivm.isa.recipes import apply
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics import DType, ScalarMachine
from aivm.testing.engines import differences
from aivm.testing.tensors import random_tensor

COUNT, SHARE = 1_000_000, 500
ON_F32 = [
    function
    for function, signature in FUNCTIONS.items()
    if DType.F32 in signature.accepted and not signature.first_is_condition
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("function", ON_F32, ids=lambda function: function.name)
def test_a_million_operands(function: Function) -> None:
    rng, signature = np.random.default_rng([11, function]), FUNCTIONS[function]
    parts = [TensorType(DType.F32, (COUNT // 8,))] * 8  # each of one kind, or of all mixed
    inputs = [
        np.concatenate([random_tensor(rng, part) for part in parts]) for _ in range(signature.arity)
    ]
    types = (TensorType(DType.F32, (COUNT,)),) * signature.arity
    result = TensorType(signature.result or DType.F32, (COUNT,))
    operands = tuple(range(signature.arity))
    program = Program(types, (), (Map(function, operands, result),), (signature.arity,))
    expected = open_engine("reference").load(program, []).run(inputs)
    assert list(differences(program, [], inputs, expected)) == []

    m = ScalarMachine()
    for place in rng.choice(COUNT, SHARE, replace=False):
        row = [int(column.view(np.uint32)[place]) for column in inputs]
        word = apply(m, function, DType.F32, row)
        if result.dtype is DType.F32:
            assert int(expected[0].view(np.uint32)[place]) == m.canonical(word), row
        else:
            assert int(expected[0][place]) == word, row

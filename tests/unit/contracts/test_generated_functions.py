"""The generated Solidity is what the specification gives today, and says what it says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from aivm.isa.opcodes import Function
from aivm.numerics.machine import ScalarMachine
from aivm.numerics.trace import FunctionProgram, Step, evaluate


@pytest.fixture(scope="module")
def generator(contracts: Path) -> ModuleType:
    """contracts/generate_functions.py as a module."""
    path = contracts / "generate_functions.py"
    spec = importlib.util.spec_from_file_location("contracts_generate_functions", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_committed_library_is_up_to_date(generator: ModuleType) -> None:
    assert generator.LIBRARY.read_text("utf-8") == generator.library()


def test_every_base_operation_has_a_code(generator: ModuleType) -> None:
    assert len(set(generator.OPERATIONS)) == len(generator.OPERATIONS)
    on_32_bits = {name for name in vars(ScalarMachine) if not name.startswith("_")}
    elsewhere = {"f32", "bits", "int_op", "int_unary", "compare", "cast"}
    assert set(generator.OPERATIONS) == on_32_bits - elsewhere


def decoded(generator: ModuleType, data: bytes) -> FunctionProgram:
    """The straight line that an encoded program stands for."""
    constants = [int.from_bytes(data[i : i + 4], "big") for i in range(1, 1 + 4 * data[0], 4)]
    steps = [Step("bits", (), (constant,)) for constant in constants]
    arities = {"fma": 3, "select": 3, "sqrt": 1, "canonical": 1}
    for i in range(1 + 4 * data[0], len(data), 4):
        name = generator.OPERATIONS[data[i]]
        values = tuple(data[i + 1 : i + 1 + arities.get(name, 2)])
        count = name in ("shl", "shr", "sar")
        fixed = (constants[values[1] - generator.FIRST_CONSTANT],) if count else ()
        steps.append(Step(name, values[:1] if count else values, fixed))
    return FunctionProgram("", 3, tuple(steps), 3 + len(steps) - 1)


def test_an_encoded_program_computes_what_was_traced(generator: ModuleType) -> None:
    m = ScalarMachine()
    for encoded in generator.programs():
        program = decoded(generator, encoded.data)
        name = encoded.function.name.lower()
        function = generator.FLOAT_FUNCTIONS[name]
        arity = generator.FUNCTIONS[encoded.function].arity
        for operands in [
            (0x3FC00000, 0x40490FDB, 0x80000001),
            (0xC1200000, 0x3F000000, 0x7F7FFFFF),
        ]:
            assert evaluate(program, m, operands) == function(m, *operands[:arity]), name


def test_a_program_that_does_not_fit_is_refused(generator: ModuleType) -> None:
    steps = tuple(Step("add", (i, 0)) for i in range(300))
    with pytest.raises(ValueError, match="too many values"):
        generator.encode(Function.EXP, FunctionProgram("long", 1, steps, 300))
    steps = (Step("neg", (0,)), Step("neg", (0,)))
    with pytest.raises(ValueError, match="not its last step"):
        generator.encode(Function.EXP, FunctionProgram("early", 1, steps, 1))

"""The generated Solidity is what the specification gives today; its steps give the same bits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from aivm.isa.opcodes import Function
from aivm.isa.recipes import FLOAT_FUNCTIONS
from aivm.isa.signatures import FUNCTIONS
from aivm.numerics.functions.blocks import fast_two_sum, two_sum
from aivm.numerics.machine import Machine, ScalarMachine, W
from aivm.numerics.trace import trace

ONE, TWO, THREE, INFINITY, NAN = 0x3F800000, 0x40000000, 0x40400000, 0x7F800000, 0x7FC00000
OPERANDS = [
    *(0, 0x80000000, 1, 0x80000001, 0x007FFFFF, ONE, 0xBF800000, 0x3F000000, 0x3F3504F3),
    *(0x3FC00000, 0xC1200000, 0x40490FDB, 0x42AE0000, 0x4A800001, 0x5F123456, 0x7F7FFFFF),
    *(INFINITY, 0xFF800000, NAN),
]


@pytest.fixture(scope="module")
def folder(contracts: Path) -> Iterator[Path]:
    """The scripts' folder, from which they import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(contracts))
        yield contracts


@pytest.fixture(scope="module")
def generator(folder: Path) -> ModuleType:
    """contracts/generate_functions.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "contracts_generate_functions", folder / "generate_functions.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def programs(generator: ModuleType) -> ModuleType:
    """contracts/evm_programs.py."""
    return sys.modules[generator.lower.__module__]


def test_the_committed_libraries_are_up_to_date(generator: ModuleType) -> None:
    for name, text in generator.files().items():
        assert (generator.LIBRARIES / name).read_text("utf-8") == text, name


def test_every_function_is_in_one_place(generator: ModuleType) -> None:
    places = [
        *(generator.in_numerics(), generator.EXPONENTIALS, generator.HYPERBOLICS),
        *(generator.TRIGONOMETRY, generator.BY_HAND, [Function.SELECT]),
    ]
    on_f32 = [f for f, signature in FUNCTIONS.items() if generator.DType.F32 in signature.accepted]
    assert sorted(function for place in places for function in place) == sorted(
        {*on_f32, Function.SELECT}
    )


def run(steps: Any, operands: tuple[int, ...]) -> int:
    """What the steps give by the specification's base operations. A value that was skipped is not
    there: a step that wanted it would fail."""
    m = ScalarMachine()
    values = dict(enumerate(operands))
    result = 0

    def word(operand: int) -> int:
        return ~operand if operand < 0 else values[operand]

    def walk(block: Any) -> None:
        nonlocal result
        for step in block:
            if hasattr(step, "block"):
                if bool(word(step.condition)) == step.wanted:
                    walk(step.block)
                continue
            if step.operation == "select":
                truth, *sides = step.operands
                result = word(sides[0] if word(truth) else sides[1])
            elif step.operation == "POLYNOMIAL":
                result, factor = map(word, step.operands)
                for coefficient in step.coefficients:
                    result = m.fma(result, factor, coefficient)
            elif step.lost is not None:
                both = two_sum if step.operation == "TWO_SUM" else fast_two_sum
                result, values[step.lost] = both(m, *map(word, step.operands))
            else:
                result = getattr(m, step.operation)(*map(word, step.operands))
            values[step.value] = result

    walk(steps)
    return result


@pytest.mark.parametrize("function", sorted(FUNCTIONS), ids=lambda function: function.name)
def test_the_steps_give_what_the_specification_gives(
    programs: ModuleType, function: Function
) -> None:
    name, arity = function.name.lower(), FUNCTIONS[function].arity
    if name not in FLOAT_FUNCTIONS:
        return
    steps = programs.lower(trace(name, arity, FLOAT_FUNCTIONS[name]))
    m = ScalarMachine()
    for place, x in enumerate(OPERANDS):
        y, z = OPERANDS[place * 7 % len(OPERANDS)], OPERANDS[place * 11 % len(OPERANDS)]
        operands = (x, y, z)[:arity]
        assert run(steps, operands) == FLOAT_FUNCTIONS[name](m, *operands), operands


def test_sin_cos_and_tan_are_one_function(generator: ModuleType) -> None:
    steps, m = generator.turning().steps, ScalarMachine()
    for x in OPERANDS:
        assert run(steps, (x, 1, 0)) == FLOAT_FUNCTIONS["sin"](m, x)
        assert run(steps, (x, 0, 1)) == FLOAT_FUNCTIONS["cos"](m, x)
        assert run(steps, (x, 0, 0)) == FLOAT_FUNCTIONS["tan"](m, x)


def lowered(programs: ModuleType, arity: int, function: Callable[..., Any]) -> list[Any]:
    return list(programs.lower(trace("test", arity, function)))


def test_fused_steps(programs: ModuleType) -> None:
    def horner(m: Machine[W], x: W) -> W:
        return m.fma(m.fma(m.fma(m.f32(1.0), x, m.f32(2.0)), x, m.f32(3.0)), x, m.f32(1.0))

    (step,) = lowered(programs, 1, horner)
    assert (step.operation, step.operands) == ("POLYNOMIAL", (~ONE, 0))
    assert step.coefficients == (TWO, THREE, ONE)

    (step, last) = lowered(programs, 2, lambda m, x, y: m.mul(*two_sum(m, x, y)))
    assert (step.operation, last.operands) == ("TWO_SUM", step.values)
    (step, last) = lowered(programs, 2, lambda m, x, y: m.mul(*fast_two_sum(m, x, y)))
    assert (step.operation, last.operands) == ("FAST_TWO_SUM", step.values)


def test_steps_that_are_not_fused(programs: ModuleType) -> None:
    def other_factor(m: Machine[W], x: W, y: W) -> W:
        return m.fma(m.fma(x, y, m.f32(2.0)), x, m.f32(3.0))

    def used_twice(m: Machine[W], x: W) -> W:
        first = m.fma(x, x, m.f32(2.0))
        return m.mul(m.fma(first, x, m.f32(3.0)), first)

    def tiny_term(m: Machine[W], x: W) -> W:
        return m.fma(m.fma(x, x, m.f32(2.0)), x, m.f32(2.0**-60))

    def part_used_twice(m: Machine[W], x: W, y: W) -> W:
        total = m.add(x, y)
        part = m.sub(x, total)
        return m.mul(part, m.add(part, y))

    for arity, function in [
        (2, other_factor),
        (1, used_twice),
        (1, tiny_term),
        (2, part_used_twice),
    ]:
        found = {step.operation for step in lowered(programs, arity, function)}
        assert found <= {"fma", "mul", "add", "sub"}


def test_what_one_side_wants_is_skipped_on_the_other(programs: ModuleType) -> None:
    def sides(m: Machine[W], x: W, y: W) -> W:
        return m.select(m.less(x, y), m.mul(x, y), m.div(m.mul(y, y), x))

    less, first, second, _select = lowered(programs, 2, sides)
    assert {(skip.condition, skip.wanted) for skip in (first, second)} == {
        (less.value, True),
        (less.value, False),
    }
    assert sorted(len(skip.block) for skip in (first, second)) == [1, 2]

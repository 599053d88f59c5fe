"""A scalar function as data: the straight line of steps it takes on any machine.

`TraceMachine` runs a function on value numbers instead of values and writes every operation down.
Operations that were already written down with the same operands are not repeated, which changes no
value because every base operation is a pure function of its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aivm.numerics.dtypes import DType
from aivm.numerics.machine import Machine, W, word_of

Immediate = int | str | DType

_COUNT_LAST = frozenset({"shl", "shr", "sar"})


@dataclass(frozen=True, slots=True)
class Step:
    """One base operation: its `Machine` method, value numbers, and what is fixed beside them."""

    operation: str
    operands: tuple[int, ...]
    immediates: tuple[Immediate, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionProgram:
    """Values 0 .. arity-1 are the operands, step i gives value arity + i, `result` is a value."""

    name: str
    arity: int
    steps: tuple[Step, ...]
    result: int


@dataclass(slots=True)
class TraceMachine:
    """`Machine[int]` whose words are value numbers; `steps` is what was recorded."""

    arity: int
    steps: list[Step] = field(default_factory=list)
    _numbers: dict[Step, int] = field(default_factory=dict)

    def _record(self, operation: str, *operands: int, fixed: tuple[Immediate, ...] = ()) -> int:
        step = Step(operation, operands, fixed)
        if step not in self._numbers:
            self._numbers[step] = self.arity + len(self.steps)
            self.steps.append(step)
        return self._numbers[step]

    def f32(self, value: float) -> int:
        return self.bits(word_of(value))

    def bits(self, pattern: int) -> int:
        return self._record("bits", fixed=(pattern,))

    def add(self, a: int, b: int) -> int:
        return self._record("add", a, b)

    def sub(self, a: int, b: int) -> int:
        return self._record("sub", a, b)

    def mul(self, a: int, b: int) -> int:
        return self._record("mul", a, b)

    def div(self, a: int, b: int) -> int:
        return self._record("div", a, b)

    def sqrt(self, a: int) -> int:
        return self._record("sqrt", a)

    def fma(self, a: int, b: int, c: int) -> int:
        return self._record("fma", a, b, c)

    def min(self, a: int, b: int) -> int:
        return self._record("min", a, b)

    def max(self, a: int, b: int) -> int:
        return self._record("max", a, b)

    def equal(self, a: int, b: int) -> int:
        return self._record("equal", a, b)

    def less(self, a: int, b: int) -> int:
        return self._record("less", a, b)

    def less_equal(self, a: int, b: int) -> int:
        return self._record("less_equal", a, b)

    def select(self, truth: int, a: int, b: int) -> int:
        return self._record("select", truth, a, b)

    def canonical(self, a: int) -> int:
        return self._record("canonical", a)

    def and_(self, a: int, b: int) -> int:
        return self._record("and_", a, b)

    def or_(self, a: int, b: int) -> int:
        return self._record("or_", a, b)

    def xor(self, a: int, b: int) -> int:
        return self._record("xor", a, b)

    def shl(self, a: int, count: int) -> int:
        return self._record("shl", a, fixed=(count,))

    def shr(self, a: int, count: int) -> int:
        return self._record("shr", a, fixed=(count,))

    def sar(self, a: int, count: int) -> int:
        return self._record("sar", a, fixed=(count,))

    def iadd(self, a: int, b: int) -> int:
        return self._record("iadd", a, b)

    def isub(self, a: int, b: int) -> int:
        return self._record("isub", a, b)

    def imul(self, a: int, b: int) -> int:
        return self._record("imul", a, b)

    def int_op(self, dtype: DType, name: str, a: int, b: int) -> int:
        return self._record("int_op", a, b, fixed=(dtype, name))

    def int_unary(self, dtype: DType, name: str, a: int) -> int:
        return self._record("int_unary", a, fixed=(dtype, name))

    def compare(self, dtype: DType, name: str, a: int, b: int) -> int:
        return self._record("compare", a, b, fixed=(dtype, name))

    def cast(self, source: DType, target: DType, a: int) -> int:
        return self._record("cast", a, fixed=(source, target))


def trace(name: str, arity: int, function: Callable[..., Any]) -> FunctionProgram:
    """The steps of `function(machine, x0, ...)`, without those that its result does not need."""
    machine = TraceMachine(arity)
    result = int(function(machine, *range(arity)))
    return _without_dead_steps(FunctionProgram(name, arity, tuple(machine.steps), result))


def evaluate(program: FunctionProgram, machine: Machine[W], operands: Sequence[W]) -> W:
    """The program's result on a machine."""
    if len(operands) != program.arity:
        raise ValueError(f"{program.name} takes {program.arity} operands, not {len(operands)}")
    values = list(operands)
    for step in program.steps:
        method: Callable[..., W] = getattr(machine, step.operation)
        words = [values[number] for number in step.operands]
        if step.operation in _COUNT_LAST:
            values.append(method(*words, *step.immediates))
        else:
            values.append(method(*step.immediates, *words))
    return values[program.result]


def _without_dead_steps(program: FunctionProgram) -> FunctionProgram:
    alive = {program.result}
    for index in range(len(program.steps) - 1, -1, -1):
        if program.arity + index in alive:
            alive.update(program.steps[index].operands)
    renumbered = {number: number for number in range(program.arity)}
    steps: list[Step] = []
    for index, step in enumerate(program.steps):
        if program.arity + index in alive:
            renumbered[program.arity + index] = program.arity + len(steps)
            operands = tuple(renumbered[number] for number in step.operands)
            steps.append(Step(step.operation, operands, step.immediates))
    return FunctionProgram(program.name, program.arity, tuple(steps), renumbered[program.result])

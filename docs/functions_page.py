"""The page docs/specification/functions.md: every scalar function as its list of steps."""

from __future__ import annotations

import inspect
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aivm.isa.gas import FLOAT_STEPS
from aivm.isa.opcodes import Function
from aivm.numerics.functions import BINARY, UNARY
from aivm.numerics.trace import FunctionProgram, Step, trace

ACCURACY = Path(__file__).parent / "specification" / "accuracy.json"

INTRODUCTION = """\
# Scalar functions

Every function of F32 that is no base operation, as the straight line of base operations
([numerics.md](numerics.md) sections 4 and 5) that defines it. x and y are the operands, v1, v2,
... the results of the steps in order, `#` begins the eight hexadecimal digits of a constant word,
and a plain decimal number is the count of a shift. What follows a semicolon is a comment: the
constants as numbers. `return` names the result, a truth where the function gives BOOL (0 or 1
then). The results of instructions are made canonical when they are stored.

*Largest error* is measured over all 2^32 words (of functions that are odd or even by construction
over one sign), in units in the last place of the exact result (the distance of the binary32 numbers
around it), with the word where it occurs. `python benchmarks/ulp.py` repeats the measurement
against the C library's binary64 functions. POW is measured over 20 million random pairs.

"""
EXACT = frozenset("neg abs sign floor ceil round trunc is_nan is_inf fmod".split())
CORRECTLY_ROUNDED = frozenset({"sqrt", "reciprocal"})


def page() -> str:
    """The whole page."""
    measured = json.loads(ACCURACY.read_text(encoding="utf-8"))
    made: dict[str, tuple[int, Callable[..., Any]]] = {
        name: (1, function) for name, function in UNARY.items()
    }
    made |= {name: (2, BINARY[name]) for name in ("pow", "fmod")}
    rows = "".join(_row(name, measured) for name in made)
    head = "| function | code | steps (gas) | largest error, ulp | at |\n|---|---|---|---|---|\n"
    sections = "\n".join(
        _section(trace(name, arity, function), function) for name, (arity, function) in made.items()
    )
    return f"{INTRODUCTION}{head}{rows}\n{sections}"


def _row(name: str, measured: dict[str, Any]) -> str:
    function = Function[name.upper()]
    error = {"ulp": "exact" if name in EXACT else "0.5", "word": ""}
    if name not in EXACT | CORRECTLY_ROUNDED:
        error = measured[name]
    steps = FLOAT_STEPS.get(function, 1)
    cells = (function.name, f"{function.value:#04x}", steps, error["ulp"], error["word"])
    return f"| {' | '.join(map(str, cells))} |\n"


def _section(program: FunctionProgram, function: Callable[..., Any]) -> str:
    prose = inspect.cleandoc(function.__doc__ or "")
    names = ["x", "y", "z"][: program.arity]
    lines = []
    for step in program.steps:
        if step.operation == "bits":
            names.append(f"#{step.immediates[0]:08x}")
            continue
        name = f"v{len(lines) + 1}"
        lines.append(_line(name, step, names))
        names.append(name)
    head = f"{program.name}({', '.join(names[: program.arity])})"
    body = "\n".join(f"  {line}" for line in lines)
    title = program.name.upper()
    return f"## {title}\n\n{prose}\n\n```\n{head}\n{body}\n  return {names[program.result]}\n```\n"


def _line(result: str, step: Step, names: list[str]) -> str:
    operands = [names[number] for number in step.operands]
    words = [*operands, *map(str, step.immediates)]
    text = f"{result} = {step.operation} {' '.join(words)}"
    numbers = [_number(word) for word in operands if word.startswith("#")]
    is_float = step.operation in FLOAT_OPERATIONS
    return f"{text:<44}; {', '.join(numbers)}" if numbers and is_float else text


FLOAT_OPERATIONS = frozenset(
    "add sub mul div sqrt fma min max equal less less_equal select canonical".split()
)


def _number(word: str) -> str:
    return f"{struct.unpack('>f', bytes.fromhex(word[1:]))[0]:.9g}"

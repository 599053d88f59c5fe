from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from aivm.engines.plan.rows import Op
from aivm.engines.plan.tape import AXES_MAX, Address, Kind, Step, encode, padded
from aivm.isa.opcodes import Function, Reduction
from aivm.numerics.dtypes import DType

INCLUDE = Path(__file__).parents[4] / "kernels" / "include"


def c_enum(header: str, name: str) -> dict[str, int]:
    """The constants of a C enum."""
    text = (INCLUDE / header).read_text()
    found = re.search(rf"enum {name} {{(.*?)}};", text, re.DOTALL)
    assert found is not None, name
    constants: dict[str, int] = {}
    value = -1
    for item in re.sub(r"//.*", "", found[1]).split(","):
        if item.strip():
            key, _, number = item.partition("=")
            value = int(number, 0) if number.strip() else value + 1
            constants[key.strip()] = value
    return constants


def test_addresses_become_numbers_when_the_buffers_have_a_place() -> None:
    step = Step(Kind.PACK, 7, (Address(3, 8), -1))
    words = encode([step, Step(Kind.IOTA, 8, ())], lambda buffer: 1000 * buffer)
    np.testing.assert_array_equal(words, [3, 5, 7, 3008, -1, 8, 3, 8])
    assert step.buffers == {3}


def test_arrays_of_axes_have_one_size() -> None:
    assert padded([2, 3], fill=1) == (2, 3, 1, 1, 1, 1, 1, 1)
    with pytest.raises(AssertionError):
        padded(range(AXES_MAX + 1))


def test_the_header_has_the_same_codes() -> None:
    kinds = {f"STEP_{kind.name}": int(kind) for kind in Kind}
    assert c_enum("tape.h", "step_kind") == kinds
    assert c_enum("tape.h", "row_kind") == {f"ROW_{op.name}": int(op) for op in Op}
    assert f"#define AIVM_AXES {AXES_MAX}\n" in (INCLUDE / "tape.h").read_text()
    assert c_enum("map.h", "dtype") == {f"{dtype.name}_": int(dtype) for dtype in DType}
    assert c_enum("map.h", "function") == {f"{each.name}_": int(each) for each in Function}
    reductions = {1: "SUM_", 2: "PROD_", 3: "RMAX_", 4: "RMIN_", 5: "ARG_MAX_", 6: "ARG_MIN_"}
    assert c_enum("map.h", "reduction") == {name: code for code, name in reductions.items()}
    assert [int(reduction) for reduction in Reduction] == list(reductions)

from __future__ import annotations

import struct
from typing import Any

import pytest

from aivm.errors import OutOfFuel
from aivm.modules import Limits
from aivm.modules.wasi import Run
from aivm.modules.wasi.nn import (
    INVALID_ARGUMENT,
    INVALID_ENCODING,
    MISSING_MEMORY,
    NOT_FOUND,
    RUNTIME_ERROR,
    SUCCESS,
    TOO_LARGE,
    UNSUPPORTED_OPERATION,
)

from ...conftest import text_model
from .conftest import LIMITS, app_wat, escaped, parameters, run, tensor_record, text_graph, words

TYPES = {
    "nn_load": parameters("iiiii"),
    "nn_load_by_name": parameters("iii"),
    "nn_init_execution_context": parameters("ii"),
    "nn_set_input": parameters("iii"),
    "nn_compute": parameters("i"),
    "nn_get_output": parameters("iiiii"),
    "fd_write": parameters("iiii"),
}
MODEL = text_model()
# Where things lie: the name, dimensions, ids, mask, tensor records, builder, output, model.
NAME, DIMS, IDS, MASK, FIRST, SECOND, BUILDER, OUT, ONNX = (
    *(256, 288, 320, 384, 448, 480, 512, 1024),
    4096,
)
DATA = "".join(
    f'(data (i32.const {place}) "{escaped(content)}")'
    for place, content in {
        32: words(OUT, 12),
        NAME: b"text",
        DIMS: words(1, 3),
        IDS: struct.pack("<3q", 4, 5, 6),
        MASK: struct.pack("<3q", 1, 1, 0),
        FIRST: tensor_record(DIMS, 2, 5, IDS, 24),
        SECOND: tensor_record(DIMS, 2, 5, MASK, 24),
        BUILDER: words(ONNX, len(MODEL)),
        ONNX: MODEL,
    }.items()
)
BY_NAME = ("nn_load_by_name", NAME, 4, 0)
CONTEXT = ("nn_init_execution_context", 0, 4)
INPUTS = (("nn_set_input", 0, 0, FIRST), ("nn_set_input", 0, 1, SECOND))
READY = (BY_NAME, CONTEXT, *INPUTS)
COMPUTE = ("nn_compute", 0)
GET = ("nn_get_output", 0, 0, OUT, 12, 16)
Call = tuple[Any, ...]


def calls(*made: Call, data: str = "", limits: Limits = LIMITS) -> Run:
    """An app that makes these calls, the first to fail ending it, and then writes 12 bytes."""
    code = "(local $error i32)"
    for name, *arguments in made:
        values = " ".join(f"(i32.const {value})" for value in arguments)
        code += f"(local.set $error (call ${name} {values}))"
        code += "(if (local.get $error) (then (call $exit (local.get $error))))"
    code += "(drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 16)))"
    return run(app_wat(code, TYPES, DATA + data), limits=limits, named={"text": text_graph()})


def test_a_graph_by_name() -> None:
    done = calls(*READY, COMPUTE, GET)
    assert (done.status, done.reasons) == (SUCCESS, ())
    assert struct.unpack("<3f", done.stdout) == (4.0, 5.0, 0.0)


def test_a_graph_that_the_app_brings_along() -> None:
    for encoding in (1, 5):
        done = calls(("nn_load", BUILDER, 1, encoding, 0, 0), CONTEXT, *INPUTS, COMPUTE, GET)
        assert struct.unpack("<3f", done.stdout) == (4.0, 5.0, 0.0), done.reasons


def test_fuel_is_the_same_every_time_and_covers_the_model() -> None:
    first, again = calls(*READY, COMPUTE, GET), calls(*READY, COMPUTE, GET)
    assert first.fuel == again.fuel
    assert calls(*READY).fuel + 10_000 < calls(*READY, COMPUTE).fuel
    with pytest.raises(OutOfFuel):
        calls(("nn_load", BUILDER, 1, 1, 0, 0), limits=Limits(20_000, 1 << 20))


def test_a_context_can_compute_again_with_another_input() -> None:
    other = f'(data (i32.const 544) "{escaped(tensor_record(DIMS, 2, 5, IDS, 24))}")'
    done = calls(*READY, COMPUTE, ("nn_set_input", 0, 1, 544), COMPUTE, GET, data=other)
    assert struct.unpack("<3f", done.stdout) == (16.0, 25.0, 36.0)


def record(*fields: int) -> str:
    return f'(data (i32.const 544) "{escaped(tensor_record(*fields))}")'


@pytest.mark.parametrize(
    ("made", "data", "answer", "reason"),
    [
        ([("nn_load_by_name", NAME, 3, 0)], "", NOT_FOUND, "there is: text"),
        ([("nn_load_by_name", NAME, 100_000, 0)], "", NOT_FOUND, "no graph"),
        ([("nn_load_by_name", -4, 4, 0)], "", MISSING_MEMORY, ""),
        ([("nn_load_by_name", NAME, 4, -1)], "", MISSING_MEMORY, ""),
        ([("nn_load", BUILDER, 1, 0, 0, 0)], "", INVALID_ENCODING, "not ONNX"),
        ([("nn_load", BUILDER, 1, 7, 0, 0)], "", INVALID_ARGUMENT, ""),
        ([("nn_load", BUILDER, 1, 1, 1, 0)], "", UNSUPPORTED_OPERATION, "CPU"),
        ([("nn_load", BUILDER, 1, 1, 9, 0)], "", INVALID_ARGUMENT, ""),
        ([("nn_load", BUILDER, 2, 1, 0, 0)], "", INVALID_ARGUMENT, ""),
        ([("nn_load", -8, 1, 1, 0, 0)], "", MISSING_MEMORY, ""),
        (
            [("nn_load", 544, 1, 1, 0, 0)],
            f'(data (i32.const 544) "{escaped(words(ONNX, 100))}")',
            INVALID_ENCODING,
            "load:",
        ),
        ([CONTEXT], "", INVALID_ARGUMENT, ""),
        ([BY_NAME, ("nn_init_execution_context", -1, 4)], "", INVALID_ARGUMENT, ""),
        ([("nn_set_input", 0, 0, FIRST)], "", INVALID_ARGUMENT, ""),
        ([BY_NAME, CONTEXT, ("nn_set_input", 0, 2, FIRST)], "", INVALID_ARGUMENT, "index 2"),
        ([BY_NAME, CONTEXT, ("nn_set_input", 0, 0, -4)], "", MISSING_MEMORY, ""),
        ([*READY, ("nn_set_input", 0, 0, 544)], record(DIMS, 2, 2, IDS, 24), 6, "F64"),
        ([*READY, ("nn_set_input", 0, 0, 544)], record(DIMS, 2, 9, IDS, 24), 1, "type 9"),
        ([*READY, ("nn_set_input", 0, 0, 544)], record(DIMS, 9, 5, IDS, 24), 1, "rank 9"),
        ([*READY, ("nn_set_input", 0, 0, 544)], record(DIMS, 2, 5, IDS, 23), 1, "23 bytes"),
        ([*READY, ("nn_set_input", 0, 0, 544)], record(DIMS, 2, 5, -8, 24), 3, ""),
        ([*READY, ("nn_set_input", 0, 0, 544), COMPUTE], record(DIMS, 2, 1, IDS, 12), 1, "dtype"),
        ([BY_NAME, CONTEXT, INPUTS[0], COMPUTE], "", INVALID_ARGUMENT, "was not set"),
        ([COMPUTE], "", INVALID_ARGUMENT, ""),
        ([*READY, GET], "", RUNTIME_ERROR, "nothing has been computed"),
        ([*READY, COMPUTE, ("nn_get_output", 0, 1, OUT, 12, 16)], "", INVALID_ARGUMENT, ""),
        ([*READY, COMPUTE, ("nn_get_output", 0, 0, OUT, 11, 16)], "", TOO_LARGE, "do not fit"),
        ([*READY, COMPUTE, ("nn_get_output", 0, 0, -4, 12, 16)], "", MISSING_MEMORY, ""),
        ([("nn_get_output", 0, 0, OUT, 12, 16)], "", INVALID_ARGUMENT, ""),
    ],
)
def test_errors_are_those_of_the_standard(
    made: list[Call], data: str, answer: int, reason: str
) -> None:
    done = calls(*made, data=data)
    assert done.status == answer, done.reasons
    assert reason in "; ".join(done.reasons)


def test_shapes_that_the_model_refuses() -> None:
    wider = f'(data (i32.const 552) "{escaped(words(3, 1))}")'
    other = f'(data (i32.const 576) "{escaped(tensor_record(552, 2, 5, IDS, 24))}")'
    wrong = calls(*READY, ("nn_set_input", 0, 0, 576), COMPUTE, data=wider + other)
    assert wrong.status == INVALID_ARGUMENT and "attention_mask" in wrong.reasons[0]


def test_handles_and_inputs_do_not_pile_up() -> None:
    loop = (
        "(local $error i32) (loop $l"
        " (local.set $error (call $nn_load_by_name (i32.const 256) (i32.const 4) (i32.const 0)))"
        " (br_if $l (i32.eqz (local.get $error)))) (call $exit (local.get $error))"
    )
    done = run(app_wat(loop, TYPES, DATA), named={"text": text_graph()})
    assert done.status == TOO_LARGE
    piling = (
        "(local $error i32) (local $context i32)"
        " (drop (call $nn_load_by_name (i32.const 256) (i32.const 4) (i32.const 0)))"
        " (loop $l (drop (call $nn_init_execution_context (i32.const 0) (i32.const 4)))"
        " (local.set $error (call $nn_set_input (i32.load (i32.const 4)) (i32.const 0)"
        " (i32.const 544))) (br_if $l (i32.eqz (local.get $error))))"
        " (call $exit (local.get $error))"
    )
    data = DATA + f'(data (i32.const 544) "{escaped(tensor_record(576, 1, 5, 1024, 64000))}")'
    data += f'(data (i32.const 576) "{escaped(words(8000))}")'
    done = run(
        app_wat(piling, TYPES, data), limits=Limits(10**8, 1 << 20), named={"text": text_graph()}
    )
    assert done.status == TOO_LARGE and "all contexts" in done.reasons[-1]

from __future__ import annotations

import numpy as np
import pytest
import wasmtime

from aivm.errors import BadInput, MalformedModule, ModuleFailed, OutOfFuel, TooLarge
from aivm.modules import Limits, Module
from aivm.modules.tensors import Tensor

from .conftest import FRAME, LIMITS, entry, little, module, module_giving, output, wat

BYTES = Tensor.of_bytes(b"abc")
# Gives its first input back: the same record, found by the caller.
ECHO = entry(
    "(i32.store (i32.const 8) (local.get $in)) (i32.store (i32.const 12) (local.get $count))"
    "(i32.const 0)"
)


def test_tensors_come_back_as_they_went_in() -> None:
    given = [
        Tensor.of(np.arange(6, dtype=np.int64).reshape(2, 3)),
        Tensor.of(np.array(1.5, np.float32)),
        Tensor.of(np.zeros((0, 4), np.float32)),
        Tensor.of(np.array([True, False])),
    ]
    outcome = module(ECHO).run(given)
    assert [tensor.dtype for tensor in outcome.outputs] == [tensor.dtype for tensor in given]
    for ours, theirs in zip(outcome.outputs, given, strict=True):
        assert ours.array.shape == theirs.array.shape and ours.root == theirs.root


def test_fuel_is_the_same_in_every_instance_and_after_the_cache() -> None:
    first = module(ECHO).run([BYTES])
    again = [module(ECHO).run([BYTES]).fuel for _ in range(3)]
    assert {first.fuel, *again} == {first.fuel} and first.fuel > 0


def test_a_run_leaves_nothing_behind() -> None:
    counting = module(
        entry(
            "(global.set $n (i32.add (global.get $n) (i32.const 1)))"
            "(i32.store (i32.const 128) (global.get $n)) (i32.const 0)",
            "(global $n (mut i32) (i32.const 0))" + output(14, 0, (), 128, 4),
        )
    )
    assert [int(counting.run([]).outputs[0].array) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # 0 / 0, a signalling NaN with a payload widened, and a vector sum of such NaNs.
        ("(i64.reinterpret_f64 (f64.div (f64.const 0) (f64.const 0)))", 0x7FF8000000000000),
        (
            "(i64.reinterpret_f64 (f64.promote_f32 (f32.reinterpret_i32 (i32.const 0xffa00001))))",
            0x7FF8000000000000,
        ),
        (
            "(i64x2.extract_lane 0 (f32x4.add (i32x4.splat (i32.const 0xffa00001))"
            " (f32x4.splat (f32.const 1))))",
            0x7FC000007FC00000,
        ),
    ],
)
def test_every_nan_is_the_canonical_one(code: str, expected: int) -> None:
    found = module(
        entry(f"(i64.store (i32.const 128) {code}) (i32.const 0)", output(15, 0, (), 128, 8))
    ).run([])
    assert int(found.outputs[0].array) == expected


def test_a_refusal_is_reported_in_the_modules_words() -> None:
    refusing = module_giving(
        f'(data (i32.const 0) "{little(256, 9)}") (data (i32.const 256) "not\\07 today")'
    )
    with pytest.raises(ModuleFailed, match=r"refused its input: not\? toda"):
        refusing.run([])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (output(7, 1, (4,), 256, 4), "dtype code 7"),
        (output(9, 9, (1,), 256, 1), "rank 9"),
        (output(9, 1, (4, 1), 256, 4), "rank 1 and dimensions"),
        (output(1, 1, (4,), 256, 4), "4 bytes are not a F32"),
        (output(9, 2, (2**31, 2**31), 256, 0), "0 bytes are not a U8"),
        (output(9, 1, (2**32 - 1,), 256, 2**32 - 1), "more than its memory"),
        (output(9, 1, (65536,), 100_000, 65536), "its memory has 131072"),
        (output(9, 1, (4,), 2**32 - 2, 4), "its memory has 131072"),
        (output(8, 1, (1,), 64, 1), "BOOL"),
        (f'(data (i32.const 0) "{little(0, 0, 64, 65)}")', "65 tensors"),
        (f'(data (i32.const 0) "{little(0, 0, -4, 1)}")', "its memory has 131072"),
        (f'(data (i32.const 0) "{little(2**32 - 1, 2**32 - 1)}")', "its memory has 131072"),
    ],
)
def test_results_that_are_no_tensors_are_refused(record: str, message: str) -> None:
    with pytest.raises(ModuleFailed, match=message):
        module_giving(record).run([])


def test_an_overlapping_result_cannot_multiply_memory() -> None:
    one = little(9, 1, 100_000, *(0,) * 7, 0, 100_000)
    many = module_giving(
        f'(data (i32.const 0) "{little(0, 0, 64, 64)}") (data (i32.const 64) "{one * 64}")'
    )
    with pytest.raises(ModuleFailed, match="more than its memory"):
        many.run([])


@pytest.mark.parametrize(
    ("code", "rest", "error", "message"),
    [
        ("(loop $l (br $l)) (i32.const 0)", "", OutOfFuel, "10000000 units"),
        ("(unreachable)", "", ModuleFailed, "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "", ModuleFailed, "divide by zero"),
        ("(i32.load (i32.const -4))", "", ModuleFailed, "out of bounds"),
        ("(call $deep) (i32.const 0)", "(func $deep (call $deep))", ModuleFailed, "too deeply"),
        ("(i32.const -1)", "", ModuleFailed, "its memory has"),
        (
            "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 100000)) (br $l))"
            " (i32.const 0)",
            "",
            OutOfFuel,
            "units",
        ),
    ],
)
def test_what_goes_wrong_in_a_module_is_an_error_of_it(
    code: str, rest: str, error: type[BadInput], message: str
) -> None:
    with pytest.raises(error, match=message):
        module(entry(code, rest)).run([])


def test_a_start_function_is_metered_too() -> None:
    looping = module(entry("(i32.const 0)", "(func $s (loop $l (br $l))) (start $s)"))
    with pytest.raises(OutOfFuel):
        looping.run([])
    trapping = module(entry("(i32.const 0)", "(func $s (unreachable)) (start $s)"))
    with pytest.raises(ModuleFailed, match="unreachable"):
        trapping.run([])


def test_memory_stays_under_its_cap() -> None:
    with pytest.raises(TooLarge, match="limits"):
        module(ECHO, memory="65").run([])
    # Growing beyond the cap is refused, and the module is told so.
    growing = module(
        entry(
            "(i32.store (i32.const 128) (memory.grow (i32.const 1000))) (i32.const 0)",
            output(14, 0, (), 128, 4),
        )
    )
    assert int(growing.run([]).outputs[0].array) == -1


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(TooLarge, match="does not fit"):
        module(ECHO).run([Tensor.of_bytes(bytes(5 << 20))])
    with pytest.raises(ModuleFailed, match="its memory has"):  # this allocator never says no
        module(ECHO).run([Tensor.of_bytes(bytes(1 << 20))])
    with pytest.raises(TooLarge, match="65 tensors"):
        module(ECHO).run([BYTES] * 65)


def test_copying_the_inputs_costs_fuel() -> None:
    small = Module(wat(ECHO), "run", Limits(fuel=100, memory_bytes=1 << 20))
    with pytest.raises(OutOfFuel):
        small.run([Tensor.of_bytes(bytes(1000))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(import "env" "clock" (func))', "imports 'env.clock'"),
        ('(import "wasi_snapshot_preview1" "random_get" (func))', "random_get"),
    ],
)
def test_imports_are_refused(text: str, message: str) -> None:
    whole = FRAME.format(body=entry("(i32.const 0)"), memory="1")
    wasm = wasmtime.wat2wasm(whole.replace("(module", f"(module {text}", 1))
    with pytest.raises(MalformedModule, match=message):
        Module(bytes(wasm), "run", LIMITS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("aivm_abi_1", "aivm_abi_2", "aivm_abi_2; it must export"),
        ("aivm_abi_1", "nothing", "no mark of an interface"),
        ('(export "aivm_alloc")', "", "no function 'aivm_alloc'"),
        ('(export "memory")', "", "does not export its memory"),
        ('"run") (param $in i32)', '"run") (param $in i64)', "takes"),
        ('"run"', '"walk"', "no function 'run'"),
    ],
)
def test_another_interface_is_refused(old: str, new: str, message: str) -> None:
    whole = FRAME.format(body=entry("(i32.const 0)"), memory="1").replace(old, new)
    with pytest.raises(MalformedModule, match=message):
        Module(bytes(wasmtime.wat2wasm(whole)), "run", LIMITS)


@pytest.mark.parametrize(
    "wasm",
    [
        b"",
        b"\0asm\1\0\0\0\xff",
        b"(module)",
        bytes(wasmtime.wat2wasm("(module (memory 1 1 shared))")),
        bytes(wasmtime.wat2wasm("(module (memory i64 1))")),
        bytes(wasmtime.wat2wasm("(module (memory 1) (memory 1))")),
        bytes(
            wasmtime.wat2wasm(
                "(module (func (param v128) (result v128)"
                " (f32x4.relaxed_min (local.get 0) (local.get 0))))"
            )
        ),
    ],
    ids=["empty", "broken", "text", "shared", "64-bit", "two memories", "relaxed"],
)
def test_what_is_no_module_or_not_deterministic_is_refused(wasm: bytes) -> None:
    with pytest.raises(MalformedModule):
        Module(wasm, "run", LIMITS)


@pytest.mark.parametrize(("fuel", "memory"), [(0, 65536), (10**13, 65536), (1, 0), (1, 65537)])
def test_limits_that_no_runner_gives(fuel: int, memory: int) -> None:
    with pytest.raises(BadInput):
        Limits(fuel, memory)

from __future__ import annotations

import numpy as np
import pytest

from aivm.engines import base
from aivm.errors import UnknownEngine, WrongTensor
from aivm.isa.instructions import Map, TensorType
from aivm.isa.opcodes import Function
from aivm.isa.program import Constant, Program
from aivm.numerics.dtypes import DType


def program(*inputs: TensorType) -> Program:
    return Program(inputs, (Constant(TensorType(DType.I8, (2,)), bytes(32)),), (), ())


F32_PAIR = TensorType(DType.F32, (2,))


def test_engines_are_found_by_name() -> None:
    assert "reference" in base.engine_names()
    assert "base" not in base.engine_names()
    assert base.open_engine("reference").name == "reference"


@pytest.mark.parametrize("name", ["", "base", "Reference", "../native", "os"])
def test_unknown_engine_names_the_choices(name: str) -> None:
    with pytest.raises(UnknownEngine) as error:
        base.open_engine(name)
    assert "reference" in error.value.hint


def test_threads_must_be_positive() -> None:
    with pytest.raises(ValueError, match="threads"):
        base.open_engine("reference", threads=0)


def test_good_inputs_become_dense_and_little_endian() -> None:
    big_endian = np.array([1.5, 9.0, -2.5, 9.0], dtype=">f4")[::2]
    (array,) = base.checked_inputs(program(F32_PAIR), [big_endian])
    assert array.tobytes() == np.array([1.5, -2.5], dtype="<f4").tobytes()
    assert array.flags.c_contiguous and array.dtype == np.dtype("<f4")


def test_rank_zero_stays_rank_zero() -> None:
    (array,) = base.checked_inputs(program(TensorType(DType.F32, ())), [np.float32(3).reshape(())])
    assert array.shape == ()


def test_bf16_travels_as_bits() -> None:
    bits = np.array([0x3F80, 0x7FC0], dtype=np.uint16)
    (array,) = base.checked_inputs(program(TensorType(DType.BF16, (2,))), [bits])
    assert array.tolist() == [0x3F80, 0x7FC0]


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<u2"])
def test_f16_is_float16_or_its_bits(dtype: str) -> None:
    given = np.array([1, -2], "<f2")
    given = given.view(dtype) if dtype == "<u2" else given.astype(dtype)
    (array,) = base.checked_inputs(program(TensorType(DType.F16, (2,))), [given])
    assert (array.dtype, array.tolist()) == (np.uint16, [0x3C00, 0xC000])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(2, np.float64), "input 0 has dtype float64"),
        (np.zeros(2, np.uint32), "input 0 has dtype uint32"),
        (np.zeros(3, np.float32), r"input 0 has shape \(3,\)"),
        (np.zeros((1, 2), np.float32), r"input 0 has shape \(1, 2\)"),
    ],
)
def test_wrong_input_is_named(array: np.ndarray, message: str) -> None:
    with pytest.raises(WrongTensor, match=message):
        base.checked_inputs(program(F32_PAIR), [array])


def test_a_wrong_input_has_the_models_name_where_that_is_known() -> None:
    with pytest.raises(WrongTensor, match="input 'ids' has dtype int32"):
        base.checked_inputs(program(F32_PAIR), [np.zeros(2, np.int32)], ["ids"])


def test_wrong_number_of_inputs() -> None:
    with pytest.raises(WrongTensor, match="1 inputs, 0 were given"):
        base.checked_inputs(program(F32_PAIR), [])


def test_wrong_constant_is_named() -> None:
    with pytest.raises(WrongTensor, match="constant 0 has dtype uint8"):
        base.checked_constants(program(), [np.zeros(2, np.uint8)])


def test_bool_bytes_are_zero_or_one() -> None:
    flags = np.array([1, 2], dtype=np.uint8).view(np.bool_)
    with pytest.raises(WrongTensor, match="byte other than 0 and 1"):
        base.checked_inputs(program(TensorType(DType.BOOL, (2,))), [flags])


@pytest.mark.parametrize(
    ("dtype", "given", "read"),
    [
        (DType.F32, [0xFFC00001, 0x3F800000], [0x7FC00000, 0x3F800000]),
        (DType.F32, [0x3F800000, 0x7F800001], [0x3F800000, 0x7FC00000]),
        (DType.F32, [0x7F800000, 0x80000000], [0x7F800000, 0x80000000]),
        (DType.F16, [0xFC01, 0xFC00], [0x7E00, 0xFC00]),
        (DType.BF16, [0x7F81, 0x7F80], [0x7FC0, 0x7F80]),
        (DType.U16, [0xFC01, 0x7F81], [0xFC01, 0x7F81]),
    ],
)
def test_nans_are_read_as_the_canonical_one(
    dtype: DType, given: list[int], read: list[int]
) -> None:
    bits = np.array(given, dtype=f"<u{dtype.size_bytes}")
    array = bits.view(np.float32) if dtype is DType.F32 else bits
    (checked,) = base.checked_inputs(program(TensorType(dtype, (2,))), [array])
    assert checked.view(bits.dtype).tolist() == read
    assert bits.tolist() == given


def test_the_reference_engine_advances_too() -> None:
    pair = TensorType(DType.F32, (2,))
    doubling = Program((pair,), (), (Map(Function.ADD, (0, 0), pair),), (1,))
    executable = base.open_engine("reference").load(doubling, [])
    first = executable.advance([np.array([1, 2], np.float32)])[0]
    second = executable.advance([first])[0]
    assert (first.array().tolist(), second.array().tolist()) == ([2, 4], [4, 8])


def test_a_nan_in_one_number_is_found() -> None:
    odd = np.array(0xFFC00001, np.uint32).view(np.float32)
    (array,) = base.checked_inputs(program(TensorType(DType.F32, ())), [odd])
    assert array.view(np.uint32) == 0x7FC00000

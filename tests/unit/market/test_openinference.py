"""The V2 codec: every bit survives, and whatever a stranger sends is refused cleanly."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from aivm.commitments import numpy_dtype
from aivm.errors import AivmError, BadInput, TooLarge, WrongTensor
from aivm.market.openinference import (
    HEADER_LENGTH,
    Message,
    Tensor,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from aivm.numerics.dtypes import DType

LIMIT = 1 << 20


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from(list(DType)))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    kind = numpy_dtype(dtype)
    count = math.prod(shape) * kind.itemsize
    raw = draw(st.binary(min_size=count, max_size=count))
    if dtype is DType.BOOL:
        raw = bytes(byte & 1 for byte in raw)
    return Tensor(
        draw(st.text(min_size=1, max_size=8)), dtype, np.frombuffer(raw, kind).reshape(shape)
    )


@given(st.lists(tensors(), max_size=4, unique_by=lambda tensor: tensor.name))
def test_every_bit_survives_the_binary_form(sent: list[Tensor]) -> None:
    body, headers = encode_request(Message(tensors=sent, parameters={"aivm_voucher": "v"}, id="7"))
    message = decode_request(body, headers[HEADER_LENGTH], max_bytes=LIMIT)
    assert (message.id, message.parameters["aivm_voucher"]) == ("7", "v")
    assert message.binary_outputs
    for before, after in zip(sent, message.tensors, strict=True):
        assert (before.name, before.dtype) == (after.name, after.dtype)
        assert before.array.shape == after.array.shape
        assert before.array.tobytes() == after.array.tobytes()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6))
def test_f32_survives_json_exactly(values: list[float]) -> None:
    array = np.array(values, np.float32)
    body, headers = encode_response(
        Message(tensors=[Tensor("y", DType.F32, array)], binary_outputs=False)
    )
    assert headers == {"Content-Type": "application/json"}
    message = decode_response(body, None, max_bytes=LIMIT)
    assert message.tensors[0].array.tobytes() == array.tobytes()


def test_nan_is_refused_in_json_and_kept_in_binary() -> None:
    message = Message(tensors=[Tensor("y", DType.F32, np.array([math.nan], np.float32))])
    body, headers = encode_response(message)
    decoded = decode_response(body, headers[HEADER_LENGTH], max_bytes=LIMIT)
    assert np.isnan(decoded.tensors[0].array).all()
    with pytest.raises(BadInput):
        encode_response(Message(tensors=message.tensors, binary_outputs=False))


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=6)))
def test_random_bytes_are_refused_cleanly(body: bytes, header: str | None) -> None:
    with pytest.raises(AivmError):
        decode_request(body, header, max_bytes=LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {
            "name": JSON | st.just("x"),
            "shape": JSON | st.just([2]),
            "datatype": JSON | st.sampled_from(["FP32", "INT8", "BOOL"]),
        },
        optional={"data": JSON | st.just([1, 2]), "parameters": JSON},
    ),
    st.binary(max_size=16),
)
def test_any_json_is_parsed_or_refused_never_crashes(entry: object, binary: bytes) -> None:
    text = json.dumps({"inputs": [entry]}).encode()
    try:
        message = decode_request(text + binary, str(len(text)), max_bytes=LIMIT)
    except AivmError:
        return
    tensor = message.tensors[0]
    assert tensor.array.dtype == numpy_dtype(tensor.dtype)


def request_with(**entry: object) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], **entry}]}
    ).encode()


@pytest.mark.parametrize(
    "entry",
    [
        {"data": [1.0]},
        {"data": [1.0, "2"]},
        {"data": [1.0, True]},
        {"data": [1e39, 0.0]},
        {"data": [[1.0], 2.0]},
        {"datatype": "INT8", "data": [1, 300]},
        {"datatype": "INT8", "data": [1, 1.5]},
        {"datatype": "FP64", "data": [1, 2]},
        {"datatype": "FP16", "data": [1, 2]},
        {"shape": [-1], "data": []},
        {"shape": [2**40], "data": []},
        {"shape": [1] * 9, "data": [1]},
        {"parameters": {"binary_data_size": 8}},
    ],
)
def test_wrong_tensors_are_named(entry: dict[str, object]) -> None:
    with pytest.raises(WrongTensor):
        decode_request(request_with(**entry), None, max_bytes=LIMIT)


def test_sizes_are_bounded_before_anything_is_parsed() -> None:
    with pytest.raises(TooLarge):
        decode_request(b"{" * 100, None, max_bytes=99)


def test_elements_are_sent_as_they_are_or_not_at_all() -> None:
    half = np.array([1.5, -2], ">f2")
    for array in (half, half.astype("<f2").view(np.uint16)):
        body, _ = encode_request(Message(tensors=[Tensor("x", DType.F16, array)]))
        assert body.endswith(bytes.fromhex("003e00c0"))
    with pytest.raises(WrongTensor, match="tensor 'x' has dtype float64, F32 needs float32"):
        encode_request(Message(tensors=[Tensor("x", DType.F32, np.zeros(2))]))

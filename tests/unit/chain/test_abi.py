"""Encoding and decoding by ABI, structs included."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain import artifact
from aivm.chain.abi import Abi, Parameter, decode, encode
from aivm.errors import AivmError, BadInput, InternalError, WrongChain
from aivm.receipts.addresses import checked_address

STRUCT = Parameter.from_json(
    {
        "name": "channel",
        "type": "tuple",
        "components": [
            {"name": "client", "type": "address"},
            {"name": "amounts", "type": "uint128[]"},
            {
                "name": "inner",
                "type": "tuple[2]",
                "components": [{"name": "note", "type": "string"}],
            },
        ],
    }
)

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: checked_address("0x" + raw.hex()))
structs = st.fixed_dictionaries(
    {
        "client": addresses,
        "amounts": st.lists(st.integers(0, 2**128 - 1), max_size=5).map(tuple),
        "inner": st.lists(
            st.fixed_dictionaries({"note": st.text(max_size=40)}), min_size=2, max_size=2
        ).map(tuple),
    }
)


def test_the_canonical_type_of_a_struct() -> None:
    assert STRUCT.kind == "(address,uint128[],(string)[2])"


@given(structs, st.lists(structs, max_size=3).map(tuple))
def test_structs_and_arrays_of_them_round_trip(one: dict[str, Any], many: tuple[Any, ...]) -> None:
    array = Parameter("all", STRUCT.kind + "[]", STRUCT.components)
    data = encode([STRUCT, array], [one, many], what="test")
    assert decode([STRUCT, array], data) == (one, many)


@given(st.binary(max_size=500))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        (value,) = decode([STRUCT], data)
    except WrongChain:
        return
    assert set(value) == {"client", "amounts", "inner"}


def test_a_huge_answer_is_refused() -> None:
    with pytest.raises(WrongChain, match="exceed"):
        decode([Parameter("data", "bytes")], bytes((1 << 20) + 1))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("uint256", "1"),
        ("uint256", 1.0),
        ("address", "0x12"),
        ("bytes32", b"\0" * 33),
        ("bool", 1),
        ("string", b"text"),
        ("uint8[]", 5),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: str, value: object) -> None:
    parameters = [Parameter("before", "uint8"), Parameter("number", kind)]
    with pytest.raises(BadInput) as caught:
        encode(parameters, [1, value], what="Staking.stake")
    message = f"Staking.stake cannot take the value of its argument number ({kind})"
    assert str(caught.value) == message  # and so nothing of the value itself


def test_the_number_of_arguments_is_checked() -> None:
    with pytest.raises(BadInput, match="takes 1 arguments, not 2"):
        encode([Parameter("value", "uint8")], [1, 2], what="stake")


def test_an_unknown_function_is_a_defect_of_ours() -> None:
    with pytest.raises(InternalError):
        Abi([]).encode_call("open", [])


@pytest.mark.parametrize("name", ["AIVMToken", "ModelRegistry", "Staking", "EscrowManager"])
def test_shipped_artifacts_are_complete(name: str) -> None:
    shipped = artifact.load(name)
    assert len(shipped.bytecode) > 1000
    assert shipped.abi.functions
    assert shipped.abi.events
    assert shipped.abi.errors.keys() <= artifact.known_errors().keys()


def test_selectors_are_those_of_the_standards() -> None:
    token = artifact.load("AIVMToken").abi
    assert token.functions["transfer"].selector.hex() == "a9059cbb"
    assert token.functions["approve"].selector.hex() == "095ea7b3"
    transfer = next(event for event in token.events.values() if event.name == "Transfer")
    assert transfer.hash.hex().startswith("ddf252ad1be2c89b")


def test_an_unknown_artifact_is_a_defect_of_ours() -> None:
    with pytest.raises(InternalError, match="lacks the contract artifact Nothing"):
        artifact.load("Nothing")


@given(st.binary(max_size=200), st.sampled_from(["getChannel", "getModel"]))
def test_results_decode_or_are_refused(data: bytes, function: str) -> None:
    name = "EscrowManager" if function == "getChannel" else "ModelRegistry"
    try:
        artifact.load(name).abi.decode_result(function, data)
    except AivmError as error:
        assert isinstance(error, WrongChain)

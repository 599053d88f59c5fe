"""What refusals of nodes and contracts turn into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.abi import Parameter, Signature, encode
from aivm.chain.reverts import decode_error, refusal, reverted
from aivm.chain.rpc import RpcError
from aivm.errors import ChainRejected, InsufficientFunds

EARLY = Signature(
    "NotYetRefundable", (Parameter("channel", "bytes32"), Parameter("refundableAt", "uint64"))
)
ERRORS = {EARLY.selector: EARLY}
DATA = EARLY.selector + encode(EARLY.inputs, [b"\x11" * 32, 7], what="test")


def error(data: object = None, message: str = "execution reverted") -> RpcError:
    return RpcError("eth_call", 3, message, data)


@pytest.mark.parametrize("wrapped", ["0x" + DATA.hex(), {"data": "0x" + DATA.hex()}])
def test_a_custom_error_is_named(wrapped: object) -> None:
    found = refusal(error(wrapped), "EscrowManager.finalize", ERRORS)
    assert isinstance(found, ChainRejected)
    assert found.error == "NotYetRefundable"
    assert found.arguments == {"channel": b"\x11" * 32, "refundableAt": 7}
    assert found.message == (
        "EscrowManager.finalize is refused: "
        f"NotYetRefundable(channel=0x{'11' * 32}, refundableAt=7)"
    )


def test_require_with_a_message() -> None:
    text = Signature("Error", (Parameter("message", "string"),))
    data = text.selector + encode(text.inputs, ["too late"], what="test")
    assert str(reverted(data, "a call", ERRORS)) == "a call is refused: too late"


@pytest.mark.parametrize(
    ("code", "reason"), [(0x11, "an arithmetic overflow"), (0x99, "panic 0x99")]
)
def test_a_panic_is_explained(code: int, reason: str) -> None:
    panic = Signature("Panic", (Parameter("code", "uint256"),))
    data = panic.selector + encode(panic.inputs, [code], what="test")
    assert reason in str(reverted(data, "a call", ERRORS))


def test_an_unknown_error_shows_its_data() -> None:
    found = reverted(b"\xde\xad\xbe\xef" + b"\1" * 100, "a call", ERRORS)
    assert isinstance(found, ChainRejected)
    assert found.error == ""
    assert "0xdeadbeef0101" in str(found)


@pytest.mark.parametrize(
    "message", ["insufficient funds for gas * price + value", "Insufficient funds for transfer"]
)
def test_no_money_for_gas(message: str) -> None:
    assert isinstance(refusal(error(message=message), "a call", ERRORS), InsufficientFunds)


@pytest.mark.parametrize("data", [None, "", "0x", "0xzz", 5, {"data": None}, []])
def test_a_revert_without_reason(data: object) -> None:
    assert str(refusal(error(data), "a call", ERRORS)) == (
        "a call is refused by the contract, without a reason"
    )


def test_any_other_refusal_is_the_nodes() -> None:
    found = refusal(error(message="exceeds block gas limit"), "a call", ERRORS)
    assert str(found) == "the node refuses a call: exceeds block gas limit"


@given(st.binary(max_size=100))
def test_any_arguments_decode_or_nobody_knows_them(tail: bytes) -> None:
    found = decode_error(EARLY.selector + tail, ERRORS)
    assert found is None or set(found[1]) == {"channel", "refundableAt"}
    assert isinstance(reverted(EARLY.selector + tail, "a call", ERRORS), ChainRejected)

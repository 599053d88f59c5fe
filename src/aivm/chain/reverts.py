"""What a refusal means: from revert data and node messages to errors with a name and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aivm.chain.abi import Parameter, Signature, decode
from aivm.chain.rpc import RpcError
from aivm.errors import AivmError, ChainRejected, InsufficientFunds, WrongChain

_ERROR = Signature("Error", (Parameter("message", "string"),))
_PANIC = Signature("Panic", (Parameter("code", "uint256"),))
_BUILT_IN = {signature.selector: signature for signature in (_ERROR, _PANIC)}

_PANICS = {
    0x01: "an assertion failed",
    0x11: "an arithmetic overflow",
    0x12: "a division by zero",
    0x32: "an index out of range",
}

_HINTS = {
    "ERC20InsufficientAllowance": "Approve the contract for this amount of tokens first.",
    "ERC20InsufficientBalance": "Get more tokens, or use a smaller amount.",
}


def refusal(error: RpcError, what: str, errors: Mapping[bytes, Signature]) -> AivmError:
    """The error to raise for a node's refusal of `what` ("EscrowManager.redeem", say)."""
    data = _revert_data(error.data)
    if data:
        return reverted(data, what, errors)
    message = error.message.lower()
    if "insufficient funds" in message or "insufficientfunds" in message:
        return InsufficientFunds(
            f"the account cannot pay the gas of {what}",
            hint="Send the account some of the chain's own coin.",
        )
    if "revert" in message:
        return ChainRejected(f"{what} is refused by the contract, without a reason")
    return ChainRejected(f"the node refuses {what}: {error.message}")


def reverted(data: bytes, what: str, errors: Mapping[bytes, Signature]) -> AivmError:
    """The error to raise for revert data: names the contract's own error and its arguments."""
    named = decode_error(data, errors)
    if named is None:
        return ChainRejected(f"{what} is refused by the contract with the data 0x{data[:68].hex()}")
    name, arguments = named
    shown = ", ".join(f"{key}={_show(value)}" for key, value in arguments.items())
    message = f"{what} is refused: {name}({shown})"
    if name == "Error":
        message = f"{what} is refused: {arguments['message']}"
    elif name == "Panic":
        reason = _PANICS.get(arguments["code"], f"panic {arguments['code']:#x}")
        message = f"{what} is refused: {reason} in the contract"
    hint = _HINTS.get(name, "")
    if name == "ERC20InsufficientBalance":
        return InsufficientFunds(message, hint=hint)
    return ChainRejected(message, hint=hint, error=name, arguments=arguments)


def decode_error(
    data: bytes, errors: Mapping[bytes, Signature]
) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments of the error that revert data encode, or None if nobody knows it."""
    signature = _BUILT_IN.get(data[:4]) or errors.get(data[:4])
    if signature is None:
        return None
    try:
        values = decode(signature.inputs, data[4:])
    except WrongChain:  # a known selector over bytes that are no arguments of it
        return None
    names = (parameter.name for parameter in signature.inputs)
    return signature.name, dict(zip(names, values, strict=True))


def _revert_data(data: object) -> bytes:
    """The revert bytes in a JSON-RPC error; some nodes wrap them in an object once more."""
    if isinstance(data, dict):
        return _revert_data(data.get("data"))
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    return b""


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)

"""Functions of the host as an app imports them: their types, their price, and bad addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import wasmtime

from aivm.errors import ModuleFailed
from aivm.modules.sandbox import Sandbox

# What a call costs besides the bytes that it moves: about the instructions of as much time.
CALL_FUEL = 10_000
_TYPES = {"i": wasmtime.ValType.i32, "I": wasmtime.ValType.i64}


@dataclass(frozen=True)
class HostFunction:
    """`parameters` are letters, i for i32 and I for i64; `call` takes them unsigned.

    It returns an error number, which the app gets (nothing where `returns` is false). `fault` is
    the number for an address outside the app's memory.
    """

    parameters: str
    call: Callable[..., int]
    fault: int
    returns: bool = True

    def has_type(self, type_: wasmtime.FuncType) -> bool:
        takes = [str(kind) for kind in type_.params]
        gives = [str(kind) for kind in type_.results]
        wanted = ["i32" if letter == "i" else "i64" for letter in self.parameters]
        return takes == wanted and gives == ["i32"] * self.returns


Functions = Mapping[tuple[str, str], HostFunction]
"""By module and name, as an import names them."""


def bind(sandbox: Sandbox, function: HostFunction) -> wasmtime.Func:
    """The function as an import of the sandbox's instance."""
    masks = [0xFFFFFFFF if letter == "i" else 2**64 - 1 for letter in function.parameters]

    def called(caller: wasmtime.Caller, *arguments: int) -> int | None:
        sandbox.charge(CALL_FUEL)
        sandbox.use_memory(caller.get("memory"))  # a start function calls before there are exports
        words = [value & mask for value, mask in zip(arguments, masks, strict=True)]
        try:
            number = function.call(*words)
        except ModuleFailed:  # an address outside its memory, which is for the app to handle
            number = function.fault
        return number if function.returns else None

    parameters = [_TYPES[letter]() for letter in function.parameters]
    results = [wasmtime.ValType.i32()] * function.returns
    type_ = wasmtime.FuncType(parameters, results)
    return wasmtime.Func(sandbox.store, type_, called, access_caller=True)

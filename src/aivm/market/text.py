"""From a sentence to the inputs of a text model, by the tokeniser module of its package.

The module runs in the sandbox, wherever it runs: the same bytes of text give the same tokens on
every machine, and a receipt over them can be checked by anybody.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aivm.errors import BadInput, TooLarge, UnsupportedModel
from aivm.modules import Tensor
from aivm.packages import Package
from aivm.packages.modules import LoadedModule
from aivm.receipts import StageRole

Array = np.ndarray[Any, Any]
# Without a mask, padding would change the result.
_NEEDED = {"input_ids", "attention_mask"}
_PORTS = _NEEDED | {"token_type_ids"}


def encode_text(package: Package, text: str, max_tokens: int | None = None) -> dict[str, Array]:
    """Token ids [1, length] and mask for the shortest program that holds them, padded with zeros.

    With `max_tokens` the text is cut to so many tokens; without, nothing is cut off. Raises
    UnsupportedModel for a model without a tokeniser, TooLarge for a text that no program of the
    package holds, BadInput for one that is not Unicode, and what a module raises.
    """
    module = package.module(StageRole.TOKENIZER)
    if module is None:
        raise UnsupportedModel(
            f"{package.manifest.name} carries no tokeniser module",
            hint="Give tensors with --input; publishers: see docs/guides/modules.md.",
        )
    return tokens_for(package, module, text_tensors(text, max_tokens))


def text_tensors(text: str, max_tokens: int | None = None) -> list[Tensor]:
    """What a tokeniser is given: UTF-8 as U8[n], and the limit as I64[] if there is one."""
    try:
        tensors = [Tensor.of_bytes(text.encode())]
    except UnicodeEncodeError:
        raise BadInput("the text holds half a surrogate pair, which is no character") from None
    if max_tokens is not None:
        tensors.append(Tensor.of(np.array(max_tokens, np.int64)))
    return tensors


def tokens_for(package: Package, module: LoadedModule, inputs: list[Tensor]) -> dict[str, Array]:
    """The tokeniser's tensors as a program of the package takes them."""
    lengths = sorted(_lengths(package))
    found = {name: tensor.array for name, tensor in module.run(inputs).items()}
    names = [port.name for port in package.manifest.entries[0].inputs]
    shapes = {found[name].shape for name in names if name in found}
    if len(shapes) != 1 or not set(names) <= found.keys() or len(shape := shapes.pop()) != 2:
        raise UnsupportedModel(
            f"the tokeniser of {package.manifest.name} does not give its model's inputs"
        )
    length = next((length for length in lengths if length >= shape[1]), None)
    if shape[0] != 1 or length is None:
        raise TooLarge(
            f"the text has {shape[1]} tokens; the longest program takes {lengths[-1]}",
            hint="Split the text, or cut it with --max-tokens.",
        )
    padding = ((0, 0), (0, length - shape[1]))
    return {name: np.pad(found[name], padding) for name in names}


def _lengths(package: Package) -> set[int]:
    lengths = set()
    for entry in package.manifest.entries:
        names = {port.name for port in entry.inputs}
        shapes = {tuple(port.shape) for port in entry.inputs}
        shape = shapes.pop()
        fits = not shapes and _NEEDED <= names <= _PORTS and len(shape) == 2 and shape[0] == 1
        if not fits:
            raise UnsupportedModel(
                f"{package.manifest.name} does not take token ids of one text",
                hint="Give tensors with --input.",
            )
        lengths.add(shape[1])
    return lengths

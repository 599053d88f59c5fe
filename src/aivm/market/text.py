"""From a sentence to the inputs of a text model, by the tokenizer that its package carries."""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Tokenizer

from aivm.errors import MalformedPackage, TooLarge, UnsupportedModel
from aivm.packages import Package

Array = np.ndarray[Any, Any]
TOKENIZER_FILE = "tokenizer.json"
# Without a mask, padding would change the result.
_NEEDED = {"input_ids", "attention_mask"}
_PORTS = _NEEDED | {"token_type_ids"}


def encode_text(package: Package, text: str) -> dict[str, Array]:
    """Token ids [1, length] and mask for the shortest program that holds them, padded with zeros.

    Raises UnsupportedModel for a model that does not take token ids, TooLarge for a text that no
    program of the package holds: nothing is cut off silently.
    """
    lengths = sorted(_lengths(package))
    encoded = _tokenizer(package).encode(text)
    length = next((length for length in lengths if length >= len(encoded.ids)), None)
    if length is None:
        raise TooLarge(
            f"the text has {len(encoded.ids)} tokens; the longest program takes {lengths[-1]}",
            hint="Split the text.",
        )
    columns = {
        "input_ids": encoded.ids,
        "attention_mask": encoded.attention_mask,
        "token_type_ids": encoded.type_ids,
    }
    names = {port.name for port in package.manifest.entries[0].inputs}
    padding = [0] * (length - len(encoded.ids))
    return {
        name: np.array([values + padding], np.int64)
        for name, values in columns.items()
        if name in names
    }


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


def _tokenizer(package: Package) -> Any:
    if all(entry.path != TOKENIZER_FILE for entry in package.manifest.files):
        raise UnsupportedModel(
            f"{package.manifest.name} carries no {TOKENIZER_FILE}",
            hint="Give tensors with --input.",
        )
    content = package.read(TOKENIZER_FILE)
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises bare Exception for a malformed file
        raise MalformedPackage(f"{TOKENIZER_FILE} cannot be read: {error}") from None
    # Files of published models often carry a fixed padding and truncation: ours are above.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer

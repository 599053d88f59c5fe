"""From text to the tensors of a model and back, by the tokenizer that its package carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

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
    encoded = tokenizer_of(package).encode(text)
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


def decoded(package: Package, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens, in pieces as they come; special tokens have none.

    A piece waits until its characters are whole: a token may end inside of one.
    """
    tokenizer = tokenizer_of(package)
    stream = DecodeStream(skip_special_tokens=True)
    waiting: list[int] = []
    for token in tokens:
        waiting.append(token)
        piece = stream.step(tokenizer, token)
        if piece is not None:
            waiting.clear()
            yield piece
    if rest := tokenizer.decode(waiting):  # a character that was never completed
        yield rest


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


def tokenizer_of(package: Package) -> Any:
    """The package's tokenizer, without padding and truncation. Raises UnsupportedModel."""
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

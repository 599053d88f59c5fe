"""Text to tokens and back, for packages that carry the tokenizer of a language model.

A receipt about a generation begins and ends with tokens, so what happens here is for people: nobody
has to trust it, and it needs no sandbox of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from aivm.errors import MalformedPackage, UnsupportedModel
from aivm.packages import Package

TOKENIZER_FILE = "tokenizer.json"


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

"""Text from tokens, piece by piece."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from aivm.errors import MalformedPackage, UnsupportedModel
from aivm.market.tokenizer import decoded, tokenizer_of


class Carrier:
    """What of a package these functions look at."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.manifest = self
        self.name = "demo/x"
        self.path = "tokenizer.json"
        self.files = [] if content is None else [self]

    def read(self, _path: str) -> bytes:
        assert self.content is not None
        return self.content


@pytest.fixture
def package() -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|end|>"])
    return Carrier(tokenizer.to_str().encode())


def test_a_piece_waits_for_whole_characters(package: Any) -> None:
    ids = tokenizer_of(package).encode("a€b<|end|>你").ids
    assert len(ids) == 9
    assert list(decoded(package, ids)) == ["a", "€", "b", "你"]


def test_a_character_that_is_never_completed_is_shown_as_one_that_is_not(package: Any) -> None:
    ids = tokenizer_of(package).encode("a€").ids
    assert list(decoded(package, ids[:-1])) == ["a", "\N{REPLACEMENT CHARACTER}"]
    assert list(decoded(package, [])) == []


def test_pieces_come_before_the_tokens_end(package: Any) -> None:
    def endless() -> Any:
        yield tokenizer_of(package).encode("a").ids[0]
        raise AssertionError("read ahead")

    assert next(decoded(package, endless())) == "a"


def test_a_package_without_a_readable_tokenizer_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="carries no tokenizer"):
        tokenizer_of(Carrier(None))  # type: ignore[arg-type]
    with pytest.raises(MalformedPackage, match="cannot be read"):
        tokenizer_of(Carrier(b"{}"))  # type: ignore[arg-type]

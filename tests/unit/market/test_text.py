from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.errors import BadInput, ModuleFailed, OutOfFuel, TooLarge, UnsupportedModel
from aivm.market.text import encode_text
from aivm.packages import wordpiece_module
from aivm.receipts import StageRole

from ..conftest import double, pack_text_model


def test_tokens_padded_to_the_shortest_program(text_package: Any) -> None:
    short = encode_text(text_package, "hello worlds")
    assert short["input_ids"].tolist() == [[2, 5, 6, 7, 3, 0, 0, 0]]
    assert short["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert short["input_ids"].dtype == np.int64
    assert encode_text(text_package, "")["input_ids"].tolist() == [[2, 3, 0, 0]]
    # The model has no token_type_ids, so they are not among its inputs.
    assert set(short) == {"input_ids", "attention_mask"}


def test_a_text_is_cut_only_where_that_was_asked_for(text_package: Any) -> None:
    with pytest.raises(TooLarge, match="12 tokens; the longest program takes 8"):
        encode_text(text_package, "hello " * 10)
    assert encode_text(text_package, "hello " * 10, 4)["input_ids"].tolist() == [[2, 5, 5, 3]]
    with pytest.raises(ModuleFailed, match="2 tokens or more"):
        encode_text(text_package, "hello", 1)


def test_half_a_character_is_no_text(text_package: Any) -> None:
    with pytest.raises(BadInput, match="surrogate"):
        encode_text(text_package, json.loads('"\\ud800"'))


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\0" * 10_000_000, "a " * 5_000_000])
def test_a_text_of_ten_megabytes_ends_in_an_answer(text_package: Any, text: str) -> None:
    with pytest.raises((ModuleFailed, OutOfFuel, TooLarge)):
        encode_text(text_package, text)


def test_models_without_a_tokeniser(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="no tokeniser"):
        encode_text(pack_text_model(tmp_path / "none", []), "hello")
    alone = double(StageRole.TOKENIZER, ["text"], outputs=("ids",))
    with pytest.raises(UnsupportedModel, match="does not give its model's inputs"):
        encode_text(pack_text_model(tmp_path / "other", [alone]), "hello")


def test_equal_lengths_need_no_padding(tmp_path: Path) -> None:
    package = pack_text_model(tmp_path / "package", [wordpiece_module("vocab.txt")], lengths=[3])
    assert encode_text(package, "hello")["attention_mask"].tolist() == [[1, 1, 1]]

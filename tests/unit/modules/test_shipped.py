"""The tokeniser module against the library `tokenizers`, whose results it has to give."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from aivm.errors import AivmError, ModuleFailed, OutOfFuel
from aivm.modules import Limits, Module, shipped
from aivm.modules.tensors import Tensor

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the embed a un ##able ##ding ##s ##ly aff hello world caf ##e naive ha 你 ß ! , . ' - [ ]"
MARKS = "\u0301\u0308\u0323\u05b0\u0345\u302e\u1715\U0001d165\U0001e8d0\u08d3\u0fb7\u0c3c"
CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


@cache
def vocabulary() -> list[str]:
    """Words, and every character that normalisation can give, within and at the start of a word.

    Only where each character is a token can a wrong one be seen.
    """
    normal = normalizers.BertNormalizer(lowercase=True)
    given = {
        character
        for code in range(0x3000)
        for character in normal.normalize_str(chr(code))
        if not character.isspace()
    }
    letters = sorted(given | set(MARKS))
    found = [*SPECIAL, *WORDS.split(), *letters, *(f"##{letter}" for letter in letters)]
    return list(dict.fromkeys(found))


@cache
def library() -> Tokenizer:
    ids = {token: index for index, token in enumerate(vocabulary())}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(SPECIAL)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


@cache
def ours() -> Module:
    return Module(shipped.wordpiece(), shipped.WORDPIECE_ENTRY, Limits(10**10, 64 << 20))


def tokenize(text: bytes, limit: int | None = None, words: list[str] | None = None) -> list[int]:
    listed = "\n".join(vocabulary() if words is None else words) + "\n"
    inputs = [Tensor.of_bytes(listed.encode()), Tensor.of_bytes(text)]
    if limit is not None:
        inputs.append(Tensor.of(np.array(limit, np.int64)))
    ids, mask, types = (tensor.array for tensor in ours().run(inputs).outputs)
    assert ids.shape == mask.shape == types.shape == (1, ids.size)
    assert mask.all() and not types.any()
    return [int(value) for value in ids[0]]


def same(texts: list[str]) -> None:
    """Many texts in one call: special tokens part them, in the library as in the module."""
    joined = "[MASK]".join(texts)
    if tokenize(joined.encode()) != library().encode(joined).ids:
        wrong = [t for t in texts if tokenize(t.encode()) != library().encode(t).ids]
        raise AssertionError(f"differs for {[ascii(text) for text in wrong[:3]]}")


def test_the_artifact_is_the_one_that_its_record_names() -> None:
    record = json.loads(files("aivm.modules").joinpath("artifacts/artifacts.json").read_bytes())
    entry = record["artifacts"]["wordpiece.wasm"]
    assert entry["sha256"] == hashlib.sha256(shipped.wordpiece()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Hello, world!",
        "UNABLE unaffable xyzzy",
        "naïve café — ß ẞ İ ŉ",
        "你好，世界 한국어 ｶﾀｶﾅ",
        "a\0b\ufffdc\u200bd\u00ade\t\r\nf\u3000g\u2028h",
        "[CLS] [SEP][MASK] [cls] [CLS [UNK]x",
        "a" * 100,
        "a" * 101,
        "a" * 99 + "\u0301\u302e\u1715",
        "a" + "\u302e\u1715" * 60,
        "o\u0323\u0301 o\u0301\u0323 \u0301 \u1715\U0001d165\u302e",
        "\U0010ffff\U000e0001\U0001f600",
    ],
    ids=ascii,
)
def test_texts_that_have_gone_wrong_elsewhere(text: str) -> None:
    assert tokenize(text.encode()) == library().encode(text).ids


def each_alone(codes: list[int]) -> None:
    for start in range(0, len(codes), 2048):
        same([f"{chr(c)} a{chr(c)}a" for c in codes[start : start + 2048]])


def test_the_first_code_points_and_some_of_the_others() -> None:
    each_alone(CODE_POINTS[:0x3400] + CODE_POINTS[0x3400::97])


@pytest.mark.slow
def test_every_code_point() -> None:
    each_alone(CODE_POINTS)


def test_random_texts() -> None:
    random = Random(7)
    assigned = [c for c in CODE_POINTS if unicodedata.category(chr(c)) not in ("Cn", "Co")]
    texts = []
    for _ in range(4000):
        pools = random.choice([(assigned,), (list(map(ord, MARKS)), assigned), (range(0x250),)])
        length = random.choice([5, 20, 101])
        texts.append("".join(chr(random.choice(random.choice(pools))) for _ in range(length)))
    same(texts)


@pytest.mark.parametrize("limit", [2, 3, 5, 100, 2**40])
def test_cutting(limit: int) -> None:
    text = "the unable world, embedding [SEP] hello"
    cutting = Tokenizer.from_str(library().to_str())
    cutting.enable_truncation(min(limit, 1000))
    assert tokenize(text.encode(), limit) == cutting.encode(text).ids


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xe4\xbd", b"\x80", b"\xf5"],
)
def test_what_is_not_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(ModuleFailed, match="UTF-8"):
        tokenize(text)
    with pytest.raises(ModuleFailed, match="UTF-8"):
        tokenize(b"some words and then " + text)


def test_inputs_of_another_form_are_refused() -> None:
    with pytest.raises(ModuleFailed, match="2 tokens or more"):
        tokenize(b"a", 1)
    with pytest.raises(ModuleFailed, match="lacks one of"):
        tokenize(b"a", words=["a", "b"])
    vocabulary_only = [Tensor.of_bytes(b"[UNK]\n")]
    with pytest.raises(ModuleFailed, match="takes a vocabulary"):
        ours().run(vocabulary_only)
    with pytest.raises(ModuleFailed, match="must be bytes"):
        ours().run([*vocabulary_only, Tensor.of(np.zeros(3, np.int8))])
    with pytest.raises(ModuleFailed, match="one I64"):
        ours().run([*vocabulary_only * 2, Tensor.of(np.zeros(1, np.int64))])


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        (b"a" * 10_000_000, True),  # one word, and ids for ten million tokens do not fit
        (b"a" * 1_000_000, False),
        (b"\0" * 1_000_000, False),
        ("\u302e".encode() * 300_000, False),
        (b"[CLS]" * 100_000, False),
        (b"aaaaaaaaab" * 100_000, False),
    ],
    ids=["10 MB", "a word", "NULs", "marks", "specials", "no word"],
)
def test_hostile_texts_cost_fuel_and_nothing_else(text: bytes, fails: bool) -> None:
    if fails:
        with pytest.raises(ModuleFailed, match="memory"):
            tokenize(text)
    else:
        assert tokenize(text) == library().encode(text.decode()).ids


def test_fuel_bounds_a_long_text() -> None:
    small = Module(shipped.wordpiece(), shipped.WORDPIECE_ENTRY, Limits(10**6, 64 << 20))
    with pytest.raises(OutOfFuel):
        small.run(
            [Tensor.of_bytes(b"\n".join(map(str.encode, SPECIAL))), Tensor.of_bytes(b"a " * 10**5)]
        )


def test_the_same_fuel_every_time() -> None:
    inputs = [Tensor.of_bytes("\n".join(vocabulary()).encode()), Tensor.of_bytes(b"hello world")]
    again = Module(shipped.wordpiece(), shipped.WORDPIECE_ENTRY, Limits(10**9, 1 << 24))
    assert len({ours().run(inputs).fuel, ours().run(inputs).fuel, again.run(inputs).fuel}) == 1


def test_a_bit_flip_in_the_module_never_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is not what its digest says may give anything, but only tensors or errors."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    random = Random(3)
    wasm = shipped.wordpiece()
    inputs = [Tensor.of_bytes(b"\n".join(map(str.encode, SPECIAL))), Tensor.of_bytes(b"hi")]
    for _ in range(30):
        broken = bytearray(wasm)
        broken[random.randrange(8, 9000)] ^= 1 << random.randrange(8)
        try:
            Module(bytes(broken), "tokenize", Limits(10**7, 4 << 20)).run(inputs)
        except AivmError:
            continue

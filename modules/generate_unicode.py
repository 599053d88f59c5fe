"""Writes tokenizer/unicode.gen.h: what BERT's uncased normaliser does to every code point.

    python modules/generate_unicode.py            write it
    python modules/generate_unicode.py --check    fail if it is stale

The tables are measured, not downloaded: each of the 1,112,064 code points is given to the library
`tokenizers`, whose parts use Unicode tables of different ages, so that what the library does is the
definition. Once written they are pinned: they travel inside the module, and its digest names them.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tokenizers
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

LIBRARY_VERSION = "0.23.3"
OUTPUT = Path(__file__).resolve().parent / "tokenizer" / "unicode.gen.h"
BLOCK = 256
CLASS_SHIFT = 21
HANGUL = range(0xAC00, 0xD7A4)
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = [code for code in range(0x110000) if code not in SURROGATES]

# The classes; from FIRST_MARK on, a mark that is kept and its place in the list of orders; from
# FIRST_MAPPING on, what the code point becomes.
NAMES = ("WORD", "PUNCTUATION", "ALONE", "SPACE", "REMOVED", "REMOVED_MARK", "REMOVED_BASE")
WORD, PUNCTUATION, ALONE, SPACE, REMOVED, REMOVED_MARK, REMOVED_BASE = range(7)
HANGUL_SYLLABLE, FIRST_MARK, FIRST_MAPPING = 7, 8, 32

_normal = BertNormalizer(
    clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
)
_clean = BertNormalizer(
    clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False
)
_decompose = NFD()
_split = BertPreTokenizer()


@dataclass
class Tables:
    """The class of every code point, the mappings, and the orders of marks that are kept."""

    classes: list[int] = field(default_factory=lambda: [WORD] * 0x110000)
    final: dict[str, int] = field(default_factory=dict)
    mappings: dict[str, int] = field(default_factory=dict)
    orders: list[int] = field(default_factory=list)


def measure() -> Tables:
    """Asks the library about every code point."""
    order = combining_classes()
    normal = {code: _normal.normalize_str(chr(code)) for code in CODE_POINTS}
    kept = {character for text in normal.values() for character in text}
    tables = Tables()
    tables.orders = sorted({order[ord(mark)] for mark in kept if ord(mark) in order})
    tables.final = {mark: _final_class(mark, order, tables.orders) for mark in kept}
    for code in CODE_POINTS:
        tables.classes[code] = _class(code, normal[code], order, tables)
    return tables


def combining_classes() -> dict[int, int]:
    """The canonical combining class (not 0) of every mark that the library's NFD knows."""
    below, overlay = chr(0x316), chr(0x334)  # of classes 220 and 1
    marks = [
        character
        for character in map(chr, CODE_POINTS)
        if (_swaps(below, character) or _swaps(character, overlay) or character == overlay)
        and _decompose.normalize_str(character) == character
    ]
    known = {unicodedata.combining(mark): mark for mark in marks}
    found = {}
    for mark in marks:
        equal = [
            value
            for value, other in known.items()
            if not _swaps(mark, other) and not _swaps(other, mark)
        ]
        assert len(equal) == 1, hex(ord(mark))
        found[ord(mark)] = equal[0]
    return found


def _swaps(first: str, second: str) -> bool:
    changed = str(_decompose.normalize_str(first + second))
    return first != second and changed == second + first


def _final_class(character: str, order: dict[int, int], orders: list[int]) -> int:
    """The class of a character that normalisation gives."""
    if character == " ":
        return SPACE
    if ord(character) in order:
        return FIRST_MARK + orders.index(order[ord(character)])
    pieces = [piece for piece, _ in _split.pre_tokenize_str(f"a{character}a")]
    assert pieces in ([f"a{character}a"], ["a", character, "a"]), hex(ord(character))
    return WORD if len(pieces) == 1 else PUNCTUATION


def _class(code: int, text: str, order: dict[int, int], tables: Tables) -> int:
    character = chr(code)
    if code in HANGUL:
        assert text == _jamo(code), hex(code)
        return HANGUL_SYLLABLE
    if text == "":
        if _clean.normalize_str(character) == "":
            return REMOVED
        return REMOVED_MARK if _is_marks(character, order) else REMOVED_BASE
    if text == f" {character} ":
        return ALONE
    if text == character or text == " ":
        return tables.final[text]
    assert ord(text.strip()[0]) not in order, hex(code)
    assert len(text.strip()) <= len(character.encode()), hex(code)  # tokens <= bytes of text
    return FIRST_MAPPING + tables.mappings.setdefault(text, len(tables.mappings))


def _is_marks(character: str, order: dict[int, int]) -> bool:
    """Whether it leaves the order of the marks around it alone."""
    return all(ord(part) in order for part in _decompose.normalize_str(character))


def _jamo(code: int) -> str:
    """A Hangul syllable as its letters (The Unicode Standard, section 3.12)."""
    index = code - HANGUL.start
    parts = [0x1100 + index // 588, 0x1161 + index % 588 // 28, 0x11A7 + index % 28]
    return "".join(map(chr, parts if index % 28 else parts[:2]))


def render(tables: Tables) -> str:
    """The header."""
    assert FIRST_MARK + len(tables.orders) <= FIRST_MAPPING
    blocks: dict[tuple[int, ...], int] = {}
    stage = []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(tables.classes[start : start + BLOCK])
        stage.append(blocks.setdefault(block, len(blocks)))
    targets: list[int] = []
    starts = [0]
    for text in tables.mappings:
        targets += [
            ord(character) | (ALONE if text[0] == " " else tables.final[character]) << CLASS_SHIFT
            for character in text.strip()
        ]
        starts.append(len(targets))
    names = [*NAMES, "HANGUL_SYLLABLE"]
    constants = [f"    CLASS_{name} = {value}," for value, name in enumerate(names)]
    return "\n".join(
        [
            "// Generated by modules/generate_unicode.py; do not edit.",
            f"// What tokenizers {LIBRARY_VERSION} does to each code point: see that file.",
            "#pragma once",
            "#include <stdint.h>",
            "",
            "enum {",
            *constants,
            f"    CLASS_FIRST_MARK = {FIRST_MARK}, // + place of its combining class in the list",
            f"    CLASS_FIRST_MAPPING = {FIRST_MAPPING},",
            f"    MARK_ORDERS = {len(tables.orders)},",
            f"    UNICODE_BLOCK = {BLOCK},",
            f"    CLASS_SHIFT = {CLASS_SHIFT},",
            "};",
            "",
            "// What a code point becomes: each a code point and its class.",
            *_array("uint32_t", "MAPPING_TARGETS", targets),
            *_array("uint16_t", "MAPPING_STARTS", starts),
            *_array("uint8_t", "UNICODE_STAGE", stage),
            *_array("uint16_t", "UNICODE_CLASSES", [c for block in blocks for c in block]),
            "",
        ]
    )


def _array(kind: str, name: str, values: list[int]) -> Iterator[str]:
    limit = {"uint8_t": 1 << 8, "uint16_t": 1 << 16, "uint32_t": 1 << 32}[kind]
    assert all(0 <= value < limit for value in values), name
    yield f"static const {kind} {name}[{len(values)}] = {{"
    for start in range(0, len(values), 16):
        yield "    " + ",".join(map(str, values[start : start + 16])) + ","
    yield "};"


def main(arguments: list[str]) -> int:
    if tokenizers.__version__ != LIBRARY_VERSION:
        sys.stderr.write(f"tokenizers {LIBRARY_VERSION} is needed\n")
        return 2
    text = render(measure())
    if "--check" in arguments:
        if OUTPUT.is_file() and OUTPUT.read_text() == text:
            return 0
        sys.stderr.write(f"{OUTPUT.name} is stale: run modules/generate_unicode.py\n")
        return 3
    OUTPUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

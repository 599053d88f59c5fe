"""Vectors of the encodings around programs: canonical JSON, CIDs, UnixFS, varints."""

from __future__ import annotations

import json
from typing import Any

from aivm.commitments import canonical_json, varint
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, Entry, build_directory, build_file, leaf
from aivm.errors import AivmError, MalformedPackage
from generator.ledger import indented, pattern

CANONICAL = (
    '{"b":1,"a":2}',
    '{ "a" : [ 1 , -5 , null , true , false ] }',
    '"\\u0041\\u00e9\\/\\b\\f\\n\\r\\t\\u001f\\"\\\\"',
    '{"\\u20ac":1,"\\r":2,"1":3,"\\ud83d\\ude00":4,"\\u0080":5,"\\u00f6":6,"\\uff21":7}',
    "9007199254740991",
    "-9007199254740991",
    "0",
    "[]",
    "{}",
    '""',
    '{"a":{"b":{"c":[[[]]]}}}',
)
REFUSED = (
    *('{"a":1,"a":2}', "1.5", "1e3", "NaN", "-Infinity", "-0", "01", "9007199254740992"),
    *('"e\\u0301"', '"\\ud800"', "\ufeff{}", "", "{} {}", "{'a':1}", "[1,]", '"tab\there"'),
    *("nul", '"unclosed', "[" * 33 + "]" * 33, "{1:2}", "+1", "1 2"),
)


def canonical_documents() -> str:
    """Texts and their one spelling; and texts that are refused."""
    cases: list[dict[str, Any]] = []
    for text in CANONICAL:
        spelled = canonical_json.spell(canonical_json.parse(text.encode(), MalformedPackage))
        cases.append({"text": text, "canonical": spelled.hex()})
    for text in REFUSED:
        try:
            canonical_json.parse(text.encode(), MalformedPackage)
        except AivmError:
            cases.append({"text": text, "canonical": None})
            continue
        raise AssertionError(f"{text!r} was meant to be refused")
    about = "JSON texts and the bytes of their canonical form, or null where the text is refused."
    return indented({"about": about, "cases": cases})


def contents() -> str:
    """CIDs of blocks, files and directories over bytes (7 * i + 3) mod 251."""
    blocks = [
        {"size": size, "codec": codec.name.lower(), "cid": str(Cid.of(codec, pattern(size)))}
        for codec in Codec
        for size in (0, 1, 1000)
    ]
    sizes = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7)
    files = {size: _file(pattern(size)) for size in sizes}
    listed = [
        {"size": size, "cid": str(entry.cid), "dag_size": entry.dag_size}
        for size, entry in files.items()
    ]
    directories = []
    for names in (("a",), ("b", "a", "Z", "é"), ()):
        entries = {name: files[sizes[at]] for at, name in enumerate(names)}
        made, block = build_directory(entries)
        sizes_of = {name: sizes[at] for at, name in enumerate(names)}
        directories.append({"entries": sizes_of, "cid": str(made.cid), "block": block.hex()})
    integers = [0, 1, 127, 128, 300, 2**31, 2**63 - 1]
    varints = [{"value": value, "bytes": varint.encode(value).hex()} for value in integers]
    return (
        json.dumps(
            {
                "about": "CIDs over bytes (7 * i + 3) mod 251; a directory's entries name sizes.",
                "blocks": blocks,
                "files": listed,
                "directories": directories,
                "varints": varints,
            },
            indent=1,
        )
        + "\n"
    )


def _file(data: bytes) -> Entry:
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    root, _ = build_file([leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in chunks])
    return root

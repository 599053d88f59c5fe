"""The modules that AIVM ships; their digests are in `artifacts/artifacts.json`."""

from __future__ import annotations

from importlib.resources import files

WORDPIECE_ENTRY = "tokenize"


def wordpiece() -> bytes:
    """BERT's uncased WordPiece tokeniser: `modules/tokenizer/` at the root of the repository."""
    return files("aivm.modules").joinpath("artifacts/wordpiece.wasm").read_bytes()

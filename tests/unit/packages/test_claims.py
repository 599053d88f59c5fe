"""What a publisher says: JSON in and out, nothing said twice, nothing made of nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.packages.conftest import linear

from aivm.errors import MalformedPackage
from aivm.packages import ExtraFile, Role, open_package, write_package
from aivm.packages.claims import (
    NO_CLAIMS,
    BaseModel,
    Card,
    Claims,
    Dataset,
    Dependency,
    Gpu,
    Metric,
    MetricKind,
    Quantization,
    Relation,
    Training,
    claims_from_document,
    claims_to_document,
)

MANIFEST_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
EVERYTHING = Claims(
    authors=("Ada", "Grace"),
    homepage="https://example.org/model",
    tags=("vision", "small"),
    languages=("en", "pt-BR"),
    architecture="linear",
    parameters=16,
    base_models=(
        BaseModel(Relation.FINE_TUNE, manifest=MANIFEST_CID),
        BaseModel(Relation.QUANTIZATION, name="demo/large", url="ipfs://x"),
    ),
    dependencies=(Dependency("demo/tokens", "1.0.0", MANIFEST_CID),),
    training=Training("Lines.\nDrawn by hand.", (Dataset("lines", "2", license="CC0-1.0"),)),
    metrics=(
        Metric(MetricKind.EVALUATION, "accuracy", "0.9750", dataset="lines", report="r.json"),
        Metric(MetricKind.SAFETY, "refusals", "-12"),
    ),
    quantization=Quantization("int8", "r.json"),
    gpu=Gpu(memory_bytes=2**30),
    card=Card(intended_use="Lines.", limitations="Curves."),
)


def test_nothing_said_is_nothing_written() -> None:
    assert claims_to_document(NO_CLAIMS) == {}
    assert claims_from_document(Claims, {}) == NO_CLAIMS


def test_everything_said_comes_back(tmp_path: Path, description, publisher) -> None:
    report = ExtraFile("r.json", Role.REPORT, b"{}")
    said = replace(description, claims=EVERYTHING)
    info = write_package(tmp_path / "out", said, {"1x3": linear(1)}, publisher, [report])
    manifest = open_package(info.directory).manifest
    assert manifest.claims == EVERYTHING
    document = claims_to_document(EVERYTHING)
    assert document["metrics"][0]["value"] == "0.9750"
    assert "url" not in document["base_models"][0]
    assert claims_from_document(Claims, document) == EVERYTHING


TEXTS = st.text(max_size=6)


@given(
    st.builds(
        Claims,
        authors=st.lists(TEXTS, max_size=2).map(tuple),
        parameters=st.integers(0, 2**53 - 1),
        base_models=st.lists(st.builds(BaseModel, st.sampled_from(Relation), name=TEXTS)).map(
            tuple
        ),
        metrics=st.lists(st.builds(Metric, st.sampled_from(MetricKind), TEXTS, TEXTS)).map(tuple),
        training=st.builds(Training, TEXTS, st.lists(st.builds(Dataset, TEXTS)).map(tuple)),
        quantization=st.none() | st.builds(Quantization, TEXTS, TEXTS),
        card=st.builds(Card, TEXTS, TEXTS, TEXTS, TEXTS),
    )
)
def test_the_codec_loses_nothing(claims: Claims) -> None:
    assert claims_from_document(Claims, claims_to_document(claims)) == claims


@pytest.mark.parametrize("path", ["report.pkl", "a/weights.pt", "MODEL.CKPT"])
def test_pickles_are_refused_by_name(tmp_path, description, publisher, path: str) -> None:
    extra = [ExtraFile(path, Role.OTHER, b"x")]
    with pytest.raises(MalformedPackage, match="pickle"):
        write_package(tmp_path / "out", description, {"1x3": linear(1)}, publisher, extra)

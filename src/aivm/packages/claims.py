"""What a publisher says about a model and nobody can check from the package's bytes.

The manifest keeps it apart, under `claims`, so that no reader takes a word for a fact. Everything
is optional; what is not said is absent. The JSON Schema holds the rules of each field, and
documents are read only after it has accepted them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints

Claim = TypeVar("Claim")


class Relation(StrEnum):
    """How a model came from another one."""

    ADAPTER = "adapter"
    CONVERSION = "conversion"
    DISTILLATION = "distillation"
    FINE_TUNE = "fine-tune"
    MERGE = "merge"
    PRUNING = "pruning"
    QUANTIZATION = "quantization"


class MetricKind(StrEnum):
    """What a figure is about."""

    EVALUATION = "evaluation"
    SAFETY = "safety"


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that this one was made from, by its manifest's CID if it is a package, or by name."""

    relation: Relation
    manifest: str = ""
    name: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that an application needs beside the package; `manifest` where it is a package."""

    name: str
    version: str
    manifest: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that the model was trained on; `sha256` is of what `url` gave."""

    name: str
    version: str = ""
    url: str = ""
    sha256: str = ""
    license: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Training:
    """Where the model's knowledge comes from."""

    statement: str = ""
    datasets: tuple[Dataset, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; `value` is a decimal, `report` a file of the package that says more."""

    kind: MetricKind
    name: str
    value: str
    unit: str = ""
    dataset: str = ""
    note: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How weights and products were made smaller; `report` is the file that measured it."""

    scheme: str
    report: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a GPU should have to run the model well. No model needs one: the bits are the same."""

    memory_bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """The parts of a model card that have a place of their own; the rest is a file of role card."""

    intended_use: str = ""
    out_of_scope: str = ""
    limitations: str = ""
    ethics: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """All of it; a field that is empty is not in the document."""

    authors: tuple[str, ...] = ()
    homepage: str = ""
    tags: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    architecture: str = ""
    parameters: int = 0
    base_models: tuple[BaseModel, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    training: Training = Training()
    metrics: tuple[Metric, ...] = ()
    quantization: Quantization | None = None
    gpu: Gpu = Gpu()
    card: Card = Card()


NO_CLAIMS = Claims()


def claims_to_document(claims: Any) -> dict[str, Any]:
    """A claim as JSON: fields that are empty are left out."""
    document = {}
    for field in fields(claims):
        value = _to_json(getattr(claims, field.name))
        if value or field.default is MISSING:
            document[field.name] = value
    return document


def claims_from_document(kind: type[Claim], document: Mapping[str, Any]) -> Claim:
    """Reads a claim of that kind that the manifest's schema has accepted."""
    hints = get_type_hints(kind)
    return kind(**{name: _from_json(hints[name], value) for name, value in document.items()})


def _to_json(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, str | int) or value is None:
        return value
    return claims_to_document(value)


def _from_json(hint: Any, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(get_args(hint)[0], item) for item in value)
    if isinstance(value, dict):
        kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
        return claims_from_document(kinds[0], value)
    return hint(value)

"""Manifests: canonical bytes in and out, and a refusal with the place for everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from aivm.errors import MalformedPackage, TooLarge
from aivm.packages import PackageInfo, manifest_cid, model_id, parse_manifest
from aivm.packages.files import cid_of_bytes
from aivm.packages.manifest import MAX_MANIFEST_BYTES


@pytest.fixture
def document(package: PackageInfo) -> dict[str, Any]:
    return json.loads((package.directory / "manifest.json").read_bytes())


def refused(document: Any, match: str) -> None:
    with pytest.raises(MalformedPackage, match=match):
        parse_manifest(rfc8785.dumps(document))


def test_round_trip(package: PackageInfo) -> None:
    data = (package.directory / "manifest.json").read_bytes()
    manifest = parse_manifest(data)
    assert manifest == package.manifest and manifest.to_json() == data


def test_the_model_id_is_the_digest_in_the_cid(package: PackageInfo) -> None:
    data = (package.directory / "manifest.json").read_bytes()
    assert package.model_id == model_id(data)
    assert package.manifest_cid == manifest_cid(package.model_id) == cid_of_bytes(data)


def test_what_the_package_says(package: PackageInfo) -> None:
    manifest = package.manifest
    assert manifest.created == "2027-01-15T08:00:00Z"
    assert manifest.inputs[0].shape == ("rows", 3)
    assert [entry.name for entry in manifest.entries] == ["1x3", "2x3"]
    assert [file.path for file in manifest.files] == sorted(file.path for file in manifest.files)
    assert len(manifest.constants) == 2


def test_another_spelling_is_refused(document: dict[str, Any]) -> None:
    for text in (json.dumps(document), json.dumps(document, indent=1)):
        with pytest.raises(MalformedPackage, match="not canonical"):
            parse_manifest(text.encode())


def test_a_huge_manifest_is_refused() -> None:
    with pytest.raises(TooLarge):
        parse_manifest(b" " * (MAX_MANIFEST_BYTES + 1))


REQUIRED = [
    "schema", "name", "version", "publisher", "license", "description", "task", "created",
    "runtime", "inputs", "outputs", "entries", "constants", "files",
]  # fmt: skip


@pytest.mark.parametrize("field", REQUIRED)
def test_every_field_is_required(document: dict[str, Any], field: str) -> None:
    del document[field]
    refused(document, f"'{field}' is a required property")


def test_unknown_fields_are_refused_at_every_level(document: dict[str, Any]) -> None:
    document["extra"] = 1
    refused(document, "extra")
    del document["extra"]
    for part in ("entries", "constants", "files", "inputs", "outputs"):
        document[part][0]["extra"] = 1
        refused(document, "extra")
        del document[part][0]["extra"]
    document["runtime"]["extra"] = 1
    refused(document, "extra")


def set_at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        for key in parents:
            target = target[key]
        target[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", "aivm.manifest.v2"),
        ("name", "demo"),
        ("name", "demo/linear/x"),
        ("name", "Demo/linear"),
        ("name", "demo/linear\n"),
        ("name", "../linear"),
        ("version", "1.0"),
        ("version", "01.0.0"),
        ("version", "1.0.0\n"),
        ("publisher", "0x1234"),
        ("publisher", "0x" + "ab" * 20),
        ("license", ""),
        ("license", "MIT\nGPL"),
        ("description", "bell\x07"),
        ("task", "Two words"),
        ("created", "2027-01-15"),
        ("created", "2027-13-15T08:00:00Z"),
        ("created", "2027-02-30T08:00:00Z"),
        ("runtime.numerics", 2),
        ("runtime.memory_bytes", -1),
        ("runtime.memory_bytes", "1"),
        ("inputs.0.dtype", "f64"),
        ("inputs.0.shape", [-1]),
        ("inputs.0.shape", [1] * 9),
        ("inputs.0.shape", [""]),
        ("inputs.0.shape", ["line\nbreak"]),
        ("inputs.0.shape", [True]),
        ("entries", []),
        ("entries.0.name", "1 x 3"),
        ("entries.0.name", "2x3"),
        ("entries.0.program", "0x12"),
        ("entries.0.program", "0x" + "AB" * 32),
        ("entries.0.path", "weights.safetensors"),
        ("entries.0.path", "programs/other.aivm"),
        ("entries.0.inputs.0.shape", ["rows", 3]),
        ("entries.0.gas_units", True),
        ("constants.0.file", "tokenizer.json"),
        ("constants.0.tensor", ""),
        ("constants.0.root", None),
        ("files", []),
        ("files.0.size", -1),
        ("files.0.sha256", "00"),
        ("files.0.sha256", "0x" + "00" * 31),
        ("files.0.cid", "bafkqaaa"),
        ("files.0.cid", "bafkrei" + "a" * 51 + "b"),
        ("files.0.role", "pickle"),
        ("files.0.role", "program"),
        ("files.0.chunking", "rabin"),
        ("runtime.compiler", "mine"),
        ("inputs.0.name", "z"),
        ("inputs.0.shape", ["rows", 4]),
        ("outputs.0.dtype", "f16"),
        ("outputs.0.shape", ["rows"]),
        ("inputs.0.meaning", ""),
        ("inputs.0.meaning", 1),
        ("examples", []),
        ("examples", [{"entry": "1x3", "inputs": "empty", "outputs": ["0x" + "00" * 32]}]),
        ("claims", {}),
        ("claims", {"rating": "5"}),
        ("claims", {"parameters": "many"}),
        ("claims", {"parameters": 0}),
        ("claims", {"metrics": [{"kind": "evaluation", "name": "a", "value": 1}]}),
        ("claims", {"metrics": [{"kind": "evaluation", "name": "a", "value": "1e3"}]}),
        ("claims", {"metrics": [{"kind": "evaluation", "name": "a", "value": "01"}]}),
        ("claims", {"metrics": [{"kind": "speed", "name": "a", "value": "1"}]}),
        (
            "claims",
            {"metrics": [{"kind": "safety", "name": "a", "value": "1", "report": "empty"}]},
        ),
        ("claims", {"quantization": {"scheme": "int8", "report": "nowhere"}}),
        ("claims", {"base_models": [{"relation": "merge"}]}),
        ("claims", {"base_models": [{"relation": "theft", "name": "a"}]}),
        ("claims", {"base_models": [{"relation": "merge", "manifest": "bafkqaaa"}]}),
        ("claims", {"base_models": [{"relation": "merge", "manifest": "bafkrei" + "7" * 52}]}),
        ("claims", {"dependencies": [{"name": "a"}]}),
        ("claims", {"homepage": "javascript:alert(1)"}),
        ("claims", {"homepage": "https://a b"}),
        ("claims", {"training": {}}),
        ("claims", {"training": {"datasets": [{"name": "a", "sha256": "00"}]}}),
        ("claims", {"gpu": {}}),
        ("claims", {"card": {"intended_use": ""}}),
        ("claims", {"languages": ["English!"]}),
        ("claims", {"tags": ["a", "a"]}),
        ("claims", {"authors": ["line\nbreak"]}),
        ("supersedes", "0x12"),
    ],
)
def test_a_value_out_of_form_is_refused(document: dict[str, Any], path: str, value: Any) -> None:
    set_at(path, value)(document)
    refused(document, "manifest|publisher|path|entry|constant|created|example|claims|role|CID")


@pytest.mark.parametrize(
    "path",
    ["../up", "/etc/passwd", "a/../b", "./a", "a//b", "a/", "a\\b", "a:b", "con\0", "nul ", "dot.",
     "a\nb", "x" * 256, "*", "a?"],
)  # fmt: skip
def test_unsafe_paths_are_refused(document: dict[str, Any], path: str) -> None:
    document["files"][0]["path"] = path
    refused(document, "path|control")


def test_a_path_that_is_not_normalised_is_refused(document: dict[str, Any]) -> None:
    document["files"][0]["path"] = "cafe\u0301"
    refused(document, "normal form C")


def test_paths_that_collide_are_refused(document: dict[str, Any]) -> None:
    files = document["files"]
    one = files[0]

    def with_paths(*paths: str) -> dict[str, Any]:
        return document | {"files": [one | {"path": path, "role": "other"} for path in paths]}

    refused(with_paths("README", "readme"), "occurs twice")
    refused(with_paths("a", "a"), "occurs twice")
    refused(with_paths("b", "a"), "not sorted")
    refused(with_paths("Manifest.JSON"), "occurs twice")
    refused(with_paths("manifest.sig.json"), "occurs twice")
    refused(with_paths("A/b", "a"), "both a file and a folder")
    refused(with_paths("manifest.json/x"), "both a file and a folder")


def test_things_that_occur_twice_are_refused(document: dict[str, Any]) -> None:
    for part in ("entries", "constants"):
        twice = document | {part: [*document[part], document[part][0]]}
        refused(twice, "occurs twice")
    document["entries"][0]["inputs"] *= 2
    refused(document, "occurs twice")


def test_the_published_schema_is_valid_and_strict() -> None:
    from importlib.resources import files

    from jsonschema import Draft202012Validator

    schema = json.loads(files("aivm.packages").joinpath("schema/manifest.v1.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    objects = []

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object":
                objects.append(node)
            for child in node.values():
                collect(child)
        elif isinstance(node, list):
            for child in node:
                collect(child)

    collect(schema)
    assert len(objects) == 20
    assert all(node["additionalProperties"] is False for node in objects)


def test_a_refusal_is_short_and_says_what_the_field_is(document: dict[str, Any]) -> None:
    document["name"] = "no-owner"
    with pytest.raises(MalformedPackage, match=r"name: 'no-owner'") as caught:
        parse_manifest(rfc8785.dumps(document))
    assert caught.value.hint == "It is: owner/name, as registered on chain."
    document["name"], document["description"] = "a/b", "x" * 5000
    with pytest.raises(MalformedPackage, match=r"description: 'xxx.*x' is too long$") as caught:
        parse_manifest(rfc8785.dumps(document))
    assert len(caught.value.message) < 400

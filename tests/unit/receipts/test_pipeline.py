from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from aivm.errors import MalformedReceipt
from aivm.receipts import (
    Expectation,
    ModuleInterface,
    Pipeline,
    Stage,
    StageRole,
    parse_receipt,
    sign_receipt,
    verify_receipt,
)

STAGE = Stage(
    role=StageRole.TOKENIZER,
    interface=ModuleInterface.TENSORS,
    module=b"\x01" * 32,
    entry="tokenize",
    data=(b"\x02" * 32,),
    inputs=("text",),
    outputs=("input_ids",),
    fuel=1000,
    memory_bytes=65536,
)
PIPELINE = Pipeline(b"\x03" * 32, (STAGE,))


@pytest.fixture
def signed(receipt: Any, domain: Any, signer: Any) -> Any:
    named = replace(receipt, program=PIPELINE.root)
    named = replace(named, job=named.expected_job)
    return replace(sign_receipt(named, domain, signer), pipeline=PIPELINE)


def test_the_roots_are_as_documented() -> None:
    text = json.dumps(STAGE.to_document(), sort_keys=True, separators=(",", ":"))
    stage = sha256(b"\x03" + text.encode()).digest()
    assert STAGE.root == stage
    assert PIPELINE.root == sha256(b"\x04" + b"\x03" * 32 + stage).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"role": StageRole.PREPROCESS},
        {"module": b"\x09" * 32},
        {"entry": "other"},
        {"data": ()},
        {"inputs": ("text", "max")},
        {"outputs": ("ids",)},
        {"fuel": 1001},
        {"memory_bytes": 131072},
    ],
)
def test_everything_about_a_stage_is_in_the_root(changes: dict[str, Any]) -> None:
    assert Pipeline(b"\x03" * 32, (replace(STAGE, **changes),)).root != PIPELINE.root


def test_round_trip(signed: Any) -> None:
    again = parse_receipt(signed.to_json())
    assert again == signed and again.pipeline == PIPELINE
    assert b"pipeline" not in replace(signed, pipeline=None).to_json()


def test_a_receipt_names_its_modules_and_says_where_disputes_go(signed: Any) -> None:
    verdict = verify_receipt(signed, Expectation(programs=[PIPELINE.program]))
    assert verdict.ok
    (check,) = [check for check in verdict.checks if check.name == "modules"]
    assert STAGE.module.hex() in check.detail and "arbitration" in check.detail


def test_modules_that_the_program_root_does_not_name(signed: Any) -> None:
    other = replace(PIPELINE, stages=(replace(STAGE, fuel=2000),))
    verdict = verify_receipt(replace(signed, pipeline=other), Expectation())
    assert [check.name for check in verdict.checks if not check.ok] == ["modules"]
    hidden = verify_receipt(
        replace(signed, pipeline=None), Expectation(programs=[PIPELINE.program])
    )
    assert [check.name for check in hidden.checks if not check.ok] == ["program in manifest"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("pipeline",), []),
        (("pipeline",), {"program": "0x"}),
        (("pipeline", "program"), "0x12"),
        (("pipeline", "stages"), []),
        (("pipeline", "stages"), [{}] * 4),
        (("pipeline", "stages", 0), 7),
        (("pipeline", "stages", 0, "role"), "cook"),
        (("pipeline", "stages", 0, "interface"), "tensors-2"),
        (("pipeline", "stages", 0, "module"), None),
        (("pipeline", "stages", 0, "entry"), 1),
        (("pipeline", "stages", 0, "data"), ["0x1"]),
        (("pipeline", "stages", 0, "inputs"), "text"),
        (("pipeline", "stages", 0, "fuel"), True),
        (("pipeline", "stages", 0, "fuel"), -1),
        (("pipeline", "stages", 0, "extra"), 1),
    ],
)
def test_a_pipeline_out_of_form_is_refused(signed: Any, path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(signed.to_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(MalformedReceipt):
        parse_receipt(json.dumps(document).encode())

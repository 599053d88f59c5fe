from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.client.jobs import audit_job, job_inputs, run_job
from aivm.client.local import load
from aivm.errors import UnsupportedModel, WrongTensor
from aivm.market.text import text_tensors
from aivm.modules import Tensor
from aivm.receipts import StageRole, parse_receipt

from ..conftest import double, pack_text_model


@pytest.mark.parametrize("engine", ["wasm", "native", "reference"])
def test_text_in_and_a_result_out_of_the_last_module(text_package: Any, engine: str) -> None:
    with load(text_package, engine=engine) as model:
        job = run_job(model, text_package, text_tensors("hello worlds"))
    assert job.named_outputs["vector"].tolist() == [[4, 10, 12, 14, 6, 0, 0, 0]]
    assert [stage.role for stage in job.pipeline.stages] == ["tokenizer", "postprocess"]
    assert job.pipeline.program == text_package.manifest.entry("1x8").program
    receipt = job.receipt().receipt
    assert receipt.program == job.pipeline.root and receipt.job == receipt.expected_job


def test_a_receipt_over_text_is_verified_by_running_it_again(text_package: Any) -> None:
    with load(text_package) as model:
        job = run_job(model, text_package, text_tensors("hello"))
        signed = parse_receipt(job.receipt().to_json())
        verdict = audit_job(signed, model, text_package, text_tensors("hello"))
        assert verdict.ok
        assert [check.name for check in verdict.checks][-5:] == [
            *("modules", "derivation", "program", "inputs", "re-execution")
        ]
        other = audit_job(signed, model, text_package, text_tensors("world"))
        assert [check.name for check in other.checks if not check.ok] == ["inputs", "re-execution"]
        # Five tokens run another program.
        longer = audit_job(signed, model, text_package, text_tensors("hello worlds"))
        assert "program" in [check.name for check in longer.checks if not check.ok]


def test_another_module_is_another_program_root(text_package: Any, tmp_path: Path) -> None:
    plain = pack_text_model(tmp_path / "plain", [double(StageRole.POSTPROCESS, ["vector"])])
    roots = set()
    for package, inputs in (
        (text_package, text_tensors("hello")),
        (plain, [Tensor.of(np.array([[2, 5, 3, 0]])), Tensor.of(np.array([[1, 1, 1, 0]]))]),
    ):
        with load(package) as model:
            job = run_job(model, package, inputs)
        assert job.named_outputs["vector"].tolist() == [[4, 10, 6, 0]]
        roots.add(job.pipeline.root)
    assert len(roots) == 2


def test_inputs_by_name(text_package: Any, tmp_path: Path) -> None:
    plain = pack_text_model(tmp_path / "plain", [double(StageRole.POSTPROCESS, ["vector"])])
    ids, mask = np.zeros((1, 4), np.int64), np.ones((1, 4), np.int64)
    named = job_inputs(plain, {"attention_mask": mask, "input_ids": ids})
    assert [tensor.array.sum() for tensor in named] == [0, 4]
    with pytest.raises(WrongTensor, match="missing"):
        job_inputs(text_package, {"input_ids": ids})
    with load(plain) as model, pytest.raises(WrongTensor, match="2 inputs, 1 were given"):
        run_job(model, plain, named[:1])


def test_packages_without_modules_and_modules_that_do_not_fit(tmp_path: Path) -> None:
    bare = pack_text_model(tmp_path / "bare", [])
    with load(bare) as model, pytest.raises(UnsupportedModel, match="no modules"):
        run_job(model, bare, text_tensors("hello"))
    wrong = pack_text_model(tmp_path / "wrong", [double(StageRole.POSTPROCESS, ["score"])])
    inputs = [Tensor.of(np.zeros((1, 4), np.int64))] * 2
    with load(wrong) as model, pytest.raises(WrongTensor, match="'score'"):
        run_job(model, wrong, inputs)

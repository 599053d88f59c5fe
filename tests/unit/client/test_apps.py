from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aivm.client.apps import audit_app, run_app
from aivm.engines.base import open_engine
from aivm.errors import BadInput, NotFound
from aivm.modules import Limits
from aivm.packages import ModuleSource, Package
from aivm.receipts import StageRole, parse_receipt

from ..conftest import pack_text_model
from ..modules.wasi.conftest import app_wat, escaped, parameters, tensor_record, words

EXAMPLES = Path(__file__).parents[3] / "examples"
# Asks the graph named by the data at 256 for [1, 4] and gives the status of the first failure.
CALLS = "".join(
    f"(local.set $error (call ${name} {values}))"
    "(if (local.get $error) (then (call $exit (local.get $error))))"
    for name, values in (
        ("nn_load_by_name", "(i32.const 256) (i32.const 9) (i32.const 0)"),
        ("nn_init_execution_context", "(i32.const 0) (i32.const 4)"),
        ("nn_set_input", "(i32.const 0) (i32.const 0) (i32.const 512)"),
        ("nn_set_input", "(i32.const 0) (i32.const 1) (i32.const 512)"),
        ("nn_compute", "(i32.const 0)"),
        (
            "nn_get_output",
            "(i32.const 0) (i32.const 0) (i32.const 1024) (i32.const 16) (i32.const 8)",
        ),
        ("fd_write", "(i32.const 1) (i32.const 32) (i32.const 1) (i32.const 16)"),
    )
)
FUNCTIONS = {
    "nn_load_by_name": parameters("iii"),
    "nn_init_execution_context": parameters("ii"),
    "nn_set_input": parameters("iii"),
    "nn_compute": parameters("i"),
    "nn_get_output": parameters("iiiii"),
    "fd_write": parameters("iiii"),
}
DATA = {
    32: words(1024, 16),
    256: b"demo/text",
    288: words(1, 4),
    320: b"".join(value.to_bytes(8, "little") for value in (1, 2, 3, 4)),
    512: tensor_record(288, 2, 5, 320, 32),
}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    data = "".join(f'(data (i32.const {at}) "{escaped(raw)}")' for at, raw in DATA.items())
    square = app_wat(f"(local $error i32) {CALLS}", FUNCTIONS, data)
    system = (EXAMPLES / "apps" / "system.wasm").read_bytes()
    limits = Limits(10**8, 64 << 20)
    return pack_text_model(
        tmp_path / "apps",
        [
            ModuleSource("square", StageRole.APP, square, "_start", limits),
            ModuleSource("system", StageRole.APP, system, "_start", limits),
        ],
    )


@pytest.mark.parametrize("engine", ["wasm", "native", "reference"])
def test_an_app_calls_the_packages_model_by_its_name(package: Package, engine: str) -> None:
    job = run_app(package, open_engine(engine), name="square")
    assert job.run.status == 0, job.run.reasons
    assert np.frombuffer(job.run.stdout, "<f4").tolist() == [1, 4, 9, 16]


def test_a_receipt_names_the_app_and_can_be_checked(package: Package) -> None:
    engine = open_engine("reference")
    job = run_app(package, engine, ["one"], b"input", name="system")
    assert job.run.status == 7
    signed = parse_receipt(job.receipt().to_json())
    assert signed.pipeline is not None and signed.pipeline.stages[0].role is StageRole.APP
    assert audit_app(signed, package, engine, ["one"], b"input", name="system").ok

    def failed(*given: object, name: str = "system") -> list[str]:
        verdict = audit_app(signed, package, engine, *given, name=name)  # type: ignore[arg-type]
        return [check.name for check in verdict.checks if not check.ok]

    # Other arguments are another job, and so give other random bytes.
    assert failed(["two"], b"input") == failed(["one"], b"other") == ["inputs", "re-execution"]
    assert "program" in failed(["one"], b"input", name="square")


def test_which_app(package: Package, tmp_path: Path) -> None:
    engine = open_engine("reference")
    with pytest.raises(NotFound, match="2 apps: square, system"):
        run_app(package, engine)
    with pytest.raises(NotFound, match="no app 'other'"):
        run_app(package, engine, name="other")
    with pytest.raises(NotFound, match="0 apps"):
        run_app(pack_text_model(tmp_path / "none", []), engine)
    for bad in ("a\0b", "\ud800"):
        with pytest.raises(BadInput):
            run_app(package, engine, [bad], name="system")

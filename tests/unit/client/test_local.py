"""`aivm.load`: any shape that the model allows, equal bits on every engine, receipts that hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import aivm
from aivm.chain.account import Account
from aivm.client import audit
from aivm.client.audit import demand
from aivm.client.local import LocalModel
from aivm.errors import (
    BadInput,
    MalformedModel,
    MalformedPackage,
    Mismatch,
    NotFound,
    UnknownEngine,
    WrongTensor,
)
from aivm.packages import pack_model
from aivm.receipts import ZERO_ADDRESS, Domain, SignedReceipt

DIGITS = Path(__file__).parents[3] / "examples" / "digits" / "digits.onnx"
ENGINES = ("wasm", "native", "reference")


def images(count: int, seed: int = 0) -> dict[str, Any]:
    return {"images": np.random.default_rng(seed).random((count, 1, 8, 8), np.float32)}


@pytest.fixture
def model() -> Iterator[LocalModel]:
    loaded = aivm.load(DIGITS, engine="native")
    yield loaded
    loaded.close()


def test_any_batch_runs_and_batching_changes_no_bit(model: LocalModel) -> None:
    together = model.run(images(7))["probabilities"]
    assert together.shape == (7, 10)
    for number, image in enumerate(images(7)["images"]):
        alone = model.run({"images": image[None]})["probabilities"]
        assert alone[0].tobytes() == together[number].tobytes()


def test_every_engine_gives_the_same_bytes_and_the_same_receipt() -> None:
    found = []
    for engine in ENGINES:
        loaded = aivm.load(str(DIGITS), engine=engine)
        outputs, receipt = loaded.run_with_receipt(images(1))
        found.append((outputs["probabilities"].tobytes(), receipt.outputs, receipt.job))
        loaded.close()
    assert found[0] == found[1] == found[2]


def test_a_model_may_be_bytes_and_its_id_is_its_digest(model: LocalModel) -> None:
    from_bytes = aivm.load(DIGITS.read_bytes(), engine="native")
    assert from_bytes.model_id == model.model_id
    given = images(1)
    assert from_bytes.run(given)["probabilities"].tobytes() == (
        model.run(given)["probabilities"].tobytes()
    )
    from_bytes.close()


def test_odd_layouts_are_read_as_what_they_mean(model: LocalModel) -> None:
    given = images(2)["images"]
    expected = model.run({"images": given})["probabilities"].tobytes()
    big_endian = given.astype(">f4")
    strided = np.zeros((4, 1, 8, 8), np.float32)
    strided[::2] = given
    for array in (np.asfortranarray(given), big_endian, strided[::2]):
        outputs, receipt = model.run_with_receipt({"images": array})
        assert outputs["probabilities"].tobytes() == expected
        signed = SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None)
        assert audit(signed, model, {"images": given}).ok


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        aivm.load(tmp_path / "none.onnx")
    with pytest.raises(UnknownEngine):
        aivm.load(DIGITS, engine="abacus")
    with pytest.raises(MalformedModel):
        aivm.load(b"garbage")
    with pytest.raises((MalformedPackage, NotFound)):
        aivm.load(tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"pictures": np.zeros((1, 1, 8, 8), np.float32)},
        {"images": np.zeros((1, 1, 8, 8), np.float32), "more": np.zeros(1)},
        {"images": np.zeros((1, 1, 8, 8), np.float64)},
        {"images": np.zeros((1, 1, 8, 7), np.float32)},
        {"images": np.zeros((64,), np.float32)},
        {"images": np.array([["x"]])},
        {"images": None},
    ],
)
def test_wrong_inputs_are_refused(model: LocalModel, given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        model.run(given)


def test_an_audit_names_what_is_wrong(model: LocalModel) -> None:
    given = images(1)
    outputs, receipt = model.run_with_receipt(given)
    signed = SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None)
    good = audit(signed, model, given, outputs=list(outputs.values()))
    assert good.ok
    demand(good)
    wrong = outputs["probabilities"].copy()
    wrong.view(np.uint32)[0, 0] ^= 1
    for verdict, name in (
        (audit(signed, model, given, outputs=[wrong]), "outputs"),
        (audit(signed, model, images(1, seed=1)), "inputs"),
        (audit(signed, model, given, domain=Domain(1, ZERO_ADDRESS)), "domain"),
        (audit(signed, model, given, hot_key="0x" + "11" * 20), "signature"),
    ):
        assert name in [check.name for check in verdict.checks if not check.ok]
        with pytest.raises(Mismatch, match=name):
            demand(verdict)
    with pytest.raises(WrongTensor):
        audit(signed, model, {"images": np.zeros((1, 1, 8, 8), np.float64)})


def test_a_package_runs_other_shapes_and_says_so(
    tmp_path: Path, model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIVM_CACHE_DIR", str(tmp_path / "cache"))
    info = pack_model(
        DIGITS.read_bytes(),
        name="demo/digits",
        version="1.0.0",
        license="MIT",
        shapes=[{"images": (1, 1, 8, 8)}],
        out_dir=tmp_path / "package",
        signer=Account(b"\x06" * 32),
        created=1_800_000_000,
    )
    with aivm.load(info.directory, engine="native") as package:
        for count, derived in ((1, False), (3, True)):
            done = package.execute(images(count))
            assert done.prepared.derived is derived
            expected = model.run(images(count))
            for name, array in done.named_outputs.items():
                assert array.tobytes() == expected[name].tobytes()
            signed = package.receipt_of(done)
            assert (signed.derived is not None) is derived
            assert audit(signed, package, images(count)).ok
            lie = replace(signed, derived=None if derived else "0" * 16)
            with pytest.raises(Mismatch, match="derivation"):
                demand(audit(lie, package, images(count)))
    assert model.receipt_of(model.execute(images(3))).derived is None

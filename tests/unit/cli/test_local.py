"""`run`, `pack` and `verify` without a network: results, receipts, and every kind of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aivm.cli.tensors import read_inputs
from aivm.errors import AivmError

ENGINES = ("wasm", "native", "reference")


@pytest.fixture
def receipt(aivm: Any, digits: Path, images: Path) -> Path:
    path = digits.parent / "receipt.json"
    done = aivm("run", digits, "--input", images, "--receipt", path, "--json")
    assert done.status == 0, done
    return path


def test_every_engine_gives_the_same_document(aivm: Any, digits: Path, images: Path) -> None:
    found = []
    for engine in ENGINES:
        done = aivm("run", digits, "--input", images, "--engine", engine, "--json")
        assert done.status == 0, done
        found.append(done.document["outputs"])
    assert found[0] == found[1] == found[2]
    probabilities = found[0]["probabilities"]
    assert probabilities["shape"] == [1, 10]
    assert sum(probabilities["data"][0]) == pytest.approx(1, abs=1e-5)


def test_outputs_are_written_to_exactly_the_path_that_was_asked_for(
    aivm: Any, digits: Path, images: Path
) -> None:
    path = digits.parent / "result"
    done = aivm("run", digits, "--input", images, "--output", path, "--json")
    assert done.status == 0
    with np.load(path) as saved:
        assert sorted(saved) == ["probabilities"]
        assert saved["probabilities"].tolist() == done.document["outputs"]["probabilities"]["data"]


def test_people_see_a_table_and_scripts_an_id(aivm: Any, digits: Path, images: Path) -> None:
    done = aivm("run", digits, "--input", images)
    assert done.status == 0
    assert "float32[1, 10]" in done.out
    done = aivm("run", digits, "--input", images, "-q")
    assert (len(done.out.strip()), done.err) == (64, "")


def test_a_local_receipt_verifies_on_another_engine(
    aivm: Any, digits: Path, images: Path, receipt: Path
) -> None:
    done = aivm("verify", receipt, "--json")
    assert (done.status, done.document["ok"]) == (0, True)
    done = aivm(
        *("verify", receipt, "--model", digits, "--input", images, "--engine", "native", "--json")
    )
    assert (done.status, done.document["ok"]) == (0, True)
    assert done.document["checks"][-1]["name"] == "re-execution"


@pytest.mark.parametrize("field", ["model", "program", "inputs", "outputs", "job"])
def test_a_tampered_receipt_fails_with_status_3(
    aivm: Any, digits: Path, images: Path, receipt: Path, field: str
) -> None:
    document = json.loads(receipt.read_bytes())
    document["receipt"][field] = "0x" + "ab" * 32
    receipt.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    done = aivm("verify", receipt, "--model", digits, "--input", images, "--json")
    assert done.status == 3, done
    assert done.document["ok"] is False


def test_a_receipt_for_other_inputs_fails_with_status_3(
    aivm: Any, digits: Path, images: Path, receipt: Path
) -> None:
    np.savez(images, images=np.zeros((1, 1, 8, 8), np.float32))
    done = aivm("verify", receipt, "--model", digits, "--input", images)
    assert done.status == 3
    assert "FAILS" in done.out


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"type":"aivm.receipt.v1"}', b"\xff", b"[" * 9000, b"x" * 20000]
)
def test_what_is_no_receipt_is_bad_input(aivm: Any, home: Path, content: bytes) -> None:
    path = home / "receipt.json"
    path.write_bytes(content)
    done = aivm("verify", path, "--json")
    assert done.status == 2
    assert done.document["error"]["code"] in ("AIVM-E0107", "AIVM-E0105")


def test_a_package_runs_verifies_and_refuses_impossible_shapes(
    aivm: Any, package: Path, images: Path
) -> None:
    receipt = package.parent / "r.json"
    done = aivm("run", package, "--input", images, "--receipt", receipt, "--json")
    assert done.status == 0, done
    done = aivm("verify", receipt, "--model", package, "--input", images, "--json")
    assert (done.status, done.document["ok"]) == (0, True)
    np.savez(images, images=np.zeros((5, 1, 8, 9), np.float32))
    done = aivm("run", package, "--input", images, "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0104")


def test_a_package_with_one_byte_changed_anywhere_is_refused(
    aivm: Any, package: Path, images: Path
) -> None:
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for position in (0, len(data) // 2, len(data) - 1):
            changed = bytearray(data)
            changed[position] ^= 1
            path.write_bytes(changed)
            done = aivm("run", package, "--input", images, "--json")
            assert done.status in (2, 3), (path, position, done)
            assert done.document["ok"] is False
        path.write_bytes(data)
    assert aivm("run", package, "--input", images, "--json").status == 0


# --- bad input ------------------------------------------------------------------------------------


def test_models_that_are_none(aivm: Any, digits: Path, images: Path) -> None:
    whole = digits.read_bytes()
    for content in (b"", whole[: len(whole) // 2], whole[:-1], b"\x00" * 100, b"not onnx at all"):
        digits.write_bytes(content)
        done = aivm("run", digits, "--input", images, "--json")
        assert done.status == 2, content[:20]
        assert done.document["error"]["code"] in ("AIVM-E0101", "AIVM-E0102"), done


@pytest.mark.parametrize("model", ["missing.onnx", "./missing", "/no/such/model.onnx"])
@pytest.mark.parametrize("verb", ["run", "verify"])
def test_a_model_that_is_not_there_is_not_looked_for_on_a_network(
    aivm: Any, receipt: Path, images: Path, model: str, verb: str
) -> None:
    arguments = ("run", model) if verb == "run" else ("verify", receipt, "--model", model)
    done = aivm(*arguments, "--input", images, "--json")
    assert done.status == 4
    assert done.document["error"]["message"] == f"no model at {model}"


def test_wrong_tensors(aivm: Any, digits: Path, images: Path) -> None:
    image = np.zeros((1, 1, 8, 8), np.float32)
    for arrays in (
        {"images": image.astype(np.float64)},
        {"images": image.astype(np.int64)},
        {"images": image[0]},
        {"images": image[:, :, :7]},
        {"pictures": image},
        {"images": image, "more": image},
        {"images": np.array(["text"])},
        {"images": np.zeros((1, 1, 8, 8), "f4,i4")},
    ):
        np.savez(images, **arrays)
        done = aivm("run", digits, "--input", images, "--json")
        assert done.status == 2, (arrays.keys(), done)
        assert done.document["error"]["message"]
    done = aivm("run", digits, "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0100")


def test_nan_has_a_defined_result(aivm: Any, digits: Path, images: Path) -> None:
    np.savez(images, images=np.full((1, 1, 8, 8), np.nan, np.float32))
    roots = {
        aivm("run", digits, "--input", images, "--engine", engine, "--json").document["outputs"][
            "probabilities"
        ]["root"]
        for engine in ENGINES
    }
    assert len(roots) == 1


def test_pickles_are_never_loaded(aivm: Any, digits: Path, images: Path, home: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (home / "sprung",)

    np.savez(images, images=np.array([Trap()], object), allow_pickle=True)
    done = aivm("run", digits, "--input", images, "--json")
    assert done.status == 2
    np.save(home / "x.npy", np.array([Trap()], object), allow_pickle=True)
    done = aivm("run", digits, "--input", f"images={home}/x.npy", "--json")
    assert done.status == 2
    assert not (home / "sprung").exists()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_arrays_are_refused_or_read_but_never_a_defect(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "x.npz"
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(path, x=np.arange(40, dtype=np.float32))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_inputs([str(path)])
    except AivmError as error:
        assert error.exit_status == 2


def test_inputs_given_in_the_wrong_way(aivm: Any, digits: Path, images: Path, home: Path) -> None:
    np.save(home / "x.npy", np.zeros((1, 1, 8, 8), np.float32))
    for sources in (
        [home / "x.npy"],
        [f"images={images}"],
        [images, f"images={home}/x.npy"],
    ):
        flags = [flag for source in sources for flag in ("--input", source)]
        done = aivm("run", digits, *flags, "--json")
        assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0100"), sources
    done = aivm("run", digits, "--input", home / "none.npz", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    good = aivm("run", digits, "--input", f"images={home}/x.npy", "--json")
    assert good.status == 0


def test_a_place_that_cannot_be_written_is_the_users_to_mend(
    aivm: Any, digits: Path, images: Path, home: Path
) -> None:
    for flag in ("--output", "--receipt"):
        done = aivm("run", digits, "--input", images, flag, home / "no" / "x", "--json")
        assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
        done = aivm("run", digits, "--input", images, flag, home / "work", "--json")
        assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0100")


def test_a_text_for_a_model_without_a_tokenizer(aivm: Any, package: Path) -> None:
    done = aivm("run", package, "--text", "hello", "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0102")


@pytest.mark.parametrize(
    "options",
    [
        ["--shapes", "images=axb"],
        ["--shapes", "images=1x1x8x9"],
        ["--shapes", "pictures=1x1x8x8"],
        ["--file", "nonsense=x"],
        ["--version", "one"],
        ["--name", "noslash"],
        ["--name", "../x/y"],
        ["--license", ""],
    ],
)
def test_pack_refuses_bad_options_and_leaves_nothing_behind(
    aivm: Any, digits: Path, key: Any, options: list[str]
) -> None:
    assert key.address
    given = {"--name": "demo/d", "--version": "1.0.0", "--license": "MIT"}
    flags = [part for name, value in given.items() if name != options[0] for part in (name, value)]
    out = digits.parent / "out"
    done = aivm("pack", digits, *flags, *options, "--out", out, "--json")
    assert done.status == 2, done
    assert done.document["ok"] is False
    assert sorted(path.name for path in digits.parent.iterdir()) == ["digits.onnx"]


def test_pack_does_not_write_over_anything(aivm: Any, package: Path, digits: Path) -> None:
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    flags = ("--name", "demo/d", "--version", "1.0.0", "--license", "MIT")
    done = aivm("pack", digits, *flags, "--out", package, "--json")
    assert done.status == 2
    assert before == {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}


def test_pack_without_a_key_or_with_the_wrong_password(
    aivm: Any, digits: Path, key: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ("--name", "demo/d", "--version", "1.0.0", "--license", "MIT", "--out", home / "o")
    (home / "password").write_text("wrong\n")
    done = aivm("pack", digits, *flags, "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0303")
    assert "wrong" not in done.document["error"]["message"].replace("wrong password", "")
    done = aivm("pack", digits, *flags, "--account", "nobody", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    assert key.secret().hex() not in done.out + done.err
    monkeypatch.delenv("AIVM_PASSWORD_FILE")
    command = [sys.executable, "-m", "aivm.cli", "pack", str(digits), *map(str, flags), "--json"]
    alone = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 4, alone.stderr
    assert "AIVM_PASSWORD_FILE" in json.loads(alone.stdout)["error"]["hint"]


def test_the_installed_command_is_the_same(digits: Path, images: Path) -> None:
    command = [sys.executable, "-m", "aivm.cli", "run", str(digits), "--input", str(images), "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.strip()) == 64
    command[4] = "missing.onnx"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "no model at missing.onnx" in done.stderr


def test_pack_quantises_and_ships_a_report(aivm: Any, digits: Path, key: Any, images: Path) -> None:
    assert key.address
    out = digits.parent / "int8"
    command = ("pack", digits, "--name", "demo/int8", "--version", "1.0.0", "--license", "MIT")
    done = aivm(*command, "--out", out, "--quantize", "int8", "--calibrate", images, "--json")
    assert done.status == 0, done
    report = done.document["quantization"]
    assert report == json.loads((out / "quantization.json").read_text())
    assert (report["scheme"], report["samples"], report["synthetic_samples"]) == ("int8", 1, False)
    done = aivm(*command, "--out", digits.parent / "no", "--keep", "x", "--json")
    assert (done.status, done.document["ok"]) == (2, False)


def test_transcripts_are_recorded_compared_and_replayed(
    aivm: Any, digits: Path, images: Path
) -> None:
    first, second = (digits.parent / name for name in ("a.json", "b.json"))
    for path, engine in ((first, "wasm"), (second, "native")):
        command = ("transcript", "record", digits, "--input", images, "--out", path, "--tensors")
        done = aivm(*command, "--engine", engine, "--json")
        assert (done.status, done.document["ok"]) == (0, True), done
    assert first.read_bytes() == second.read_bytes()
    assert aivm("transcript", "diff", first, second, "--json").status == 0
    second.write_bytes(second.read_bytes().replace(b'"constants":["0x', b'"constants":["0x0', 1))
    assert aivm("transcript", "diff", first, second, "--json").status == 2
    other = digits.parent / "other.npz"
    np.savez(other, images=np.ones((1, 1, 8, 8), np.float32))
    replayed = ("transcript", "replay", first, "--model", digits, "--json", "--input")
    assert aivm(*replayed, images).status == 0
    done = aivm(*replayed, other)
    assert (done.status, done.document["difference"]["place"]) == (3, "input 0")
    assert "element" in done.document["difference"]
    assert aivm("transcript", "diff", first, digits.parent / "none", "--json").status == 4

"""Programs of a package: the listed ones, and those derived from its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.chain.account import Account
from aivm.compiler import compile_model
from aivm.errors import WrongTensor
from aivm.packages import Package, Programs, derived, open_package, pack_model, programs

WEIGHT = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
PUBLISHER = Account(b"\x05" * 32)


def model(bias: bool = False) -> bytes:
    """y = x @ WEIGHT + its mean over the batch; with `bias`, plus an input that is to be bound."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("ReduceMean", ["product"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Add", ["product", "mean"], ["sum" if bias else "y"]),
    ]
    ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])]
    if bias:
        nodes.append(helper.make_node("Add", ["sum", "bias"], ["y"]))
        ports.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [32]))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 32])]
    weights = [numpy_helper.from_array(WEIGHT, "weight")]
    graph = helper.make_graph(nodes, "model", ports, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


Packer = Callable[..., Package]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIVM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "programs"


@pytest.fixture
def packed(tmp_path: Path) -> Packer:
    def pack(
        data: bytes = model(),
        shapes: Sequence[dict[str, tuple[int, ...]]] = ({"x": (1, 64)}, {"x": (8, 64)}),
        **options: Any,
    ) -> Package:
        info = pack_model(
            data,
            name="demo/model",
            version="1.0.0",
            license="MIT",
            shapes=shapes,
            out_dir=tmp_path / "package",
            signer=PUBLISHER,
            created=1_800_000_000,
            **options,
        )
        return open_package(info.directory)

    return pack


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, compiling is a failure."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("compiled again")

    return lambda: monkeypatch.setattr(programs, "compile_model", refuse)


def test_a_listed_program_is_the_publishers(packed: Packer) -> None:
    package = packed()
    found = Programs(package).find({"x": (8, 64)})
    entry = package.manifest.entry("8x64")
    assert (found.root, found.gas, found.derived) == (entry.program, entry.gas_units, False)
    assert found.output_types[0].shape == (8, 32)


def test_any_other_shape_is_derived_and_is_what_the_model_gives(packed: Packer) -> None:
    package = packed()
    found = Programs(package).find({"x": (5, 64)})
    expected = compile_model(model(), {"x": (5, 64)})
    assert found.derived
    assert (found.program, found.input_names) == (expected.program, expected.input_names)
    assert found.gas > 0
    # The weight is the package's own, mapped; nothing of it was copied.
    (mapped,) = (array for array in found.constants if array.shape == WEIGHT.shape)
    assert any(mapped is array for array in package.constants_by_root.values())


def test_compiling_is_felt_once(packed: Packer, no_compiler: Callable[[], None]) -> None:
    package = packed()
    one = Programs(package)
    first = one.find({"x": (3, 64)})
    no_compiler()
    assert one.find({"x": (3, 64)}) is first
    again = Programs(package).find({"x": (3, 64)})  # as another process finds it
    assert (again.root, again.program, again.derived) == (first.root, first.program, True)
    for ours, theirs in zip(again.constants, first.constants, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: _flip(path, 0),
        lambda path: _flip(path, 40),
        lambda path: _flip(path, -1),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(b""),
    ],
    ids=["digest", "header", "end", "cut", "longer", "empty"],
)
def test_a_damaged_file_is_compiled_again(
    packed: Packer,
    cache: Path,
    damage: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    package = packed()
    root = Programs(package).find({"x": (3, 64)}).root
    (path,) = cache.iterdir()
    damage(path)
    assert Programs(package).find({"x": (3, 64)}).root == root
    assert "damaged" in caplog.text
    caplog.clear()
    assert Programs(package).find({"x": (3, 64)}).root == root
    assert caplog.text == ""


def test_the_file_of_another_shape_is_not_taken(packed: Packer, cache: Path) -> None:
    package = packed()
    three = Programs(package).find({"x": (3, 64)}).root
    (path,) = cache.iterdir()
    Programs(package).find({"x": (4, 64)})
    (other,) = set(cache.iterdir()) - {path}
    other.replace(path)
    assert Programs(package).find({"x": (3, 64)}).root == three


def test_another_compiler_looks_elsewhere(
    packed: Packer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = packed()
    Programs(package).find({"x": (3, 64)})
    monkeypatch.setattr(derived, "compiler_version", lambda: "0" * 16)
    Programs(package).find({"x": (3, 64)})
    assert len(list(cache.iterdir())) == 2


def test_without_a_cache_every_process_compiles(
    packed: Packer, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    package = packed()
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"")
    assert Programs(package).find({"x": (3, 64)}).derived
    assert "not using the cache" in caplog.text


def test_a_package_without_its_source_runs_what_it_lists(packed: Packer) -> None:
    package = packed(with_source=False)
    one = Programs(package)
    assert not one.derives
    assert not one.find({"x": (1, 64)}).derived
    with pytest.raises(WrongTensor, match="no source") as refused:
        one.find({"x": (3, 64)})
    assert "x[8, 64]" in refused.value.hint


@pytest.mark.parametrize("shapes", [{"x": (3, 65)}, {"x": (64,)}, {"y": (3, 64)}, {}])
def test_what_the_model_does_not_allow_is_refused(packed: Packer, shapes: Any) -> None:
    with pytest.raises(WrongTensor):
        Programs(packed()).find(shapes)


def test_bound_inputs_are_bound_in_derived_programs_too(packed: Packer) -> None:
    bias = np.arange(32, dtype=np.float32)
    package = packed(model(bias=True), [{"x": (1, 64)}], bindings={"bias": bias})
    found = Programs(package).find({"x": (3, 64)})
    expected = compile_model(model(bias=True), {"x": (3, 64)}, bindings={"bias": bias})
    assert found.program == expected.program
    assert found.input_names == ("x",)


def test_the_source_is_an_onnx_file_that_shares_the_weights(packed: Packer) -> None:
    package = packed()
    source = package.file("source.onnx")
    assert source.stat().st_size < 1024
    loaded = onnx.load(source)
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), WEIGHT)
    weights = package.file("weights.safetensors").stat().st_size
    assert weights < WEIGHT.nbytes + 1024
    onnx.checker.check_model(source)

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from aivm.compiler import compile_model, inspect_model
from aivm.devnet.minilm import build_model
from aivm.errors import MalformedPackage
from aivm.numerics.dtypes import DType
from aivm.packages.safetensors import write_safetensors

HIDDEN, WIDE, LAYERS = 8, 16, 2


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A tiny network of the same architecture, with random weights."""
    rng = np.random.default_rng(0)
    shapes = {f"embeddings.{table}.weight": (size, HIDDEN) for table, size in (
        ("word_embeddings", 50), ("position_embeddings", 16), ("token_type_embeddings", 2),
    )}  # fmt: skip
    linear = {
        "attention.self.query": (HIDDEN, HIDDEN),
        "attention.self.key": (HIDDEN, HIDDEN),
        "attention.self.value": (HIDDEN, HIDDEN),
        "attention.output.dense": (HIDDEN, HIDDEN),
        "intermediate.dense": (WIDE, HIDDEN),
        "output.dense": (HIDDEN, WIDE),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        norms += [f"{prefix}attention.output.LayerNorm", f"{prefix}output.LayerNorm"]
        for name, shape in linear.items():
            shapes[f"{prefix}{name}.weight"] = shape
            shapes[f"{prefix}{name}.bias"] = shape[:1]
    shapes |= {f"{name}.{part}": (HIDDEN,) for name in norms for part in ("weight", "bias")}
    tensors = {
        name: (DType.F32, rng.normal(size=shape).astype(np.float32))
        for name, shape in shapes.items()
    }
    write_safetensors(tmp_path / "model.safetensors", tensors)
    config = {"hidden_size": HIDDEN, "num_attention_heads": 2, "num_hidden_layers": LAYERS}
    (tmp_path / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-12}))
    return tmp_path


def test_the_interface_and_the_operators(model_dir):
    interface = inspect_model(build_model(model_dir))
    assert [tensor.name for tensor in interface.inputs] == ["input_ids", "attention_mask"]
    assert [tensor.shape for tensor in interface.inputs] == [("batch", "sequence")] * 2
    assert interface.outputs[0].shape == ("batch", HIDDEN)
    assert len(interface.operators) == 18


def test_the_same_weights_give_the_same_bytes(model_dir):
    assert build_model(model_dir) == build_model(model_dir)


def test_the_model_is_valid_and_compiles_for_every_length(model_dir):
    model = build_model(model_dir)
    onnx.checker.check_model(model, full_check=True)
    for shape in ((1, 3), (2, 16)):
        compiled = compile_model(model, {"input_ids": shape, "attention_mask": shape})
        assert compiled.program.instructions[-1].type.shape == (shape[0], HIDDEN)


def test_damaged_weights_are_refused(model_dir):
    path = model_dir / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MalformedPackage):
        build_model(model_dir)

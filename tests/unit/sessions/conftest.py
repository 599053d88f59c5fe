"""Models with state: the example of the project, and small recurrent ones made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm.chain.account import Account
from aivm.packages import ExtraFile, Package, Role, open_package
from aivm.sessions import Generator, SessionPlan, generator_of, pack_session

LLAMA = Path(__file__).parents[3] / "examples" / "llama"
VOCABULARY, WIDTH = 11, 8

Pack = Callable[..., Package]


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Packs a model with state and opens the package."""

    def pack(model: bytes, plan: SessionPlan, **extra: Any) -> Package:
        folder = tmp_path_factory.mktemp("session") / "package"
        about: Any = {
            "name": "demo/session",
            "version": "1.0.0",
            "license": "Apache-2.0",
            "created": 0,
        }
        pack_session(model, plan, out_dir=folder, signer=Account(b"\x07" * 32), **about, **extra)
        return open_package(folder)

    return pack


@pytest.fixture(scope="session")
def llama(pack: Pack) -> Package:
    """The small language model, which takes prompts in by 64, 16 and 4 tokens."""
    plan = SessionPlan(blocks=(16, 4, 64), capacity=256, stop=(0,))
    tokenizer = ExtraFile("tokenizer.json", Role.TOKENIZER, LLAMA / "tokenizer.json")
    return pack((LLAMA / "llama.onnx").read_bytes(), plan, extra_files=[tokenizer])


@pytest.fixture(scope="session")
def generator(llama: Package) -> Generator:
    return generator_of(llama.manifest)


def recurrent_model(cell: str, states: tuple[str, str], *, scale: float = 1.0) -> bytes:
    """tokens [1, S] and a state -> logits [1, S, VOCABULARY] and the next state."""
    rng = np.random.default_rng(3)
    gates = {"GRU": 3, "LSTM": 4}[cell] * WIDTH
    given = ["h", "c"][: 1 if cell == "GRU" else 2]
    taken, made = states
    constants = {
        "embedding": rng.normal(size=(VOCABULARY, WIDTH)) * scale,
        "W": rng.normal(size=(1, gates, WIDTH)),
        "R": rng.normal(size=(1, gates, WIDTH)),
        "out": rng.normal(size=(WIDTH, VOCABULARY)) * 2,
    }
    inputs, outputs = ([pattern.replace("*", name) for name in given] for pattern in (taken, made))
    nodes = [
        helper.make_node("Gather", ["embedding", "tokens"], ["embedded"], axis=0),
        helper.make_node("Transpose", ["embedded"], ["sequence"], perm=[1, 0, 2]),
        helper.make_node(
            cell, ["sequence", "W", "R", "", "", *inputs], ["all", *outputs], hidden_size=WIDTH
        ),
        helper.make_node("Squeeze", ["all", "axis"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["states"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["states", "out"], ["logits"]),
    ]
    value, state = helper.make_tensor_value_info, [1, 1, WIDTH]
    graph = helper.make_graph(
        nodes,
        cell,
        [
            value("tokens", TensorProto.INT64, [1, "S"]),
            *(value(name, TensorProto.FLOAT, state) for name in inputs),
        ],
        [
            value("logits", TensorProto.FLOAT, [1, "S", VOCABULARY]),
            *(value(name, TensorProto.FLOAT, state) for name in outputs),
        ],
        [numpy_helper.from_array(array.astype(np.float32), n) for n, array in constants.items()]
        + [numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())

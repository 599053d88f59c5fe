"""P7: decoding with a KV cache, one token at a time, one thread, against onnxruntime.

    python benchmarks/decoding.py           prints a table, writes benchmarks/decoding.json

The model is examples/llama with its cache of 256 places. All contestants take in the same tokens
one by one and pick the likeliest next one; ours by the sampler program, which is a part of the
claim, onnxruntime's with numpy. They must pick the same tokens before anything is timed. "step" is
the run of the model alone in the middle of the cache, "token" is that and the choice. Each run
takes in the state that the one before has left, as a decoding loop does. Single tokens are timed,
because a short call has a better chance of a quiet moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from measure import best_seconds, report, table

from aivm.chain.account import Account
from aivm.commitments import Array
from aivm.engines import Executable, Kept, open_engine
from aivm.errors import Mismatch
from aivm.packages import Package, open_package
from aivm.sessions import Decoder, Request, SessionPlan, generator_of, pack_session

MODEL = Path(__file__).parents[1] / "examples" / "llama" / "llama.onnx"
PROMPT, TOKENS = (300, 20, 100), 48
ENGINES = ("native", "wasm")
ROUNDS, SLICE = 1000, 0.0005  # a scheduler gives a busy machine no longer moments
GOAL = 1.0
STATE = [np.zeros((1, 2, 256, 16), np.float32)] * 8


class Peer:
    """onnxruntime in a decoding loop."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options)
        self._names = [given.name for given in self._session.get_inputs()]

    def step(self, token: int, position: int, state: list[Array]) -> list[Array]:
        given = [np.array([[token]], np.int64), np.array([position], np.int64), *state]
        results: list[Array] = self._session.run(None, dict(zip(self._names, given, strict=True)))
        return results

    def generate(self) -> list[int]:
        state = STATE
        tokens = list(PROMPT)
        for position in range(len(PROMPT) + TOKENS - 1):
            logits, *state = self.step(tokens[position], position, state)
            if position + 1 >= len(PROMPT):
                tokens.append(int(logits.argmax()))
        return tokens[len(PROMPT) :]


def main() -> None:
    model = MODEL.read_bytes()
    peer = Peer(model)
    package = packed(model)
    generator = generator_of(package.manifest)
    decoders = {name: Decoder(generator, package, open_engine(name)) for name in ENGINES}
    request = Request(PROMPT, TOKENS)
    whole: dict[str, Callable[[], list[int]]] = {
        name: lambda decoder=decoder: list(decoder.generate(request))  # type: ignore[misc]
        for name, decoder in decoders.items()
    }
    whole["onnxruntime"] = peer.generate
    answers = [run() for run in whole.values()]
    if any(a != b for a, b in pairwise(answers)):
        raise Mismatch("the contestants do not pick the same tokens")
    loops: dict[str, Loop | PeerLoop] = {name: Loop(package, name) for name in ENGINES}
    loops["onnxruntime"] = PeerLoop(peer)
    per_step, per_token = (
        best_seconds(runs, rounds=ROUNDS, slice_seconds=SLICE)
        for runs in (
            {name: loop.step for name, loop in loops.items()},
            {name: loop.token for name, loop in loops.items()},
        )
    )
    rows = [
        [name, per_step[name] * 1e6, per_token[name] * 1e6, 1 / per_token[name]] for name in whole
    ]
    ratio = per_step["onnxruntime"] / per_step["native"]
    ratio_whole = per_token["onnxruntime"] / per_token["native"]
    figure = f"{ratio:.2f}x a step, {ratio_whole:.2f}x with sampling"
    goal = f">= {GOAL:.1f}x of onnxruntime"
    result = {
        "step_us": {name: seconds * 1e6 for name, seconds in per_step.items()},
        "token_us": {name: seconds * 1e6 for name, seconds in per_token.items()},
        "targets": {"P7": {"figure": figure, "goal": goal, "met": ratio_whole >= GOAL}},
    }
    columns = ["engine", "step us", "token us", "tokens/s"]
    report("decoding", result, table(columns, rows) + f"\nnative / onnxruntime: {figure}")


def packed(model: bytes) -> Package:
    with tempfile.TemporaryDirectory() as folder:
        pack_session(
            model,
            SessionPlan(capacity=256),
            name="benchmark/llama",
            version="1.0.0",
            license="Apache-2.0",
            out_dir=Path(folder) / "package",
            signer=Account(b"\1" * 32),
            created=0,
        )
        return open_package(Path(folder) / "package")


class Loop:
    """Ours in a decoding loop that stands still in the middle of the cache."""

    def __init__(self, package: Package, engine: str) -> None:
        self._step = loaded(package, "step", engine)
        self._sampler = loaded(package, "sampler", engine)
        self._state: Sequence[Array | Kept] = STATE

    def step(self) -> Kept:
        token, position = np.array([[5]], np.int64), np.array([128], np.int64)
        logits, *self._state = self._step.advance([token, position, *self._state])
        return logits

    def token(self) -> int:
        parameters = (
            np.array(0, np.float32),
            np.array(0, np.int64),
            np.array(1, np.float32),
            np.array([0, 128], np.uint64),
        )
        return int(self._sampler.advance([self.step(), *parameters])[0].array()[0, 0])


class PeerLoop:
    """The same by onnxruntime."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._state = STATE

    def step(self) -> Array:
        logits, *self._state = self._peer.step(5, 128, self._state)
        return logits

    def token(self) -> int:
        return int(self.step().argmax())


def loaded(package: Package, program: str, engine: str) -> Executable:
    return open_engine(engine).load(package.program(program), package.constants(program))


if __name__ == "__main__":
    main()

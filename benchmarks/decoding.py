"""P7: decoding with a KV cache, one token at a time, one thread, against onnxruntime.

    python benchmarks/decoding.py           prints a table, writes benchmarks/decoding.json

The model is examples/llama with its cache of 256 places. All contestants take in the same tokens
one by one and pick the likeliest next one; ours by the sampler program, which is a part of the
claim, onnxruntime's with numpy. They must pick the same tokens before anything is timed. "step" is
the run of the model alone in the middle of the cache, "token" is that and the choice. Single tokens
are timed, because a short call has a better chance of a quiet moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from measure import best_seconds, report, table

from aivm.chain.account import Account
from aivm.commitments import Array
from aivm.engines import Executable, open_engine
from aivm.errors import Mismatch
from aivm.packages import Package, open_package
from aivm.sessions import Decoder, Request, SessionPlan, generator_of, pack_session

MODEL = Path(__file__).parents[1] / "examples" / "llama" / "llama.onnx"
PROMPT, TOKENS = (300, 20, 100), 48
ENGINES = ("native", "wasm")
ROUNDS, SLICE = 1000, 0.0005  # a scheduler gives a busy machine no longer moments
GOAL = 1.0


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
        state = [np.zeros((1, 2, 256, 16), np.float32)] * 8
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
    per_step = best_seconds(steps_of(package, peer), rounds=ROUNDS, slice_seconds=SLICE)
    per_token = best_seconds(tokens_of(package, peer), rounds=ROUNDS, slice_seconds=SLICE)
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


def steps_of(package: Package, peer: Peer) -> dict[str, Callable[[], list[Array]]]:
    """One step in the middle of the cache, by each contestant."""
    state = [np.zeros((1, 2, 256, 16), np.float32)] * 8
    given = [np.array([[5]], np.int64), np.array([128], np.int64), *state]
    steps: dict[str, Callable[[], list[Array]]] = {}
    for name in ENGINES:
        loaded = open_engine(name).load(package.program("step"), package.constants("step"))
        steps[name] = lambda loaded=loaded: loaded.run(given)  # type: ignore[misc]
    steps["onnxruntime"] = lambda: peer.step(5, 128, state)
    return steps


def tokens_of(package: Package, peer: Peer) -> dict[str, Callable[[], object]]:
    """The same, and the choice of the next token."""
    steps = steps_of(package, peer)
    parameters = [
        np.array(0, np.float32),
        np.array(0, np.int64),
        np.array(1, np.float32),
        np.zeros(2, np.uint64),
    ]
    tokens: dict[str, Callable[[], object]] = {}
    for name in ENGINES:
        sampler = open_engine(name).load(package.program("sampler"), package.constants("sampler"))

        def token(
            step: Callable[[], list[Array]] = steps[name], sampler: Executable = sampler
        ) -> object:
            return sampler.run([step()[0], *parameters])

        tokens[name] = token
    tokens["onnxruntime"] = lambda: int(steps["onnxruntime"]()[0].argmax())
    return tokens


if __name__ == "__main__":
    main()

"""The decoding loop: the same bits by blocks and by steps, on every engine; and its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from tests.unit.sessions.conftest import LLAMA, recurrent_model

from aivm.compiler import compile_model
from aivm.engines import Engine, open_engine
from aivm.errors import BadInput, NoToken, TooLarge
from aivm.packages import Package, ProgramEntry
from aivm.sessions import Decoder, Generator, Request, SessionPlan, generator_of
from aivm.testing.engines import fast_engines, same

Array = np.ndarray[Any, Any]
PROMPT = tuple(int(token) for token in np.random.default_rng(2).integers(0, 512, 90))


class Recorder:
    """Keeps the outputs of runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, list[Array], list[Array]]] = []

    def __call__(
        self, entry: ProgramEntry, inputs: Sequence[Array], outputs: Sequence[Array]
    ) -> None:
        self.runs.append((entry.name, list(inputs), list(outputs)))


def generated(
    generator: Generator, package: Package, engine: Engine, request: Request
) -> tuple[list[int], list[Array], list[Array]]:
    """Tokens, the logits of all steps, and the state at the end."""
    recorder = Recorder()
    with Decoder(generator, package, engine) as decoder:
        tokens = list(decoder.generate(request, recorder))
    steps = [outputs for name, _, outputs in recorder.runs if name == "step"]
    return tokens, [outputs[0] for outputs in steps], steps[-1][1:]


SAMPLED = Request(PROMPT, 12, temperature=0.9, top_k=50, top_p=0.95, seed=11)


def test_every_engine_generates_the_same_tokens_logits_and_state(
    generator: Generator, llama: Package
) -> None:
    request = replace(SAMPLED, max_tokens=4)
    wanted = generated(generator, llama, open_engine("wasm"), request)
    assert len(wanted[0]) == 4
    for name, engine in fast_engines().items():
        tokens, logits, state = generated(generator, llama, engine, request)
        assert tokens == wanted[0], name
        assert all(map(same, logits, wanted[1])), name
        assert all(map(same, state, wanted[2])), name


def test_the_reference_engine_agrees(generator: Generator, llama: Package) -> None:
    short = replace(SAMPLED, prompt=PROMPT[:6], max_tokens=2)
    wanted = generated(generator, llama, open_engine("native"), short)
    tokens, logits, state = generated(generator, llama, open_engine("reference"), short)
    assert tokens == wanted[0]
    assert all(map(same, [*logits, *state], [*wanted[1], *wanted[2]]))


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_a_prompt_gives_the_same_bits_by_blocks_and_token_by_token(
    generator: Generator, llama: Package, engine: str
) -> None:
    opened = open_engine(engine)
    by_steps = generated(replace(generator, blocks=()), llama, opened, SAMPLED)
    for blocks in (generator.blocks, generator.blocks[:1], generator.blocks[1:2]):
        tokens, logits, state = generated(replace(generator, blocks=blocks), llama, opened, SAMPLED)
        assert tokens == by_steps[0]
        # Only the steps give logits: those behind the blocks are the last ones.
        assert all(map(same, logits, by_steps[1][-len(logits) :]))
        assert all(map(same, state, by_steps[2]))


@pytest.mark.parametrize("engine", ["wasm", "native"])
def test_every_place_of_a_block_has_the_logits_of_its_step(engine: str) -> None:
    """What a block does not give in a package, but its model does."""
    model, opened = (LLAMA / "llama.onnx").read_bytes(), open_engine(engine)
    rows = {}
    for size in (1, 7, 28):
        compiled = compile_model(model, {"tokens": (1, size)})
        loaded = opened.load(compiled.program, compiled.constants)
        state = [np.zeros((1, 2, 256, 16), np.float32)] * 8
        logits = []
        for start in range(0, 28, size):
            tokens = np.array([PROMPT[start : start + size]], np.int64)
            given, *state = loaded.run([tokens, np.array([start], np.int64), *state])
            logits.append(given)
        rows[size] = [np.concatenate(logits, axis=1), *state]
        loaded.close()
    assert all(map(same, rows[1], rows[7])) and all(map(same, rows[1], rows[28]))


@pytest.mark.parametrize(
    ("cell", "states"), [("GRU", ("*", "*_next")), ("LSTM", ("*_in", "*_out"))]
)
def test_recurrent_state(pack: Any, cell: str, states: tuple[str, str]) -> None:
    package = pack(recurrent_model(cell, states), SessionPlan(blocks=(3,), stop=(10,)))
    generator = generator_of(package.manifest)
    assert generator.capacity is None and generator.step.position is None
    request = Request((1, 2, 3, 4, 5, 6, 7, 8, 9), 300, temperature=1.0, seed=5)
    wanted = generated(replace(generator, blocks=()), package, open_engine("wasm"), request)
    tokens, logits, state = generated(generator, package, open_engine("native"), request)
    assert tokens == wanted[0] and len(tokens) == 300
    assert all(map(same, logits, wanted[1][-len(logits) :]))
    assert all(map(same, state, wanted[2]))
    ended = replace(request, stop=(tokens[40],))
    assert (
        generated(generator, package, open_engine("native"), ended)[0]
        == tokens[: tokens.index(tokens[40]) + 1]
    )


def test_the_loop_is_the_one_that_is_written_down(generator: Generator, llama: Package) -> None:
    recorder = Recorder()
    request = replace(SAMPLED, prompt=PROMPT[:6], max_tokens=2)
    with Decoder(generator, llama, open_engine("native")) as decoder:
        tokens = list(decoder.generate(request, recorder))
    names = [name for name, _, _ in recorder.runs]
    assert names == ["block-4", "step", "step", "sampler", "step", "sampler"]
    taken = [(inputs[0].tolist(), inputs[1].tolist()) for name, inputs, _ in recorder.runs
             if name != "sampler"]  # fmt: skip
    prompt = list(PROMPT)
    assert taken == [([prompt[:4]], [0]), ([[prompt[4]]], [4]), ([[prompt[5]]], [5]),
                     ([[tokens[0]]], [6])]  # fmt: skip
    seeds = [inputs[4].tolist() for name, inputs, _ in recorder.runs if name == "sampler"]
    assert seeds == [[11, 0], [11, 1]]
    assert not any(state.any() for state in recorder.runs[0][1][2:]), "a session begins with zeros"


def test_tokens_come_one_by_one_and_generations_may_take_turns(
    generator: Generator, llama: Package
) -> None:
    with Decoder(generator, llama, open_engine("native")) as decoder:
        other = replace(SAMPLED, seed=12)
        alone = [list(decoder.generate(request)) for request in (SAMPLED, other)]
        together = list(zip(decoder.generate(SAMPLED), decoder.generate(other), strict=True))
        assert [list(tokens) for tokens in zip(*together, strict=True)] == alone
        assert list(islice(decoder.generate(SAMPLED), 3)) == alone[0][:3]


def test_a_request_that_does_not_fit_is_refused_before_anything_runs(
    generator: Generator, llama: Package
) -> None:
    with Decoder(generator, llama, open_engine("native")) as decoder:
        with pytest.raises(BadInput, match="token 512"):
            decoder.generate(Request((512,), 1))
        with pytest.raises(TooLarge, match="257 tokens, the model takes 256"):
            decoder.generate(Request((1,) * 257, 1))
        with pytest.raises(TooLarge, match="room for 167"):
            decoder.generate(Request(PROMPT, 168))


def test_a_session_can_be_filled_to_the_last_place(generator: Generator, llama: Package) -> None:
    with Decoder(generator, llama, open_engine("native")) as decoder:
        tokens = list(decoder.generate(Request((7,) * 250, 7, temperature=1.0)))
    assert len(tokens) == 7


def test_a_model_that_overflows_gives_no_token(pack: Any) -> None:
    package = pack(recurrent_model("GRU", ("*", "*_next"), scale=float("nan")), SessionPlan())
    with Decoder(generator_of(package.manifest), package, open_engine("native")) as decoder:
        tokens = decoder.generate(Request((1,), 3))
        with pytest.raises(NoToken, match="after 0 tokens"):
            next(tokens)

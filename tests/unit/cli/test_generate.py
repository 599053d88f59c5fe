"""`aivm pack --session`, `aivm generate` and `aivm verify`, as a person uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.cli.conftest import Aivm

from aivm.chain.account import Account
from aivm.client import session as sessions

LLAMA = Path(__file__).parents[3] / "examples" / "llama"
ABOUT = ("--name", "demo/llama", "--version", "1.0.0", "--license", "Apache-2.0", "--out", "llama")
PLAN = ("--session", "--capacity", 256, "--block", 16, "--stop", 0)


@pytest.fixture
def llama(aivm: Aivm, key: Account) -> str:
    assert key.address
    tokenizer = f"tokenizer={LLAMA / 'tokenizer.json'}"
    done = aivm("pack", LLAMA / "llama.onnx", *PLAN, "--file", tokenizer, *ABOUT)
    assert done.status == 0 and "aivm generate llama" in done.err
    return "llama"


def test_text_is_on_stdout_and_the_same_everywhere(aivm: Aivm, llama: str) -> None:
    given = ("--prompt", "The licence", "--max-tokens", 12, "--temperature", 0.9, "--seed", 4)
    done = aivm("generate", llama, *given)
    assert done.status == 0 and done.err == ""
    document = aivm("generate", llama, *given, "--engine", "native", "--json").document
    assert document["ok"] and len(document["tokens"]) == 12
    assert done.out == document["text"] + "\n"
    assert document["finish_reason"] == "length" and document["prompt_tokens"] >= 2
    assert aivm("generate", llama, *given, "-q").out == document["job"] + "\n"


def test_one_receipt_is_written_verified_and_refuted(aivm: Aivm, llama: str) -> None:
    given = ("--prompt", "The licence", "--max-tokens", 6, "--top-p", 0.9, "--temperature", 1)
    done = aivm("generate", llama, *given, "--receipt", "r.json", "--inputs", "i.npz")
    assert done.status == 0 and "aivm verify r.json --model llama --input i.npz" in done.err
    assert aivm("verify", "r.json", "--model", llama, "--input", "i.npz").status == 0
    native = ("--engine", "native", "--json")
    document = aivm("verify", "r.json", "--model", llama, "--input", "i.npz", *native).document
    assert document["ok"] and document["checks"][-1]["name"] == "re-execution"

    other = dict(np.load("i.npz"))
    other["seed"] = np.array(9, np.uint64)
    np.savez("other.npz", **other)
    refuted = aivm("verify", "r.json", "--model", llama, "--input", "other.npz", "--json")
    failed = {check["name"] for check in refuted.document["checks"] if not check["ok"]}
    assert refuted.status == 3 and "inputs" in failed


def test_tokens_in_and_out(aivm: Aivm, llama: str) -> None:
    done = aivm("generate", llama, "--tokens", "17,4,99", "--max-tokens", 4)
    document = aivm("generate", llama, "--tokens", "17,4,99", "--max-tokens", 4, "--json").document
    assert [int(token) for token in done.out.split()] == document["tokens"]
    assert "text" not in document


BAD: list[tuple[tuple[Any, ...], str]] = [
    ((), "either as --prompt or as --tokens"),
    (("--prompt", "a", "--tokens", "1"), "either as --prompt or as --tokens"),
    (("--prompt", ""), "the prompt is empty"),
    (("--tokens", "1,x"), "not token ids"),
    (("--tokens", "512"), "the model knows 0 to 511"),
    (("--prompt", "a", "--max-tokens", 0), "max_tokens is 0"),
    (("--prompt", "a", "--max-tokens", 1000), "room for"),
    (("--prompt", "a " * 300), "the model takes 256"),
    (("--prompt", "a", "--temperature", "-1"), "temperature"),
    (("--prompt", "a", "--temperature", "nan"), "temperature"),
    (("--prompt", "a", "--temperature", "hot"), "temperature"),
    (("--prompt", "a", "--top-p", 2), "top_p"),
    (("--prompt", "a", "--top-k", -1), "top_k"),
    (("--prompt", "a", "--seed", -1), "seed"),
]


def test_bad_input_is_refused_with_a_sentence(aivm: Aivm, llama: str) -> None:
    for given, match in BAD:
        done = aivm("generate", llama, *given)
        assert done.status == 2 and match in done.err and done.out == "", given


def test_what_cannot_generate_is_refused(aivm: Aivm, package: Path) -> None:
    done = aivm("generate", package, "--prompt", "a")
    assert done.status == 2 and "has no session" in done.err
    done = aivm("generate", "some/model", "--prompt", "a")
    assert done.status == 4 and "aivm pull some/model" in done.err
    done = aivm("generate", package, "--prompt", "a", "--receipt", "nowhere/r.json")
    assert done.status == 4 and "nowhere" in done.err


def test_an_interrupted_generation_leaves_no_receipt(
    aivm: Aivm, llama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sessions.LocalSession.steps

    def interrupted(self: Any, request: Any) -> Any:
        for number, token in enumerate(whole(self, request)):
            if number == 3:
                raise KeyboardInterrupt
            yield token

    monkeypatch.setattr(sessions.LocalSession, "steps", interrupted)
    done = aivm("generate", llama, "--prompt", "The", "--receipt", "r.json", "--inputs", "i.npz")
    assert done.status == 130 and "interrupted after 3 tokens" in done.err
    assert not Path("r.json").exists() and not Path("i.npz").exists()


def test_options_of_a_session_need_the_session(aivm: Aivm, digits: Path, key: Account) -> None:
    assert key.address
    done = aivm("pack", digits, "--capacity", 9, *ABOUT)
    assert done.status == 2 and "Add --session" in done.err
    done = aivm("pack", digits, "--session", *ABOUT)
    assert done.status == 2 and "known as the tokens" in done.err
    done = aivm("pack", digits, "--session", "--state", "x", *ABOUT)
    assert done.status == 2 and "IN=OUT" in done.err

"""Generation through the SDK: streaming, text, receipts, audits and misuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import aivm
from aivm.chain.account import Account
from aivm.client import LocalSession, audit_generation
from aivm.errors import BadInput, NotFound, TooLarge, UnsupportedModel
from aivm.packages import ExtraFile, Package, Role, open_package
from aivm.receipts import ZERO_ADDRESS, Domain, Receipt, SignedReceipt
from aivm.sessions import SessionPlan, pack_session

LLAMA = Path(__file__).parents[3] / "examples" / "llama"
PROMPT = "You may reproduce and distribute"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("llama") / "package"
    pack_session(
        (LLAMA / "llama.onnx").read_bytes(),
        SessionPlan(blocks=(16,), capacity=256, stop=(0,)),
        name="demo/llama",
        version="1.0.0",
        license="Apache-2.0",
        out_dir=folder,
        signer=Account(b"\x07" * 32),
        created=0,
        extra_files=[ExtraFile("tokenizer.json", Role.TOKENIZER, LLAMA / "tokenizer.json")],
    )
    return open_package(folder)


@pytest.fixture(scope="module")
def session(package: Package) -> Iterator[LocalSession]:
    with aivm.open_session(package, engine="native") as opened:
        yield opened


def local(receipt: Receipt) -> SignedReceipt:
    return SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None)


def test_tokens_come_as_they_are_made(session: LocalSession) -> None:
    generation = session.generate(PROMPT, max_tokens=5)
    tokens = iter(generation)
    first = next(tokens)
    assert generation.tokens == [first] and generation.finish_reason is None
    assert [first, *tokens] == generation.tokens == list(generation)
    assert len(generation.tokens) == 5 and generation.finish_reason == "length"


async def test_tokens_come_without_blocking_the_loop(session: LocalSession) -> None:
    wanted = list(session.generate(PROMPT, max_tokens=5))
    generation = session.generate(PROMPT, max_tokens=5)
    assert [token async for token in generation] == wanted
    assert [token async for token in generation] == wanted


def test_text_is_what_the_tokens_spell(session: LocalSession) -> None:
    generation = session.generate(PROMPT, max_tokens=30, temperature=1.2, seed=5)
    pieces = list(generation.text())
    assert len(pieces) > 5
    assert session.encode(PROMPT) == generation.request.prompt
    again = session.generate(generation.request.prompt, max_tokens=30, temperature=1.2, seed=5)
    assert "".join(again.text()) == "".join(pieces)


def test_a_seed_is_another_text(session: LocalSession) -> None:
    texts = [list(session.generate(PROMPT, max_tokens=12, temperature=1, seed=s)) for s in (1, 2)]
    assert texts[0] != texts[1]


def test_a_stop_token_ends_the_generation_and_has_no_text(session: LocalSession) -> None:
    tokens = list(session.generate(PROMPT, max_tokens=20))
    generation = session.generate(PROMPT, max_tokens=20, stop=[tokens[6]])
    text = "".join(generation.text())
    assert generation.tokens == tokens[: tokens.index(tokens[6]) + 1]
    assert generation.finish_reason == "stop"
    shorter = session.generate(PROMPT, max_tokens=max(1, len(generation.tokens) - 1))
    assert "".join(shorter.text()).startswith(text)


def test_max_tokens_defaults_to_what_there_is_room_for(session: LocalSession) -> None:
    assert session.generate([5]).request.max_tokens == 128
    assert session.generate([5] * 250).request.max_tokens == 7
    with pytest.raises(TooLarge, match="the prompt has 257 tokens"):
        session.generate([5] * 257)


def test_one_receipt_for_the_whole(session: LocalSession, package: Package) -> None:
    generation = session.generate(PROMPT, max_tokens=8, temperature=0.7, top_k=9, seed=3)
    receipt = generation.receipt()
    assert len(generation.tokens) == 8, "a receipt is about the whole"
    assert receipt.model == package.model_id and receipt.job == receipt.expected_job
    inputs = generation.request.tensors()
    with aivm.open_session(package) as other:
        verdict = audit_generation(local(receipt), other, inputs, outputs=generation.outputs)
    assert verdict.ok
    names = [check.name for check in verdict.checks]
    assert names == [
        *("signature", "job", "numerics", "model", "program in manifest"),
        *("inputs", "outputs", "re-execution"),
    ]


@pytest.mark.parametrize(
    ("lie", "failing"),
    [
        ({"outputs": bytes(32)}, {"re-execution"}),
        ({"inputs": bytes(32)}, {"inputs", "job"}),
        ({"program": bytes(32)}, {"program in manifest", "job"}),
        ({"model": bytes(32)}, {"model", "job"}),
    ],
)
def test_a_false_receipt_is_found_out(
    session: LocalSession, lie: dict[str, bytes], failing: set[str]
) -> None:
    generation = session.generate(PROMPT, max_tokens=3)
    receipt = replace(generation.receipt(), **lie)
    verdict = audit_generation(local(receipt), session, generation.request.tensors())
    assert {check.name for check in verdict.checks if not check.ok} == failing


def test_tokens_that_came_with_a_receipt_must_be_its_own(session: LocalSession) -> None:
    generation = session.generate(PROMPT, max_tokens=3)
    other = np.array([1, 2, 3], np.int64)
    inputs = generation.request.tensors()
    verdict = audit_generation(local(generation.receipt()), session, inputs, outputs=other)
    assert [check.name for check in verdict.checks if not check.ok] == ["outputs"]


def test_threads_take_turns(session: LocalSession) -> None:
    wanted = [list(session.generate([n, 9], max_tokens=6)) for n in range(4)]
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        found[number] = list(session.generate([number, 9], max_tokens=6))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(4)] == wanted


def test_a_closed_session_says_so(package: Package) -> None:
    session = aivm.open_session(package, engine="native")
    generation = session.generate([5], max_tokens=3)
    next(iter(generation))
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        list(generation)


def test_misuse_is_refused(session: LocalSession, package: Package, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="empty"):
        session.generate("")
    with pytest.raises(BadInput, match="empty"):
        session.generate([])
    with pytest.raises(BadInput, match="temperature"):
        session.generate("a", temperature=-1)
    with pytest.raises(BadInput, match="token 512"):
        session.generate([512])
    with pytest.raises(NotFound):
        aivm.open_session(tmp_path)
    plain = Package(tmp_path, replace(package.manifest, session=None), bytes(32), {}, {})
    with pytest.raises(UnsupportedModel, match="no session"):
        aivm.open_session(plain)

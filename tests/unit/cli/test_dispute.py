"""`aivm dispute show | watch` on a chain: pictures, documents, references good and bad."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.chain.games import MATMUL, SUM, Court, game_about

from aivm.chain.cases import Case
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.docket import Docket
from aivm.cli.dispute_picture import Picture, listing, tokens

from .conftest import Aivm, Done


@pytest.fixture
async def court(
    deployed: Chain, devchain: DevChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Court:
    deployed.address_book.write(tmp_path / "book.json")
    monkeypatch.setenv("AIVM_RPC_URL", devchain.url)
    monkeypatch.setenv("AIVM_ADDRESS_BOOK", str(tmp_path / "book.json"))
    return await Court.prepared(deployed, devchain)


async def cli(aivm: Aivm, *arguments: object) -> Done:
    """The command in a thread of its own, with its own event loop."""
    return await asyncio.to_thread(aivm, "dispute", *arguments)


async def played(court: Court, game: bytes, moves: int = 99) -> Case:
    docket = Docket(court.chain)
    await docket.poll()
    while docket.case(game).is_open and moves:
        await court.play(docket.case(game))
        await docket.poll()
        moves -= 1
    return docket.case(game)


async def test_a_game_from_its_opening_to_its_end(court: Court, aivm: Aivm) -> None:
    game = await court.open(game_about(MATMUL, values=70))
    opened = await cli(aivm, "show", game.hex())
    assert opened.status == 0
    assert "OPEN" in opened.out and "70 values of the program" in opened.out
    assert "▶ provider" in opened.out and "to commit" in opened.out
    await played(court, game)
    ended = await cli(aivm, "show", "0x" + game.hex()[:12])
    assert "CONVICTED" in ended.out and "prove step" in ended.out
    assert "value 69 = MatMul, F32 [12, 30]" in ended.out
    assert "500 AIVM of the provider's stake" in ended.out
    assert f"300 AIVM  {court.devchain.accounts[3].address}" in ended.out
    assert "▶" not in ended.out


async def test_the_document_says_the_same(court: Court, aivm: Aivm) -> None:
    game = await court.open(game_about(SUM))
    before = (await cli(aivm, "show", game.hex(), "--json")).document["dispute"]
    assert (before["status"], before["phase"], before["mover"]) == ("open", "commit", "provider")
    assert 0 < before["deadline"] - before["now"] <= court.terms.clock
    assert before["clocks"]["challenger"] == court.terms.clock
    assert before["place"]["value"] is None
    case = await played(court, game)
    after = (await cli(aivm, "show", game.hex(), "--json")).document["dispute"]
    assert (after["status"], after["phase"], after["mover"]) == ("convicted", None, None)
    assert after["deadline"] is None
    place = after["place"]
    assert (place["value"], place["element"], place["instruction"]["family"]) == (2, 7, "Reduce")
    assert place["lane"] is not None and place["step"] % 16 == place["lane"]
    assert [move["move"] for move in after["moves"]] == [entry.move for entry in case.entries]
    assert after["moves"][-1]["function"] == "proveStep"
    last = after["moves"][-1]["scope"]
    assert (last["scale"], last["end"] - last["first"]) == ("chain", 1)
    for move in after["moves"]:
        scope = move["scope"]
        assert scope["low"] <= scope["first"] < scope["end"] <= scope["high"]
    assert (after["gas"], after["transactions"]) == (case.gas, len(case.entries))
    amounts = {payment["role"]: int(payment["amount"]) for payment in after["payments"]}
    award = court.terms.penalty // 2
    assert amounts == {
        "burned": award,
        "client": award // 5,
        "challenger": award * 4 // 5 + court.terms.bond,
    }


async def test_an_acquittal_pays_the_provider(court: Court, aivm: Aivm) -> None:
    game = await court.open(game_about(MATMUL, lies=False))
    case = await played(court, game, 1)
    await court.devchain.advance(court.terms.clock + 1)
    late = await cli(aivm, "show", game.hex())
    assert "time is over: anyone may end the game" in late.out
    await court.chain.dispute.timeout(court.devchain.accounts[6], case.state, case.receipt)
    document = (await cli(aivm, "show", game.hex(), "--json")).document["dispute"]
    assert document["status"] == "acquitted"
    assert {payment["role"] for payment in document["payments"]} == {"burned", "provider"}
    assert document["moves"][-1]["by"] == "anyone"


async def test_a_receipt_names_its_dispute(court: Court, aivm: Aivm, tmp_path: Path) -> None:
    table = game_about(MATMUL)
    signed = await court.signed(table)
    game = await court.open(table, 3, signed)
    (tmp_path / "receipt.json").write_bytes(signed.to_json())
    document = (await cli(aivm, "show", tmp_path / "receipt.json", "--json")).document["dispute"]
    assert document["game"] == "0x" + game.hex()
    again = await cli(aivm, "show", document["receipt"], "-q")
    assert again.out == "open\n"


@pytest.mark.usefixtures("court")
async def test_references_that_mean_nothing(aivm: Aivm) -> None:
    assert "no disputes" in (await cli(aivm, "watch", "--once")).out
    for reference, status in (("deadbeef", 4), ("dead", 4), ("no-file.json", 4)):
        refused = await cli(aivm, "show", reference, "--json")
        assert refused.status == status
        assert refused.document["ok"] is False
    stream = await cli(aivm, "watch", "--json")
    assert stream.status == 2 and "--once" in stream.document["error"]["message"]


async def test_the_list_of_all_and_of_the_open_ones(court: Court, aivm: Aivm) -> None:
    table = game_about(SUM)
    signed = await court.signed(table)
    first = await court.open(table, 3, signed)
    second = await court.open(table, 4, signed)
    await played(court, first)
    shown = (await cli(aivm, "watch", "--once")).out
    assert shown.splitlines()[1].startswith("0x" + first.hex()[:16])
    assert "CONVICTED" in shown and "OPEN" in shown
    listed = (await cli(aivm, "watch", "--once", "--json")).document["disputes"]
    assert [each["status"] for each in listed] == ["convicted", "open"]
    newest = await cli(aivm, "show", listed[0]["receipt"])
    assert second.hex() in newest.out and "the same receipt: 1 more" in newest.err
    assert f"aivm dispute watch 0x{second.hex()[:16]}" in newest.err
    only_open = await cli(aivm, "watch", "--once", "--open", "-q")
    assert only_open.out == f"0x{second.hex()}\n"
    assert (await cli(aivm, "watch", second.hex(), "--once", "-q")).out == f"0x{second.hex()}\n"


async def test_old_disputes_are_beyond_the_days(court: Court, aivm: Aivm) -> None:
    game = await court.open(game_about(MATMUL))
    await court.devchain.advance(3 * 86_400)
    assert (await cli(aivm, "show", game.hex(), "--days", "2")).status == 4
    assert (await cli(aivm, "show", game.hex(), "--days", "4")).status == 0


async def watching(
    *arguments: str, stdout: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aivm.cli",
        "dispute",
        "watch",
        *arguments,
        stdout=stdout,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


async def test_watching_one_ends_with_it(court: Court) -> None:
    game = await court.open(game_about(MATMUL))
    process = await watching(game.hex())
    assert process.stdout is not None
    assert game.hex().encode() in await process.stdout.readline()
    await played(court, game)
    rest, _ = await process.communicate()
    assert process.returncode == 0
    assert b"CONVICTED" in rest


async def test_on_a_terminal_a_picture_takes_the_place_of_the_one_before(court: Court) -> None:
    game = await court.open(game_about(MATMUL))
    terminal, inside = os.openpty()
    process = await watching(game.hex(), stdout=inside)
    os.close(inside)
    shown = asyncio.create_task(asyncio.to_thread(read_all, terminal))
    await played(court, game)
    assert await process.wait() == 0
    text = await shown
    assert game.hex().encode() in text and b"CONVICTED" in text
    assert text.rstrip().endswith(b"\x1b[?25h"), "the cursor is there again"


def read_all(terminal: int) -> bytes:
    """What a program has written to its terminal, until it ends."""
    shown = b""
    with suppress(OSError):  # the other end is closed
        while piece := os.read(terminal, 1 << 16):
            shown += piece
    os.close(terminal)
    return shown


async def test_watching_all_ends_on_an_interrupt(court: Court) -> None:
    process = await watching()
    assert process.stdout is not None
    assert b"no disputes" in await process.stdout.readline()
    game = await court.open(game_about(MATMUL))
    await process.stdout.readline()
    assert game.hex()[:16].encode() in await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


def drawn(picture: Any, width: int) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture)
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
async def test_bars_narrow_and_lines_fit(court: Court, width: int) -> None:
    case = await played(court, await court.open(game_about(MATMUL, values=70)))
    lines = drawn(Picture(case, 0), width)
    assert all(len(line) <= width for line in lines)
    solid = [line.count("█") for line in lines if "pick value" in line]
    assert solid == sorted(solid, reverse=True) and solid[-1] >= 1
    assert len(drawn(Picture(case, 0, max_rows=3), width)) < len(lines)
    assert any("earlier moves" in line for line in drawn(Picture(case, 0, max_rows=3), width))
    assert len(drawn(listing([case], 0), width)) >= 2


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 AIVM"), (10**18, "1 AIVM"), (1234 * 10**18 + 5 * 10**17, "1,234.5 AIVM")],
)
def test_tokens(amount: int, text: str) -> None:
    assert tokens(amount) == text

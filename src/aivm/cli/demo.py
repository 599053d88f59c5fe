"""`aivm demo`: the whole network on this machine does its main job once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aivm import config as settings
from aivm.cli.dispute_picture import Picture
from aivm.cli.options import output_options
from aivm.cli.output import Output
from aivm.devnet.demo import DemoReport, run_demo
from aivm.errors import VerificationError

UNIT = 10**18


@click.command()
@output_options
def demo(output: Output) -> int:
    """Publish a real model, buy embeddings, verify one, convict a cheat, settle on chain.

    Exit status 0 only if everything held, 3 otherwise.
    """
    cache_dir = settings.load().cache_dir
    with tempfile.TemporaryDirectory(prefix="aivm-demo-") as folder:
        found = asyncio.run(
            run_demo(Path(folder), cache_dir, lambda text: output.note(f"[dim]·[/dim] {text}"))
        )
    output.data(_rendered(found), found.as_json(), brief="ok" if found.ok else "failed")
    output.hint("aivm devnet")
    return 0 if found.ok else VerificationError.exit_status


def _rendered(found: DemoReport) -> Group:
    parts = (_neighbours, _cheat, _conviction, _payments, _checks)
    return Group(*(part for draw in parts for part in (draw(found), Text())))


def _neighbours(found: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False, title="Nearest sentences", title_justify="left")
    for heading in ("question", "nearest", "similarity"):
        table.add_column(heading)
    for entry in found.neighbours:
        for number, near in enumerate(entry["nearest"]):
            question = entry["question"] if number == 0 else ""
            table.add_row(question, near["text"], f"{near['similarity']:.3f}")
    return table


def _cheat(found: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False, title="The cheat", title_justify="left")
    table.add_column("who")
    table.add_column("output root for the same sentence", overflow="fold")
    honest = found.inferences[0]
    table.add_row("honest provider", honest["outputs"])
    table.add_row("cheat (one bit of one weight flipped)", found.cheat["outputs"])
    return table


def _conviction(found: DemoReport) -> RenderableType:
    """The dispute as it narrowed."""
    if found.conviction is None:
        return Text()
    case = found.conviction.case
    last = case.entries[-1].sent
    return Group(Text("The dispute", "italic"), Picture(case, 0 if last is None else last.time))


def _payments(found: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False, title="Who was paid what (AIVM)", title_justify="left")
    table.add_column("who")
    table.add_column("address")
    table.add_column("change", justify="right")
    for entry in found.payments:
        table.add_row(entry["who"], entry["address"], f"{int(entry['change']) / UNIT:+.9f}")
    return table


def _checks(found: DemoReport) -> Table:
    table = Table(box=None, pad_edge=False, title="What was checked", title_justify="left")
    table.add_column("claim")
    table.add_column("")
    claims = {
        "an answer re-executed here has the same bytes": found.verified,
        "every engine (native, wasm, reference) gives the providers' bytes": found.engines_equal,
        "the cheat is found by re-execution": found.cheat_caught,
        "the chain convicts it: stake slashed, client refunded, verifier paid": found.convicted,
        "money in = money out, nothing is left in escrow": found.settled,
    }
    for claim, held in claims.items():
        table.add_row(claim, "[green]holds[/green]" if held else "[bold red]FAILS[/bold red]")
    table.add_row(
        f"first verified inference after {found.seconds['first_verified_inference']:.1f} s", ""
    )
    return table

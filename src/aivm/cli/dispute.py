"""`aivm dispute`: the disputes about receipts on this network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aivm.cli import dispute_open, misconduct
from aivm.cli.options import network_options, output_options
from aivm.cli.output import Output
from aivm.cli.provider import on_stop
from aivm.config import Config
from aivm.errors import BadInput, NotFound, Unavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aivm.chain.cases import Case
    from aivm.chain.client import Chain
    from aivm.chain.docket import Docket

POLL_SECONDS = 1.0
_DAY = 86_400
_LEAST_ROWS = 4
_OTHER_LINES = 18  # of a picture: heading, titles, clocks
_REFERENCE = re.compile(r"(0x)?([0-9a-f]{8,64})")

days_option = click.option(
    "--days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="How far back to look for the opening of disputes.",
)


@click.group()
def dispute() -> None:
    """Disputes about receipts: open one, see them narrow down to one scalar step; report, summon.

    A GAME or RECEIPT is the id of a game or the hash of a receipt (8 digits or more), or a file
    with a receipt.
    """


dispute.add_command(dispute_open.open_dispute)
dispute.add_command(dispute_open.collect)
dispute.add_command(misconduct.report)
dispute.add_command(misconduct.summon)


@dispute.command()
@click.argument("reference", metavar="GAME|RECEIPT")
@days_option
@network_options
@output_options
def show(output: Output, reference: str, days: int, settings: Config) -> None:
    """Draw one dispute: how it narrows, and at what cost.

    Its moves with what was in dispute after each, both clocks, and at the end who got what.
    """
    from aivm.chain.case_document import case_document
    from aivm.cli.dispute_picture import Picture

    async def work() -> tuple[Case, int, int]:
        async with _network(settings) as chain:
            docket = await _docket(chain, days)
            case = found(docket, reference)
            same = [each for each in docket.cases if each.state.receipt == case.state.receipt]
            return case, len(same) - 1, await chain.next_time()

    case, others, now = asyncio.run(work())
    document = {"ok": True, "dispute": case_document(case, now)}
    output.data(Picture(case, now), document, brief=case.status)
    if others:
        output.note(f"disputes about the same receipt: {others} more")
    if case.is_open:
        output.hint(f"aivm dispute watch 0x{case.game.hex()[:16]}")


@dispute.command()
@click.argument("reference", metavar="[GAME|RECEIPT]", required=False)
@click.option("--once", is_flag=True, help="Print what there is now, and end.")
@click.option("--open", "only_open", is_flag=True, help="Leave out disputes that have ended.")
@days_option
@network_options
@output_options
def watch(
    output: Output,
    reference: str | None,
    once: bool,
    only_open: bool,
    days: int,
    settings: Config,
) -> None:
    """List disputes, or draw one, as they go on.

    Ends with Ctrl-C; where one is drawn, with its end. Without a terminal, what has changed is
    printed again.
    """
    if output.as_json and not once:
        raise BadInput("--json is one document: it needs --once here")
    asyncio.run(_watch(output, settings, days, _View(reference, only_open), once=once))


class _View:
    """What `watch` draws: all cases, or one."""

    def __init__(self, reference: str | None, only_open: bool) -> None:
        self._reference = reference
        self._only_open = only_open

    def cases(self, docket: Docket) -> list[Case]:
        if self._reference is not None:
            return [found(docket, self._reference)]
        return list(docket.open_cases if self._only_open else docket.cases)

    def drawn(self, docket: Docket, now: int, height: int | None = None) -> RenderableType:
        """The list, or the picture with as many moves as a terminal of that height has room for."""
        from aivm.cli.dispute_picture import Picture, listing

        cases = self.cases(docket)
        if self._reference is None:
            return listing(cases, now)
        rows = None if height is None else max(_LEAST_ROWS, height - _OTHER_LINES)
        return Picture(cases[0], now, rows)

    def is_over(self, docket: Docket) -> bool:
        """Whether there is one case, and it has ended."""
        if self._reference is None:
            return False
        try:
            return not found(docket, self._reference).is_open
        except NotFound:  # a reorganisation has taken it back, and may bring it again
            return False


async def _watch(output: Output, settings: Config, days: int, view: _View, *, once: bool) -> None:
    from aivm.chain.case_document import case_document

    async with _network(settings) as chain:
        docket = await _docket(chain, days)
        if once:
            now, cases = await chain.next_time(), view.cases(docket)
            documents = [case_document(case, now) for case in cases]
            brief = "\n".join(f"0x{case.game.hex()}" for case in cases)
            document = {"ok": True, "disputes": documents}
            output.data(view.drawn(docket, now), document, brief=brief)
            return
        stop = asyncio.Event()
        on_stop(stop.set)
        with output.live() as screen:
            screen.show(view.drawn(docket, await chain.next_time(), screen.height))
            while not (stop.is_set() or view.is_over(docket)):
                await _pause(stop)
                await _redraw(output, chain, docket, view, screen)


async def _redraw(output: Output, chain: Chain, docket: Docket, view: _View, screen: Any) -> None:
    """Where nothing moves on its own, only changes are shown.

    The chain may be out of reach for a time, and what is drawn may be gone from it.
    """
    try:
        changed = await docket.poll()
        if changed or screen.is_moving:
            screen.show(view.drawn(docket, await chain.next_time(), screen.height))
    except (Unavailable, NotFound) as error:
        output.note(error.message)


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), POLL_SECONDS)
    except TimeoutError:
        return


def found(docket: Docket, reference: str) -> Case:
    """The newest case that a reference means. Raises NotFound, BadInput."""
    digits = _digits(reference)
    names: list[Callable[[Case], bytes]] = [lambda c: c.game, lambda c: c.state.receipt]
    for name in names:
        matching = [case for case in docket.cases if name(case).hex().startswith(digits)]
        if len({name(case) for case in matching}) > 1:
            raise BadInput(f"{reference} is the beginning of several names")
        if matching:
            return matching[-1]
    raise NotFound(
        f"there is no dispute {reference}, as a game or as a receipt",
        hint="`aivm dispute watch --once` lists them; --days looks further back.",
    )


def _digits(reference: str) -> str:
    """The hexadecimal digits of a reference; of a file, those of its receipt's hash."""
    from aivm.dispute.state import receipt_hash
    from aivm.receipts import parse_receipt

    match = _REFERENCE.fullmatch(reference.lower())
    if match:
        return match[2]
    path = Path(reference)
    if not path.is_file():
        raise NotFound(f"{reference} is neither 8 to 64 hexadecimal digits nor a file")
    return receipt_hash(parse_receipt(path.read_bytes()).receipt).hex()


def _network(settings: Config) -> Any:
    from aivm.market.network import connect_chain

    return connect_chain(settings)


async def _docket(chain: Chain, days: int) -> Docket:
    """The disputes that were opened in so many days, as they are now."""
    from aivm.chain.docket import Docket, first_block_since

    first = await first_block_since(chain, (await chain.block()).time - days * _DAY)
    docket = Docket(chain, first_block=first)
    await docket.poll()
    return docket

"""A dispute drawn in a terminal: how the disputed part narrows, move by move, and whose clock runs.

Each scale (trace, tensor, lanes, chain) has bars of its own: dots are agreed or not looked at,
shaded is what the provider has just cut into parts, solid is what the challenger has picked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from aivm.chain.case_document import PLAYERS, seconds, time_left
from aivm.chain.case_view import CaseView, Place, Row, view_of
from aivm.chain.cases import Case, Payee, Side, Status
from aivm.dispute.scopes import Scale, Scope

BAR_CELLS = 40  # at most; fewer in a narrow terminal
LEAST_BAR_CELLS = 12
UNIT = 10**18

_COLORS = {
    Status.OPEN: "yellow",
    Status.CONVICTED: "red",
    Status.ACQUITTED: "green",
    Status.VOIDED: "dim",
}
_ITEMS = {
    Scale.TRACE: "value",
    Scale.TENSOR: "leaf",
    Scale.ELEMENTS: "element",
    Scale.LANES: "lane",
    Scale.CHAIN: "step",
}
_ROW_CELLS = 68  # of a row without its bar


@dataclass(frozen=True)
class Picture:
    """The whole case at the time `now`; of its moves only the last `max_rows`, if given."""

    case: Case
    now: int
    max_rows: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = view_of(self.case)
        yield _heading(self.case)
        yield Text()
        yield from _moves(view, self.max_rows, options.max_width)
        yield Text()
        yield _footing(view, self.now)


def listing(cases: Sequence[Case], now: int) -> RenderableType:
    """One line for each case."""
    if not cases:
        return Text("no disputes", "dim")
    table = Table(box=None, pad_edge=False)
    for name in ("game", "status", "to move", "time left", "narrowed to", "rounds", "gas"):
        table.add_column(name, justify="right" if name in ("rounds", "gas") else "left")
    for case in cases:
        view = view_of(case)
        table.add_row(
            _short(case.game),
            _status(case),
            case.mover or "-",
            _clock(time_left(case, case.mover, now)) if case.mover else "-",
            place_text(view.place) or _scope_text(view.rows[-1].scope),
            str(case.rounds),
            f"{case.gas:,}",
        )
    return table


def place_text(place: Place) -> str:
    """The most exact that is known of where the dispute has come to."""
    parts = [
        f"output {place.output:,}" if place.output is not None else "",
        f"{_ITEMS[Scale.TRACE]} {place.value:,}" if place.value is not None else "",
        f"element {place.element:,}" if place.element is not None else "",
        f"lane {place.lane}" if place.lane is not None else "",
        f"step {place.step:,}" if place.step is not None else "",
    ]
    if place.element is None and place.leaf is not None:
        parts.append(f"leaf {place.leaf:,}")
    return ", ".join(part for part in parts if part)


def _heading(case: Case) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row("dispute", Text(f"0x{case.game.hex()}"))
    grid.add_row("receipt", Text(f"0x{case.state.receipt.hex()}"))
    grid.add_row("provider", Text(case.provider))
    grid.add_row("challenger", Text(case.challenger))
    grid.add_row("status", _status(case))
    return grid


def _status(case: Case) -> Text:
    return Text(case.status.upper(), f"bold {_COLORS[case.status]}")


# --- the moves ------------------------------------------------------------------------------------


def _moves(view: CaseView, max_rows: int | None, width: int) -> Iterator[Text]:
    """The rows, with a title above each scale."""
    rows = view.rows if max_rows is None else view.rows[-max_rows:]
    if len(rows) < len(view.rows):
        yield Text(f"... {_many(len(view.rows) - len(rows), 'earlier move')}", "dim")
    cells = min(BAR_CELLS, max(LEAST_BAR_CELLS, width - _ROW_CELLS))
    scale = None
    for row in rows:
        if row.scope.scale is not scale:
            scale = row.scope.scale
            yield Text(_title(view, row.scope), "bold", no_wrap=True, overflow="ellipsis")
        gas = "" if row.entry.sent is None else f"{row.entry.sent.gas:,}"
        yield Text.assemble(
            (f"  {row.entry.by:<10} ", _side_color(row.entry.by)),
            f"{_move_text(row):<14} ",
            _bar(row, cells),
            f" {_row_text(row):<28}",
            (f"{gas:>9}", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )


def _move_text(row: Row) -> str:
    """The move in words; of a proof, what it was about."""
    name = row.entry.move
    if name == "prove" and row.function:
        name = re.sub("([A-Z])", r" \1", row.function).lower()
    return name.replace("_", " ")


def _title(view: CaseView, scope: Scope) -> str:
    """What the bars of a scale stand for."""
    place = view.place
    many = _many(scope.high - scope.low, _ITEMS[scope.scale])
    match scope.scale:
        case Scale.TRACE:
            return f"trace: {many} of the program"
        case Scale.TENSOR:
            return f"tensor: value {place.value:,}{_made_by(place)}, {many} of 256 bytes"
        case Scale.ELEMENTS:
            return f"data: {many}, shown by the provider"
        case Scale.LANES:
            return f"sum: element {place.element:,} is added up in {many}"
        case Scale.CHAIN:
            lane = f", lane {place.lane}" if place.lane is not None else ""
            return f"chain: element {place.element:,}{lane}, {many}"


def _made_by(place: Place) -> str:
    """The instruction, once a move has opened it, and the type of the value."""
    if place.type is None:
        return ""
    type_ = f"{place.type.dtype.name} {list(place.type.shape)}"
    if place.instruction is None:
        return f", {type_}"
    function = getattr(place.instruction, "function", None)
    name = type(place.instruction).__name__ + (f" {function.name}" if function else "")
    return f" = {name}, {type_}"


def _row_text(row: Row) -> str:
    text = _scope_text(row.scope)
    return f"{text} in {_many(row.parts, 'part')}" if row.parts > 1 else text


def _scope_text(scope: Scope) -> str:
    name = _ITEMS[scope.scale]
    if scope.is_single:
        return f"{name} {scope.first:,}"
    return f"{_plural(name)} {scope.first:,}-{scope.end - 1:,}"


def _many(count: int, name: str) -> str:
    return f"{count:,} {name if count == 1 else _plural(name)}"


def _plural(name: str) -> str:
    return {"leaf": "leaves"}.get(name, name + "s")


def _bar(row: Row, cells: int) -> Text:
    """The scale with the part in dispute; at least one cell of it."""
    scope, length = row.scope, max(1, row.scope.high - row.scope.low)
    first = min((scope.first - scope.low) * cells // length, cells - 1)
    end = max(first + 1, (scope.end - scope.low) * cells // length)
    bar = Text().append("·" * first, "dim")
    cell, side = ("▒", Side.PROVIDER) if row.parts > 1 else ("█", row.entry.by)
    bar.append(cell * (end - first), _side_color(side))
    return bar.append("·" * (cells - end), "dim")


def _side_color(side: Side) -> str:
    return {Side.PROVIDER: "blue", Side.CHALLENGER: "magenta", Side.ANYONE: "yellow"}[side]


# --- clocks and money -----------------------------------------------------------------------------


def _footing(view: CaseView, now: int) -> RenderableType:
    case = view.case
    grid = Table.grid(padding=(0, 2))
    where = place_text(view.place)
    if where:
        grid.add_row("where", Text(where, "bold"))
    if case.is_open:
        for side in PLAYERS:
            grid.add_row("clock", _clock_text(case, side, now))
    transactions = _many(len({entry.transaction for entry in case.entries}), "transaction")
    rounds = _many(case.rounds, "round")
    grid.add_row("cost", f"{case.gas:,} gas, {transactions}, {rounds}")
    took = seconds(case)
    if took is not None and not case.is_open:
        grid.add_row("took", _clock(took))
    if case.status is Status.CONVICTED:
        grid.add_row("slashed", f"{tokens(case.taken)} of the provider's stake")
    for payment in case.payments:
        if payment.payee is Payee.NOBODY:
            grid.add_row("burned", tokens(payment.amount))
        else:
            grid.add_row(f"to {payment.payee}", f"{tokens(payment.amount)}  {payment.recipient}")
    return grid


def _clock_text(case: Case, side: Side, now: int) -> Text:
    left, runs = time_left(case, side, now), case.mover is side
    text = Text(f"{'▶' if runs else ' '} {side:<10} {_clock(left)} left")
    if runs and not left:
        text.append("  time is over: anyone may end the game", "bold red")
    elif runs:
        text.append(f"  to {case.state.phase.name.lower().replace('_', ' ')}", "dim")
    text.stylize("bold" if runs else "dim")
    return text


def _clock(seconds_: int) -> str:
    """Days only where there are some."""
    days, rest = divmod(seconds_, 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}d {clock}" if days else clock


def tokens(amount: int) -> str:
    """Base units as whole tokens, with as many decimals as it takes."""
    whole, rest = divmod(amount, UNIT)
    decimals = f"{rest:018}".rstrip("0")
    return f"{whole:,}{'.' if decimals else ''}{decimals} AIVM"


def _short(game: bytes) -> str:
    return "0x" + game.hex()[:16]

"""One place decides what is printed where: data on stdout, all else on stderr.

In `--json` mode stdout carries exactly one JSON document; with `-q` only ids. Errors print a
sentence, a hint and a code, and set the exit status of their class.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from aivm.errors import AivmError, InternalError

_UNBOUNDED = 400


class Screen:
    """Where a picture is shown again and again."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live

    @property
    def is_moving(self) -> bool:
        """Whether a picture takes the place of the one before it."""
        return self._live is not None

    @property
    def height(self) -> int | None:
        """Lines of the terminal; None where there is no end to them."""
        return None if self._live is None else self._console.height

    def show(self, picture: RenderableType) -> None:
        """Show a picture."""
        if self._live is None:
            self._console.print(picture)
        else:
            self._live.update(picture, refresh=True)


class Output:
    """How this run of the command line talks."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stdout = _console(stderr=False)
        self._stderr = _console(stderr=True)

    def data(self, human: RenderableType, document: Any, *, brief: str | None = None) -> None:
        """The result of the command: a document, a rendering for people, or (`-q`) its id."""
        if self.as_json:
            json.dump(document, sys.stdout, allow_nan=False)
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif self.quiet and brief is not None:
            self._stdout.print(printable(brief))
        else:
            self._stdout.print(printable(human) if isinstance(human, str) else human)

    def piece(self, text: str) -> None:
        """A piece of a text that is still being made, for people."""
        if not self.as_json and not self.quiet:
            sys.stdout.write(printable(text).plain)
            sys.stdout.flush()

    def ended(self, document: Any, *, brief: str) -> None:
        """The end of a text that `piece` has shown; as `data` for programs."""
        self.data("", document, brief=brief)

    @contextmanager
    def live(self) -> Iterator[Screen]:
        """A picture on stdout that changes in place; without a terminal, each is printed."""
        if not self._stdout.is_terminal:
            yield Screen(self._stdout, None)
            return
        with Live(console=self._stdout, auto_refresh=False) as live:
            yield Screen(self._stdout, live)

    def note(self, text: RenderableType) -> None:
        """Something that a person wants to know while it happens."""
        if not self.quiet:
            self._stderr.print(text)

    def hint(self, command: str) -> None:
        """The next command that makes sense."""
        if not self.quiet and not self.as_json:
            self._stderr.print(Text("next: ", "dim"), printable(command), sep="")

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """A spinner for work whose length is unknown; a plain line where there is no terminal."""
        if self.quiet or not self._stderr.is_terminal:
            self.note(what)
            yield
            return
        with self._stderr.status(what):
            yield

    @contextmanager
    def steps(self, what: str) -> Iterator[Callable[[str], None]]:
        """A spinner for work that has named steps; yields what is to be told of each."""
        if self.quiet or not self._stderr.is_terminal:
            self.note(what)
            yield lambda _step: None
            return
        with self._stderr.status(what) as status:
            yield lambda step: status.update(f"{what}: {step}")

    @contextmanager
    def transfer(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar in bytes; yields what is to be called with (done, total)."""
        columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        disabled = self.quiet or not self._stderr.is_terminal
        with Progress(*columns, console=self._stderr, disable=disabled) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    def fail(self, error: AivmError) -> int:
        """Print an error the way the mode asks for; returns the exit status."""
        if self.as_json:
            json.dump({"ok": False, "error": error.as_json()}, sys.stdout)
            sys.stdout.write("\n")
        self._stderr.print(Text("error: ", "bold red"), printable(error.message), sep="")
        if error.hint:
            self._stderr.print(Text("hint: ", "bold"), printable(error.hint), sep="")
        self._stderr.print(Text(f"code: {error.code}", "dim"))
        if os.environ.get("AIVM_DEBUG"):
            traceback.print_exception(error, file=sys.stderr)
        return error.exit_status

    def fail_unexpected(self, error: Exception) -> int:
        """A defect of ours: say so, keep the cause for `AIVM_DEBUG=1`."""
        defect = InternalError(f"{type(error).__name__}: {error}")
        defect.__cause__ = error
        return self.fail(defect)


def _console(*, stderr: bool) -> Console:
    """As wide as the terminal; where there is none, so wide that nothing is cut or wrapped."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=stderr, highlight=False, width=_UNBOUNDED, soft_wrap=True)
    return console


def printable(text: str) -> Text:
    """Text of anybody, harmless on a terminal: no markup, no control characters but line ends."""
    return Text("".join(map(_shown, text)))


def _shown(character: str) -> str:
    harmless = character.isprintable() or character in "\n\t"
    return character if harmless else f"\\x{ord(character):02x}"

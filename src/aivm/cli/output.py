"""One place decides what is printed where: data on stdout, all else on stderr.

In `--json` mode stdout carries exactly one JSON document; with `-q` only ids. Errors print a
sentence, a hint and a code, and set the exit status of their class.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from aivm.errors import AivmError, InternalError


class Output:
    """How this run of the command line talks."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._stdout = Console(soft_wrap=True, highlight=False)
        self._stderr = Console(stderr=True, highlight=False)

    def data(self, human: RenderableType, document: Any, *, brief: str | None = None) -> None:
        """The result of the command: a document, a rendering for people, or (`-q`) its id."""
        if self.as_json:
            json.dump(document, sys.stdout, allow_nan=False)
            sys.stdout.write("\n")
            sys.stdout.flush()
        elif self.quiet and brief is not None:
            self._stdout.print(brief, markup=False)
        else:
            self._stdout.print(human)

    def note(self, text: RenderableType) -> None:
        """Something that a person wants to know while it happens."""
        if not self.quiet:
            self._stderr.print(text)

    def hint(self, command: str) -> None:
        """The next command that makes sense."""
        if not self.quiet and not self.as_json:
            self._stderr.print(f"[dim]next:[/dim] {command}")

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
    def transfer(self, what: str, total_bytes: int) -> Iterator[Progress]:
        """A progress bar in bytes; the task has id 0."""
        columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        disabled = self.quiet or not self._stderr.is_terminal
        with Progress(*columns, console=self._stderr, disable=disabled) as progress:
            progress.add_task(what, total=total_bytes)
            yield progress

    def fail(self, error: AivmError) -> int:
        """Print an error the way the mode asks for; returns the exit status."""
        if self.as_json:
            json.dump({"ok": False, "error": error.as_json()}, sys.stdout)
            sys.stdout.write("\n")
        self._stderr.print(f"[bold red]error:[/bold red] {_plain(error.message)}")
        if error.hint:
            self._stderr.print(f"[bold]hint:[/bold] {_plain(error.hint)}")
        self._stderr.print(f"[dim]code: {error.code}[/dim]")
        if os.environ.get("AIVM_DEBUG"):
            traceback.print_exception(error, file=sys.stderr)
        return error.exit_status

    def fail_unexpected(self, error: Exception) -> int:
        """A defect of ours: say so, keep the cause for `AIVM_DEBUG=1`."""
        defect = InternalError(f"{type(error).__name__}: {error}")
        defect.__cause__ = error
        return self.fail(defect)


def _plain(text: str) -> str:
    """Text that rich must not read as markup."""
    return text.replace("[", r"\[")

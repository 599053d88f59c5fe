"""The options of `aivm pack` for models with state, gathered into one plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from aivm.errors import BadInput

if TYPE_CHECKING:
    from aivm.sessions import SessionPlan

_OPTIONS = (
    click.option("--session", is_flag=True, help="The model has state and generates tokens."),
    click.option("--capacity", type=int, help="The most tokens that a session can take."),
    click.option(
        "--block", "blocks", type=int, multiple=True, help="Take prompts in by so many; repeatable."
    ),
    click.option("--stop", type=int, multiple=True, help="A token that ends a text; repeatable."),
    click.option("--state", "states", multiple=True, help="IN=OUT: a state; repeatable."),
    click.option("--tokens", help="The input that takes the tokens."),
    click.option("--position", help="The input that takes the number of tokens before."),
    click.option("--logits", help="The output that gives the logits."),
)
_NAMES = ("capacity", "blocks", "stop", "states", "tokens", "position", "logits")


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; the command receives `plan`, None without `--session`."""

    @functools.wraps(command)
    def with_plan(*args: Any, session: bool, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in _NAMES}
        plan = _plan(given) if session else None
        if plan is None and (used := [name for name in _NAMES if given[name] not in (None, ())]):
            raise BadInput(f"{', '.join(used)}: only for a model with state", hint="Add --session.")
        return command(*args, plan=plan, **kwargs)

    wrapped: Callable[..., Any] = with_plan
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def with_shapes(plan: SessionPlan, shapes: Sequence[dict[str, Any]], bindings: Any) -> SessionPlan:
    """The plan with what `--shapes` and `--bind` say; a session has one set of shapes."""
    if len(shapes) > 1:
        raise BadInput("a session has one set of shapes: give --shapes once")
    return replace(plan, shapes=shapes[0] if shapes else {}, bindings=bindings)


def _plan(given: dict[str, Any]) -> SessionPlan:
    from aivm.sessions import SessionPlan

    states = [text.partition("=") for text in given.pop("states")]
    if wrong := [name for name, separator, output in states if not (name and separator and output)]:
        raise BadInput(f"--state {wrong[0]!r} is not IN=OUT")
    return SessionPlan(**given, states={name: output for name, _, output in states})

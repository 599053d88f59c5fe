"""The options of `aivm pack` that quantise a model, and the report that a person sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.table import Table

from aivm.cli.output import Output
from aivm.cli.tensors import read_inputs
from aivm.errors import BadInput

if TYPE_CHECKING:
    from aivm.commitments import Array
    from aivm.compiler import Model
    from aivm.packages.quantised import QuantisationReport

Function = TypeVar("Function", bound=Callable[..., Any])


def quantisation_options(function: Function) -> Function:
    """`--quantize`, `--calibrate` and `--keep`."""
    for option in (
        click.option("--keep", multiple=True, help="A node not to be quantised; repeatable."),
        click.option(
            "--calibrate",
            multiple=True,
            metavar="FILE.npz",
            help="One sample of all inputs, to measure quantisation on; repeatable.",
        ),
        click.option(
            "--quantize",
            type=click.Choice(["int8", "weights8", "weights4"]),
            help="int8: 8-bit products. weights8, weights4: f32 products, weights stored small.",
        ),
    ):
        function = option(function)
    return function


def quantise_as_told(
    output: Output,
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    bindings: Mapping[str, Array],
    options: Mapping[str, Any],
) -> QuantisationReport | None:
    """The quantised model and what it costs in accuracy; None where `--quantize` is not given."""
    from aivm.compiler.quantise import Scheme
    from aivm.packages.quantised import quantise_and_measure

    samples: Sequence[str] = options["calibrate"]
    if options["quantize"] is None:
        if samples or options["keep"]:
            raise BadInput("--calibrate and --keep are about --quantize, which is not given")
        return None
    with output.working(f"quantising to {options['quantize']} and comparing answers"):
        report = quantise_and_measure(
            model,
            Scheme(options["quantize"]),
            shapes=shapes,
            bindings=bindings,
            samples=[read_inputs([sample]) for sample in samples],
            keep=options["keep"],
        )
    output.note(_table(report))
    return report


def _table(report: QuantisationReport) -> Table:
    kind = "synthetic " if report.synthetic else ""
    layers, kept = len(report.quantised.layers), len(report.quantised.kept)
    smaller = report.before.constant_bytes / max(report.after.constant_bytes, 1)
    caption = (
        f"{report.samples} {kind}samples; {layers} layers quantised, {kept} kept; "
        f"constants {smaller:.1f} times smaller"
    )
    title = f"{report.quantised.scheme} against f32"
    table = Table(box=None, pad_edge=False, title=title, caption=caption)
    for heading in ("output", "largest error", "rms error", "cosine", "same choice"):
        table.add_column(heading, overflow="fold")
    for found in report.outputs:
        errors = (f"{found.largest:.2%}", f"{found.rms:.2%}")
        table.add_row(found.name, *errors, f"{found.cosine:.5f}", f"{found.same_choice:.1%}")
    return table

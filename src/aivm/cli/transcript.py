"""`aivm transcript`: what every value of an execution was; to be compared, and executed again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aivm.cli.files import write_file
from aivm.cli.options import engine_option, output_options, threads_option
from aivm.cli.output import Output
from aivm.cli.tensors import Array, read_inputs
from aivm.errors import BadInput, NotFound, VerificationError
from aivm.receipts import Transcript, first_difference, parse_transcript

if TYPE_CHECKING:
    from aivm.client.transcripts import Divergence

TENSORS = ".safetensors"  # beside a transcript: all its values, where they were kept


_inputs = click.option(
    "--input", "sources", multiple=True, required=True, help="FILE.npz, or NAME=FILE.npy."
)


@click.group()
def transcript() -> None:
    """Record an execution value by value, compare two, execute one again.

    \b
    aivm transcript record model.onnx --input x.npz --out t.json --tensors
    aivm transcript diff t.json u.json
    aivm transcript replay t.json --model model.onnx --input x.npz
    """


@transcript.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--input", "sources", multiple=True, required=True, help="FILE.npz, or NAME=FILE.npy."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--tensors", is_flag=True, help="Keep all values too, in OUT with .safetensors.")
@engine_option
@threads_option
@output_options
def record(
    output: Output,
    model: Path,
    sources: tuple[str, ...],
    out: Path,
    *,
    tensors: bool,
    **options: Any,
) -> None:
    """Run MODEL (an .onnx file or a package folder) and write the transcript of the run."""
    from aivm.client import transcripts
    from aivm.client.local import load
    from aivm.commitments import dtype_of
    from aivm.packages.safetensors import write_safetensors

    kept: dict[str, Array] = {}

    def keep(value: int, array: Array) -> None:
        if tensors:
            kept[str(value)] = array.copy()

    if tensors and out.with_suffix(TENSORS).exists():
        raise BadInput(f"{out.with_suffix(TENSORS)} already exists")
    with load(str(model), engine=options["engine"], threads=options["threads"]) as loaded:
        made = transcripts.record(loaded, read_inputs(sources), keep)
    write_file(out, made.to_json())
    if tensors:
        # F16 travels as its bits: what was recorded is compared by bits only.
        typed = {name: (dtype_of(array), array) for name, array in kept.items()}
        write_safetensors(out.with_suffix(TENSORS), typed)
    document = {
        "ok": True,
        "trace": made.trace_root.hex(),
        "values": len(made.values),
        "program": made.program.hex(),
        "inputs": made.input_root.hex(),
        "outputs": made.output_root.hex(),
    }
    text = f"{len(made.values)} values, trace root {made.trace_root.hex()}"
    output.data(text, document, brief=made.trace_root.hex())


@transcript.command()
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@output_options
def diff(output: Output, one: Path, other: Path) -> int:
    """Name the first value at which two transcripts of one program differ.

    The element is named where both were recorded with --tensors. Exit status 3: they differ.
    """
    from aivm.client.transcripts import Divergence, diverged

    first, second = _read(one), _read(other)
    value = first_difference(first, second)
    if value is None:
        return _report(output, None)
    found = Divergence(value, first.place(value))
    pair = [_tensors(path).get(str(value)) for path in (one, other)]
    if pair[0] is not None:
        found = diverged(value, first.place(value), pair[0], pair[1])
    return _report(output, found)


@transcript.command()
@click.argument("recorded", type=click.Path(path_type=Path))
@click.option("--model", required=True, type=click.Path(path_type=Path), help="What was run.")
@click.option(
    "--input", "sources", multiple=True, required=True, help="FILE.npz, or NAME=FILE.npy."
)
@engine_option
@threads_option
@output_options
def replay(
    output: Output, recorded: Path, model: Path, sources: tuple[str, ...], **options: Any
) -> int:
    """Execute again, and stop at the first value that is not as RECORDED (exit status 3)."""
    from aivm.client import transcripts
    from aivm.client.local import load

    known = _read(recorded)
    with load(str(model), engine=options["engine"], threads=options["threads"]) as loaded:
        found = transcripts.replay(loaded, read_inputs(sources), known, _tensors(recorded))
    return _report(output, found)


def _read(path: Path) -> Transcript:
    if not path.is_file():
        raise NotFound(f"no file {path}")
    return parse_transcript(path.read_bytes())


def _tensors(path: Path) -> Mapping[str, Array]:
    """The values kept beside a transcript; none where there are none."""
    from aivm.packages.safetensors import SafeTensors

    beside = path.with_suffix(TENSORS)
    return SafeTensors(beside) if beside.is_file() else {}


def _report(output: Output, found: Divergence | None) -> int:
    if found is None:
        output.data("the same in every value", {"ok": True, "difference": None}, brief="same")
        return 0
    text = f"differs first at value {found.value}, {found.place}"
    if found.element is not None:
        text += f": element {found.element} is {found.found}, expected {found.expected}"
    output.data(text, {"ok": False, "difference": found.as_json()}, brief="differs")
    return VerificationError.exit_status

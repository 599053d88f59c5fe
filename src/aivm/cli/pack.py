"""`aivm pack`: an ONNX file becomes a signed package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from aivm import host
from aivm.cli.modules import module_options, modules_of
from aivm.cli.options import ask_password, network_options, output_options
from aivm.cli.output import Output
from aivm.cli.quantisation import quantisation_options, quantise_as_told
from aivm.cli.session_options import session_options, with_shapes
from aivm.cli.tensors import read_inputs
from aivm.config import Config
from aivm.errors import BadInput, NotFound

if TYPE_CHECKING:
    from aivm.compiler import Model
    from aivm.packages import PackageInfo
    from aivm.sessions import SessionPlan

_SHAPE = re.compile(r"([^=,]+)=(\d+(?:x\d+)*|scalar)")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="owner/name under which the model is published.")
@click.option("--version", required=True, help="Semantic version, for example 1.0.0.")
@click.option("--license", "license_id", required=True, help="SPDX identifier of the licence.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--shapes",
    "--shape",
    multiple=True,
    help="Input shapes of a program to commit to, for example ids=1x16,mask=1x16; repeatable.",
)
@click.option(
    "--source/--no-source",
    default=True,
    help="Ship the model itself, so that any other shape runs too (default), or not.",
)
@click.option("--bind", multiple=True, help="NAME=FILE.npy: fix an input to a constant.")
@click.option("--file", "files", multiple=True, help="ROLE=PATH: tokenizer, license, card, other.")
@module_options
@quantisation_options
@click.option("--description", default="", help="One sentence about the model.")
@click.option("--task", default="", help="What it is for, for example text-embedding.")
@session_options
@network_options
@output_options
def pack(
    output: Output,
    model: Path,
    out: Path,
    settings: Config,
    plan: SessionPlan | None,
    **options: Any,
) -> None:
    """Compile MODEL, sign its manifest with the configured account, write a package folder.

    With --session it is a package for `aivm generate`:

    \b
    aivm pack llama.onnx --session --capacity 256 --block 16 --block 64 --stop 0 \\
        --file tokenizer=tokenizer.json --name me/llama --version 1.0.0 ...
    """
    from aivm.compiler import load_model
    from aivm.market.network import open_account
    from aivm.packages import ExtraFile, Role, files_beside, pack_model
    from aivm.sessions import pack_session, step_shapes

    if not model.is_file():
        raise NotFound(f"no file {model}")
    source = load_model(model.read_bytes(), files_beside(model))
    bindings = read_inputs(options["bind"])
    shapes = [parse_shapes(text) for text in options["shapes"]]
    if plan is None:
        shapes = shapes or [default_shapes(source, bound=bindings)]
    else:
        plan = with_shapes(plan, shapes, bindings)
        shapes = [dict(step_shapes(source, plan))]
    extra = [
        ExtraFile(path=path.name, source=path, role=Role(role))
        for role, path in map(_file, options["files"])
    ]
    modules, data = modules_of(options)
    report = quantise_as_told(output, source, shapes[0], bindings, options)
    if report is not None:
        source = load_model(report.quantised.proto, source.files)
        extra.append(report.file())
    common = {
        "name": options["name"],
        "version": options["version"],
        "license": options["license_id"],
        "out_dir": out,
        "signer": open_account(settings, ask_password),
        "created": host.now(),
        "description": options["description"],
        "task": options["task"],
        "extra_files": [*extra, *data],
        "modules": modules,
    }
    with output.working(f"compiling {model.name} and signing its manifest"):
        if plan is None:
            info = pack_model(
                source,
                shapes=shapes,
                bindings=bindings,
                with_source=options["source"],
                **common,
            )
        else:
            info = pack_session(source, plan, **common)
    quality = None if report is None else report.document()
    _show(output, info, out, quality)


def _show(output: Output, info: PackageInfo, out: Path, quality: dict[str, Any] | None) -> None:
    table = Table(box=None, pad_edge=False, title=f"{info.manifest.name} {info.manifest.version}")
    for heading in ("program", "gas units", "root"):
        table.add_column(heading, overflow="fold")
    for entry in info.manifest.entries:
        table.add_row(entry.name, f"{entry.gas_units:,}", entry.program.hex()[:16])
    document = {
        "ok": True,
        "model": info.model_id.hex(),
        "cid": str(info.manifest_cid),
        "name": info.manifest.name,
        "version": info.manifest.version,
        "publisher": info.manifest.publisher,
        "out": str(out),
        "programs": [
            {"name": entry.name, "program": entry.program.hex(), "gas": entry.gas_units}
            for entry in info.manifest.entries
        ],
        "quantization": quality,
    }
    output.data(table, document, brief=info.model_id.hex())
    if info.manifest.session is not None:
        output.hint(shlex.join(["aivm", "generate", str(out), "--prompt", "..."]))
    output.hint(shlex.join(["aivm", "push", str(out)]))


def default_shapes(model: Model, bound: Container[str] = ()) -> dict[str, tuple[int, ...]]:
    """Shapes for a model whose only open dimension is the batch, the first one: a batch of 1.

    Inputs `bound` to constants have the shapes of those. Raises BadInput where another dimension
    is open: only the publisher knows which sizes matter.
    """
    from aivm.compiler import inspect_model

    shapes = {}
    for tensor in inspect_model(model).inputs:
        open_sizes = [size for size in tensor.shape or () if not isinstance(size, int)]
        if not open_sizes or tensor.name in bound:
            continue
        fixed = tuple(size for size in tensor.shape or () if isinstance(size, int))
        shape = (1, *fixed)
        if len(open_sizes) > 1 or tensor.shape != (open_sizes[0], *fixed):
            raise BadInput(
                f"input {tensor.name!r} has open dimensions: {list(tensor.shape or ())}",
                hint=f"Say which sizes to compile: --shapes {tensor.name}=1x16 (repeatable).",
            )
        shapes[tensor.name] = shape
    return shapes


def parse_shapes(text: str) -> dict[str, tuple[int, ...]]:
    """`ids=1x16,mask=1x16` as shapes by input name; `scalar` is rank 0."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in text.split(","):
        found = _SHAPE.fullmatch(part.strip())
        if found is None:
            raise BadInput(f"{part!r} is not NAME=1x16", hint="Example: ids=1x16,mask=1x16")
        name, sizes = found.groups()
        shapes[name] = () if sizes == "scalar" else tuple(int(size) for size in sizes.split("x"))
    return shapes


def _file(text: str) -> tuple[str, Path]:
    from aivm.packages import Role

    role, separator, path = text.partition("=")
    if not separator or role not in set(Role):
        raise BadInput(f"{text!r} is not ROLE=PATH", hint=f"Roles: {', '.join(Role)}")
    if not Path(path).is_file():
        raise NotFound(f"no file {path}")
    return role, Path(path)

"""`aivm pack`: an ONNX file becomes a signed package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from aivm import host
from aivm.cli.description import (
    PackageDescription,
    ask_for_missing,
    read_description,
    show_found,
)
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
    from aivm.packages import PackageInfo, Role
    from aivm.sessions import SessionPlan

_SHAPE = re.compile(r"([^=,]+)=(\d+(?:x\d+)*|scalar)")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--describe",
    type=click.Path(path_type=Path),
    help="package.toml: all that these options say, and what else there is to say.",
)
@click.option("--name", help="owner/name under which the model is published.")
@click.option("--version", help="Semantic version, for example 1.0.0.")
@click.option("--license", help="SPDX identifier of the licence.")
@click.option("--supersedes", help="The version that this one replaces: its folder or model id.")
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
@click.option("--example", "examples", multiple=True, help="FILE.npz: inputs to show; repeatable.")
@click.option(
    "--chunking",
    type=click.Choice(["unixfs-v1-2025", "tensors-v1"]),
    default="unixfs-v1-2025",
    show_default=True,
    help="tensors-v1: cut weights at tensors, so that versions share the chunks of equal ones.",
)
@click.option(
    "--oms",
    type=click.Path(path_type=Path),
    help="EC P-256 key (PEM) for an OpenSSF signature, model.sig, beside your own.",
)
@module_options
@quantisation_options
@click.option("--description", help="One sentence about the model.")
@click.option("--task", help="What it is for, for example text-embedding.")
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

    What is missing is asked for, on a terminal. docs/guides/publisher.md shows a package.toml.
    With --session it is a package for `aivm generate`:

    \b
    aivm pack llama.onnx --session --capacity 256 --block 16 --block 64 --stop 0 \\
        --file tokenizer=tokenizer.json --name me/llama --version 1.0.0 ...
    """
    from aivm.compiler import load_model
    from aivm.packages import files_beside, pack_model
    from aivm.sessions import pack_session, step_shapes

    if not model.is_file():
        raise NotFound(f"no file {model}")
    source = load_model(model.read_bytes(), files_beside(model))
    said = _described(options)
    bindings = read_inputs(options["bind"])
    shapes = [parse_shapes(text) for text in said.shapes]
    if plan is None:
        shapes = shapes or [default_shapes(source, bound=bindings)]
    else:
        plan = with_shapes(plan, shapes, bindings)
        shapes = [dict(step_shapes(source, plan))]
    common = _said(said, options, settings) | {"out_dir": out}
    show_found(output, source, said, {file.role for file in common["extra_files"]})
    report = quantise_as_told(output, source, shapes[0], bindings, options)
    if report is not None:
        source = load_model(report.quantised.proto, source.files)
        common["extra_files"].append(report.file())
        common["claims"] = replace(common["claims"], quantization=report.claim)
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


def _described(options: dict[str, Any]) -> PackageDescription:
    """The file of `--describe`, under what the options say, and after what had to be asked."""
    from aivm.packages.licences import check_license

    path = options["describe"]
    said = PackageDescription() if path is None else read_description(path)
    for name in ("name", "version", "license", "description", "task", "supersedes"):
        if options[name] is not None:
            said.texts[name] = options[name]
    said.shapes = list(options["shapes"]) or said.shapes
    said.examples += [Path(name) for name in options["examples"]]
    said.files += [_file(text) for text in options["files"]]
    ask_for_missing(said.texts)
    check_license(said.texts["license"])
    return said


def _said(said: PackageDescription, options: dict[str, Any], settings: Config) -> dict[str, Any]:
    """The arguments that packing any kind of model takes."""
    from aivm.market.network import open_account
    from aivm.packages import ExtraFile
    from aivm.packages.files import Chunking

    modules, data = modules_of(options)
    extra = [
        ExtraFile(path=path.name, role=_role(role), source=_existing(path))
        for role, path in said.files
    ]
    return {
        **{name: said.texts.get(name, "") for name in ("name", "version", "license")},
        **{name: said.texts.get(name, "") for name in ("description", "task")},
        "signer": open_account(settings, ask_password),
        "created": host.now(),
        "supersedes": _model_id(said.texts.get("supersedes")),
        "extra_files": [*extra, *data],
        "modules": modules,
        "examples": [read_inputs([str(path)]) for path in said.examples],
        "claims": said.claimed(),
        "meanings": said.meanings,
        "chunking": Chunking(options["chunking"]),
        "model_key": None if options["oms"] is None else _existing(options["oms"]).read_bytes(),
    }


def _model_id(text: str | None) -> bytes | None:
    """A model id, or that of a package in a folder."""
    from aivm.packages import open_package

    if text is None:
        return None
    if Path(text).is_dir():
        return open_package(Path(text)).model_id
    try:
        model = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        model = b""
    if len(model) != 32:
        raise BadInput(f"{text[:80]!a} is neither a package's folder nor a model id")
    return model


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
    role, separator, path = text.partition("=")
    if not separator:
        raise BadInput(f"{text!r} is not ROLE=PATH")
    return role, Path(path)


def _role(name: str) -> Role:
    from aivm.packages import Role

    if name not in set(Role):
        raise BadInput(f"{name!r} is no role of a file", hint=f"Roles: {', '.join(Role)}")
    return Role(name)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise NotFound(f"no file {path}")
    return path

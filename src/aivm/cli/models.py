"""`aivm ls | show | pull`: what is registered on the network, and getting it here."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
from rich.table import Table

from aivm.chain.client import Chain
from aivm.chain.registry import ModelInfo
from aivm.cli.options import network_options, output_options
from aivm.cli.output import Output, printable
from aivm.cli.programs import show_programs
from aivm.cli.tensors import is_here
from aivm.config import Config
from aivm.errors import BadInput
from aivm.market.models import Models
from aivm.market.network import connect_chain
from aivm.packages import Package, manifest_cid, open_package

Result = TypeVar("Result")


@click.command("ls")
@network_options
@output_options
def ls(output: Output, settings: Config) -> None:
    """List the registered models."""

    async def work(chain: Chain, _models: Models) -> list[ModelInfo]:
        return await chain.registry.models()

    infos = _on_network(settings, work)
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "status", "royalty", "model"):
        table.add_column(heading, overflow="fold")
    for info in infos:
        royalty = f"{info.royalty_bps / 100:g} %"
        table.add_row(
            info.name, info.version, info.status.name.lower(), royalty, info.model.hex()[:16]
        )
    document = {"ok": True, "models": [_info_document(info) for info in infos]}
    output.data(table, document, brief="\n".join(info.model.hex() for info in infos))


@click.command()
@click.argument("model")
@click.option("--programs", is_flag=True, help="Show its programs only, and their gas.")
@click.option("--shape", "shapes", multiple=True, help="With --programs: derive this one too.")
@network_options
@output_options
def show(
    output: Output, model: str, programs: bool, shapes: tuple[str, ...], settings: Config
) -> None:
    """Show MODEL: owner/name, owner/name:version or a model id; or the programs of a folder.

    \b
    aivm show demo/minilm
    aivm show demo/minilm --programs --shape input_ids=1x48,attention_mask=1x48
    """
    if shapes and not programs:
        raise BadInput("--shape asks for a program", hint="Give --programs as well.")
    if programs and is_here(model):
        return show_programs(output, open_package(Path(model)), shapes)

    async def work(_chain: Chain, models: Models) -> tuple[ModelInfo, Package]:
        _, info = await models.resolve(model)
        return info, await models.package(model)

    with output.working("fetching and verifying the package"):
        info, package = _on_network(settings, work)
    if programs:
        return show_programs(output, package, shapes)
    document = {"ok": True, **_info_document(info), **_package_document(package)}
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for key in ("name", "version", "status", "model", "cid", "publisher", "license", "uri"):
        table.add_row(key, printable(str(document[key])))
    table.add_row("description", printable(package.manifest.description))
    for entry in package.manifest.entries:
        ports = ", ".join(f"{port.name} {list(port.shape)}" for port in entry.inputs)
        text = f"{ports}: {entry.gas_units:,} gas units"
        table.add_row(printable(f"program {entry.name}"), printable(text))
    for file in package.manifest.files:
        table.add_row(printable(f"file {file.path}"), f"{file.size:,} bytes, {file.cid}")
    return output.data(table, document, brief=info.model.hex())


@click.command()
@click.argument("model")
@network_options
@output_options
def pull(output: Output, model: str, settings: Config) -> None:
    """Fetch MODEL from storage, verify every byte, keep it in the cache."""

    async def work(_chain: Chain, models: Models) -> Package:
        with output.transfer("fetching") as progress:
            return await models.package(model, progress)

    package = _on_network(settings, work)
    document = {"ok": True, "directory": str(package.directory), **_package_document(package)}
    output.data(str(package.directory), document, brief=str(package.directory))
    output.hint(shlex.join(["aivm", "run", str(package.directory), "--input", "x.npz"]))


def _on_network(settings: Config, work: Callable[[Chain, Models], Awaitable[Result]]) -> Result:
    async def connected() -> Result:
        async with connect_chain(settings) as chain, aiohttp.ClientSession() as session:
            folder = settings.cache_dir / "models"
            return await work(chain, Models(chain, session, [settings.storage_url], folder))

    return asyncio.run(connected())


def _info_document(info: ModelInfo) -> dict[str, Any]:
    return {
        "model": info.model.hex(),
        "cid": str(manifest_cid(info.model)),
        "name": info.name,
        "version": info.version,
        "publisher": info.publisher,
        "status": info.status.name.lower(),
        "royalty_bps": info.royalty_bps,
        "uri": info.uri,
    }


def _package_document(package: Package) -> dict[str, Any]:
    manifest = package.manifest
    return {
        "model": package.model_id.hex(),
        "license": manifest.license,
        "description": manifest.description,
        "programs": [
            {
                "name": entry.name,
                "program": entry.program.hex(),
                "gas": entry.gas_units,
                "inputs": {port.name: list(port.shape) for port in entry.inputs},
                "outputs": {port.name: list(port.shape) for port in entry.outputs},
            }
            for entry in manifest.entries
        ],
        "files": [
            {"path": file.path, "size": file.size, "cid": str(file.cid)} for file in manifest.files
        ],
    }

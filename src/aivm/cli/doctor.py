"""`aivm doctor`: what works on this machine and on the configured network, and what mends the rest.

Exit status 0: all that local use needs works. An unreachable network is reported, not fatal.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import click
import numpy as np
from rich.table import Table

from aivm import config as settings
from aivm.cli.options import output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.errors import AivmError, StorageUnreachable, Unavailable

# The GPU's may be missing: no other part needs it.
ENGINES = {"reference": True, "wasm": True, "native": True, "cuda": False}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool  # for local use
    detail: str
    hint: str = ""


@click.command()
@output_options
def doctor(output: Output) -> int:
    """Check this machine and the configured network."""
    loaded = settings.load()
    with output.working("looking"):
        findings = [_python(), *(_engine(*each) for each in ENGINES.items()), _anvil()]
        findings += asyncio.run(_network(loaded))
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "", "detail", "how to mend it"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        bad = "[bold red]fails[/bold red]" if finding.needed else "[yellow]missing[/yellow]"
        mark = "[green]works[/green]" if finding.ok else bad
        table.add_row(finding.name, mark, finding.detail, finding.hint)
    ok = all(finding.ok for finding in findings if finding.needed)
    output.data(table, {"ok": ok, "findings": [vars(finding) for finding in findings]})
    return 0 if ok else Unavailable.exit_status


def _python() -> Finding:
    version = platform.python_version()
    machine = f"Python {version}, {platform.system()} {platform.machine()}"
    return Finding(
        "python", sys.version_info >= (3, 11), True, machine, "Use Python 3.11 or later."
    )


def _engine(name: str, needed: bool) -> Finding:
    """Run a real program on the engine and compare with the known answer."""

    def work() -> str:
        from aivm.commitments import tensor_root
        from aivm.engines.base import open_engine
        from aivm.isa import Function, Map, MatMul, Program, TensorType
        from aivm.numerics.dtypes import DType

        square = TensorType(DType.F32, (3, 3))
        program = Program(
            inputs=(square, square),
            constants=(),
            instructions=(MatMul((0, 1), square), Map(Function.EXP, (2,), square)),
            outputs=(3,),
        )
        values = np.arange(9, dtype=np.float32).reshape(3, 3) / np.float32(8)
        executable = open_engine(name).load(program, [])
        (result,) = executable.run([values, values])
        executable.close()
        if not np.allclose(result, np.exp(values @ values), rtol=1e-6):
            raise Unavailable("it computes something else than expected")
        return f"test program gives {tensor_root(result).hex()[:16]}"

    return _attempt(f"engine {name}", work, needed=needed)


def _anvil() -> Finding:
    def work() -> str:
        from aivm.chain.tools import find_anvil

        return str(find_anvil())

    return _attempt("anvil (embedded chain)", work, needed=False)


async def _network(config: Config) -> list[Finding]:
    findings = []
    try:
        from aivm.market.network import connect_chain

        async with connect_chain(config) as chain:
            block = await chain.block()
            detail = f"chain {chain.chain_id} at {config.rpc_url}, block {block.number}"
            findings.append(Finding("chain", True, False, detail))
    except AivmError as error:
        findings.append(Finding("chain", False, False, error.message, error.hint))
    try:
        await _probe(config.storage_url)
        findings.append(Finding("storage", True, False, config.storage_url))
    except AivmError as error:
        findings.append(Finding("storage", False, False, error.message, error.hint))
    return findings


async def _probe(url: str) -> None:
    """The trustless gateway's probe: the empty identity block."""
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url}/ipfs/bafkqaaa", params={"format": "raw"}) as response,
        ):
            response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError):
        raise StorageUnreachable(
            f"no gateway answers at {url}", hint="Start a network with `aivm devnet`."
        ) from None


def _attempt(name: str, work: Callable[[], str], *, needed: bool) -> Finding:
    try:
        return Finding(name, True, needed, work())
    except AivmError as error:
        return Finding(name, False, needed, error.message, error.hint)

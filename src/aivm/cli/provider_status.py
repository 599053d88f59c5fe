"""`aivm provider status`: what a provider's journal holds, and which disputes it is in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from aivm.cli.options import network_options, output_options
from aivm.cli.output import Output
from aivm.config import Config
from aivm.errors import NotFound

if TYPE_CHECKING:
    from aivm.chain.cases import Case


@click.command()
@click.option("--owner", required=True, help="The provider's registered owner address.")
@network_options
@output_options
def status(output: Output, owner: str, settings: Config) -> None:
    """Show jobs, the inputs that are kept for disputes, and the disputes that are open.

    Reads the journal of this machine and the chain; the provider may be serving meanwhile.
    """
    from aivm.chain.case_document import case_document
    from aivm.cli.dispute_picture import listing
    from aivm.provider.journal import Journal
    from aivm.provider.node import journal_path

    path = journal_path(settings)
    if not path.is_file():
        raise NotFound(
            f"no provider has served from here: there is no {path}",
            hint="AIVM_STATE_DIR is the folder that the provider was started with.",
        )
    journal = Journal(path)
    try:
        jobs, kept = journal.counts(), journal.kept()
    finally:
        journal.close()
    cases, now = asyncio.run(_open_cases(settings, owner))
    document: dict[str, Any] = {
        "ok": True,
        "jobs": jobs,
        "inputs": {"jobs": kept.jobs, "bytes": kept.bytes},
        "disputes": [case_document(case, now) for case in cases],
    }
    counted = ", ".join(f"{count} {state}" for state, count in sorted(jobs.items())) or "none"
    output.note(f"jobs: {counted}")
    output.note(f"inputs kept for disputes: {kept.bytes:,} bytes of {kept.jobs} jobs")
    output.data(
        listing(cases, now) if cases else "no open disputes", document, brief=str(len(cases))
    )


async def _open_cases(settings: Config, owner: str) -> tuple[list[Case], int]:
    """The open disputes about a provider's receipts, and the time of the newest block."""
    from aivm.chain.docket import Docket, first_block_since
    from aivm.litigation.conductor import LOOK_BACK_SECONDS
    from aivm.market.network import connect_chain
    from aivm.receipts.addresses import checked_address

    provider = checked_address(owner)
    async with connect_chain(settings) as chain:
        now = (await chain.block()).time
        docket = Docket(chain, first_block=await first_block_since(chain, now - LOOK_BACK_SECONDS))
        await docket.poll()
        return [case for case in docket.open_cases if case.provider == provider], now

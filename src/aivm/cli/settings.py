"""`aivm config`: every setting, its value, and where that came from."""

from __future__ import annotations

import click
from rich.table import Table

from aivm import config as settings
from aivm.cli.options import output_options
from aivm.cli.output import Output


@click.command()
@output_options
def config(output: Output) -> None:
    """Show the settings and their origins."""
    loaded = settings.load()
    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "from", "meaning"):
        table.add_column(heading, overflow="fold")
    document = {}
    for setting in settings.SETTINGS:
        value = getattr(loaded, setting.name)
        text = "" if value is None else str(value)
        origin = loaded.origins[setting.name]
        table.add_row(setting.name, text, origin, setting.sentence)
        document[setting.name] = {"value": text, "origin": origin, "variable": setting.variable}
    output.data(table, {"ok": True, "settings": document})

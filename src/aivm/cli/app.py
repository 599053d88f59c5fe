"""`aivm app`: a WASI program of a package, calling the package's models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from aivm.cli.files import write_file
from aivm.cli.options import engine_option, output_options, threads_option
from aivm.cli.output import Output, printable
from aivm.errors import NotFound, TooLarge, VerificationError

MAX_STDIN_BYTES = 1 << 30


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("package", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", help="Which app, where the package has several.")
@click.option("--stdin", "source", type=click.Path(path_type=Path), help="Its standard input.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Write the receipt to this file.")
@click.option("--check", type=click.Path(path_type=Path), help="Compare with this receipt.")
@engine_option
@threads_option
@output_options
def app(
    output: Output,
    package: Path,
    arguments: tuple[str, ...],
    name: str | None,
    source: Path | None,
    receipt: Path | None,
    check: Path | None,
    **options: Any,
) -> int:
    """Run an app of PACKAGE (a folder) with ARGUMENTS, in the sandbox.

    The app has no files, no network and no clock; its standard input is the file of --stdin. Its
    standard output and error become this command's, and its exit status too (--json: in the
    document). With --check, exit status 3 means that the receipt does not hold.
    """
    from aivm.client.apps import run_app
    from aivm.engines.base import open_engine
    from aivm.packages import open_package
    from aivm.receipts import ARBITRATED

    opened = open_package(package)
    engine = open_engine(options["engine"], threads=options["threads"])
    stdin = _read(source)
    if check is not None:
        return _check(output, check, opened, engine, arguments, stdin, name)
    job = run_app(opened, engine, arguments, stdin, name=name)
    signed = job.receipt()
    if receipt is not None:
        write_file(receipt, signed.to_json())
    for reason in job.run.reasons:
        output.note(printable(f"wasi-nn: {reason}"))
    output.note(printable(f"{job.pipeline}: {job.run.fuel:,} units of fuel; {ARBITRATED}."))
    if output.as_json:
        document = {
            "ok": True,
            "job": signed.receipt.job.hex(),
            "status": job.run.status,
            "fuel": job.run.fuel,
            "stdout": job.run.stdout.decode("utf-8", "replace"),
            "stderr": job.run.stderr.decode("utf-8", "replace"),
            "pipeline": job.pipeline.to_document(),
        }
        output.data("", document)
        return 0
    _pass_on(job.run.stdout, sys.stdout)
    _pass_on(job.run.stderr, sys.stderr)
    return job.run.status & 0xFF


def _check(
    output: Output,
    check: Path,
    package: Any,
    engine: Any,
    arguments: tuple[str, ...],
    stdin: bytes,
    name: str | None,
) -> int:
    from aivm.cli.verify import verdict_document, verdict_table
    from aivm.client.apps import audit_app
    from aivm.receipts import parse_receipt

    if not check.is_file():
        raise NotFound(f"no file {check}")
    signed = parse_receipt(check.read_bytes())
    verdict = audit_app(signed, package, engine, arguments, stdin, name=name)
    brief = "ok" if verdict.ok else "failed"
    output.data(verdict_table(signed, verdict), verdict_document(signed, verdict), brief=brief)
    return 0 if verdict.ok else VerificationError.exit_status


def _read(source: Path | None) -> bytes:
    if source is None:
        return b""
    if not source.is_file():
        raise NotFound(f"no file {source}")
    if source.stat().st_size > MAX_STDIN_BYTES:
        raise TooLarge(f"{source} has more than {MAX_STDIN_BYTES} bytes")
    return source.read_bytes()


def _pass_on(data: bytes, stream: Any) -> None:
    """The app's bytes as they are, to a file or pipe; harmless text to a terminal."""
    if stream.isatty():
        stream.write(printable(data.decode("utf-8", "replace")).plain)
    else:
        stream.flush()
        stream.buffer.write(data)
    stream.flush()

"""Local jobs of apps: WASI programs of a package, which call its models through `wasi-nn`.

The receipt's inputs are the arguments and the standard input, its outputs the standard output, the
standard error and the exit status; its program root names the app and all programs of the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from aivm import host
from aivm.client.jobs import compared
from aivm.commitments import bundle_root
from aivm.engines.base import Engine, Executable
from aivm.errors import BadInput
from aivm.market.entries import find_entry
from aivm.market.models import programs_root
from aivm.modules import Tensor
from aivm.modules.wasi import Graph, Run, onnx_graph
from aivm.modules.wasi.graphs import Shapes
from aivm.packages import Package, ProgramEntry
from aivm.receipts import (
    NO_CHANNEL,
    ZERO_ADDRESS,
    Domain,
    Expectation,
    Pipeline,
    SignedReceipt,
    Verdict,
    job_id,
    local_receipt,
    verify_receipt,
)


@dataclass(frozen=True)
class AppJob:
    """One run of an app, and what a receipt about it is made of."""

    model: bytes
    pipeline: Pipeline
    inputs: bytes
    run: Run

    @property
    def output_root(self) -> bytes:
        status = Tensor.of(np.array(self.run.status, np.uint32))
        streams = (Tensor.of_bytes(self.run.stdout), Tensor.of_bytes(self.run.stderr))
        return bundle_root(tensor.root for tensor in (*streams, status))

    def receipt(self) -> SignedReceipt:
        """An unsigned local receipt that names the app."""
        receipt = local_receipt(
            model=self.model,
            program=self.pipeline.root,
            inputs=self.inputs,
            outputs=self.output_root,
            time=host.now(),
        )
        return SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None, self.pipeline)


def run_app(
    package: Package,
    engine: Engine,
    arguments: Sequence[str] = (),
    stdin: bytes = b"",
    *,
    name: str | None = None,
) -> AppJob:
    """Runs the package's app of that name (or its only one); models run on `engine`.

    Its random bytes come from the job's id, so that the same job gives the same result. Raises
    NotFound, ModuleFailed, OutOfFuel, TooLarge, and what the engine raises.
    """
    app = package.app(name)
    if any("\0" in argument for argument in arguments):
        raise BadInput("an argument holds a NUL, which ends arguments")
    try:
        words = [word.encode() for word in (app.entry.name, *arguments)]
    except UnicodeEncodeError:
        raise BadInput("an argument is not Unicode") from None
    pipeline = Pipeline(programs_root(package.manifest), (app.stage,))
    joined = b"".join(word + b"\0" for word in words)
    inputs = bundle_root(Tensor.of_bytes(part).root for part in (joined, stdin))
    seed = job_id(NO_CHANNEL, 0, package.model_id, pipeline.root, inputs)
    with ExitStack() as opened:
        named = _graphs(package, engine)
        for graph in named.values():
            opened.callback(graph.close)
        run = app.code.run(
            words, stdin, seed, named=named, load=lambda data: onnx_graph(data, engine)
        )
    return AppJob(package.model_id, pipeline, inputs, run)


def audit_app(
    signed: SignedReceipt,
    package: Package,
    engine: Engine,
    arguments: Sequence[str] = (),
    stdin: bytes = b"",
    *,
    name: str | None = None,
) -> Verdict:
    """Every check on a receipt about an app, ending with re-execution."""
    job = run_app(package, engine, arguments, stdin, name=name)
    offline = verify_receipt(signed, Expectation(model=job.model))
    receipt = signed.receipt
    return Verdict(
        (
            *offline.checks,
            compared("program", receipt.program, job.pipeline.root),
            compared("inputs", receipt.inputs, job.inputs),
            compared("re-execution", receipt.outputs, job.output_root),
        )
    )


def _graphs(package: Package, engine: Engine) -> dict[str, Graph]:
    """Graphs by name: each program by its entry's, and the model's own name for all of them."""
    entries = package.manifest.entries

    def loaded(entry: ProgramEntry) -> tuple[Executable, Sequence[str]]:
        program = package.program(entry.name)
        names = [port.name for port in entry.inputs]
        return engine.load(program, package.constants(entry.name)), names

    def by_shapes(shapes: Shapes) -> tuple[Executable, Sequence[str]]:
        return loaded(find_entry(package, shapes))

    def of_entry(entry: ProgramEntry) -> Graph:
        names = [port.name for port in entry.inputs]
        return Graph(names, lambda _shapes: loaded(entry))

    graphs = {entry.name: of_entry(entry) for entry in entries}
    graphs[package.manifest.name] = Graph([p.name for p in entries[0].inputs], by_shapes)
    return graphs

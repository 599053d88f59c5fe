"""A receipt's program, run again in a worker: all that either side of a dispute answers from.

Nothing of the run is kept but the roots of its values: a worker runs the program again for each
question, so restarting needs the inputs and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aivm.commitments import bundle_root, numpy_dtype, tensor_root_of_bytes
from aivm.dispute.game import DISPUTABLE
from aivm.dispute.player import Challenger, Provider, fault_of
from aivm.dispute.trace import ProgramTree, Trace
from aivm.engines.base import fitting
from aivm.errors import InternalError, MalformedReceipt, NotAllowed, WrongTensor
from aivm.isa.instructions import TensorType
from aivm.market.entries import in_order
from aivm.packages import Package, PackageProgram, Programs
from aivm.receipts import Receipt, SignedReceipt
from aivm.sessions import generator_of
from aivm.workers.pool import WorkerPool

Array = np.ndarray[Any, Any]


class Execution(NamedTuple):
    """One run of a program with every value. The trace is to be asked in a thread: it waits for a
    worker; its roots are there already."""

    program: ProgramTree
    trace: Trace

    def confirms(self, receipt: Receipt) -> bool:
        """Whether the run has a result, and it is the one in the receipt."""
        roots = self.trace.roots
        if len(roots) < len(self.trace.types):
            return False
        return bundle_root(roots[value] for value in self.trace.program.outputs) == receipt.outputs

    def provider(self, receipt: Receipt) -> Provider:
        """The side of the receipt. Raises NotAllowed where this run does not bear it out."""
        if not self.confirms(receipt):
            raise NotAllowed(
                "this receipt cannot be defended: running it again gives something else",
                hint="Is it the engine, the memory or the package? Stop serving until it is clear.",
            )
        return Provider(receipt, self.program, self.trace)

    def challenger(self, receipt: Receipt) -> Challenger:
        """The side of the doubt. Raises NotAllowed where this run bears the receipt out."""
        if self.confirms(receipt):
            raise NotAllowed(
                "the receipt is right: running it again gives the same outputs",
                hint="Whoever disputes it loses the bond.",
            )
        is_short = len(self.trace.roots) < len(self.trace.types)
        fault = fault_of(self.trace) if is_short else (0, 0)
        return Challenger(receipt, self.program, self.trace, fault)


def demand_disputable(signed: SignedReceipt) -> None:
    """Raise NotAllowed, saying why, for a receipt that the game cannot decide."""
    if signed.receipt.tier not in DISPUTABLE:
        raise NotAllowed(f"receipts of tier {signed.receipt.tier.name} are not decided by disputes")
    if signed.pipeline is not None:
        raise NotAllowed(
            "modules took part in this receipt: disputes decide tensor programs only",
            hint="A dispute about a module goes to arbitration.",
        )


async def execute(
    package: Package, receipt: Receipt, inputs: Mapping[str, Array], workers: WorkerPool
) -> Execution:
    """Run the receipt's program again on its inputs, given by name.

    Raises NotAllowed (a generation, or no program of this package), MalformedReceipt (another
    model's), WrongTensor (not its inputs, or none that a program takes), and what a worker raises.
    """
    if receipt.model != package.model_id:
        raise MalformedReceipt(
            f"the receipt is about model {receipt.model.hex()[:16]}, "
            f"this package is {package.model_id.hex()[:16]}"
        )
    session = package.manifest.session
    if session is not None and generator_of(package.manifest).root == receipt.program:
        raise NotAllowed("the receipt is about a generation: disputes decide single programs only")
    arrays = {name: np.asarray(array) for name, array in inputs.items()}
    found = await asyncio.to_thread(_program_of, package, receipt, arrays)
    blobs = _inputs_of(found, receipt, arrays)
    shapes = {name: array.shape for name, array in arrays.items()}
    place = package.model_id.hex(), package.directory, shapes, blobs
    roots = await workers.roots(*place)
    types = found.program.value_types
    values = _InWorker(types, roots, lambda wanted: workers.values(*place, wanted))
    program = await asyncio.to_thread(ProgramTree, found.program)
    return Execution(program, Trace(found.program, values))


def _program_of(package: Package, receipt: Receipt, arrays: Mapping[str, Array]) -> PackageProgram:
    """The program that takes these inputs, if it is the receipt's."""
    programs = Programs(package)
    found = programs.find({name: array.shape for name, array in arrays.items()})
    if found.root == receipt.program:
        return found
    named, runs = receipt.program.hex()[:16], found.root.hex()[:16]
    if any(entry.program == receipt.program for entry in package.manifest.entries):
        raise WrongTensor(f"these inputs run program {runs}, the receipt is about program {named}")
    raise NotAllowed(
        f"the receipt is about program {named}, which its package neither lists nor gives for"
        f" inputs of these shapes (that is {runs})",
        hint="Pipelines of modules are not disputable; nor is what another compiler has derived.",
    )


def _inputs_of(found: PackageProgram, receipt: Receipt, arrays: Mapping[str, Array]) -> list[bytes]:
    """The inputs as bytes in the program's order, once they are known to be the receipt's."""
    kinds, names = found.program.inputs, found.input_names
    triples = zip(names, kinds, in_order(names, arrays), strict=True)
    blobs = [
        np.ascontiguousarray(fitting(f"input {name!r}", kind, array)).tobytes()
        for name, kind, array in triples
    ]
    pairs = zip(kinds, blobs, strict=True)
    root = bundle_root(tensor_root_of_bytes(kind.dtype, kind.shape, blob) for kind, blob in pairs)
    if root != receipt.inputs:
        raise WrongTensor(
            f"these inputs have the root {root.hex()[:16]}, "
            f"the receipt is about {receipt.inputs.hex()[:16]}",
            hint="Give the very inputs that were sent: every bit of them counts.",
        )
    return blobs


class _InWorker:
    """Values whose roots are known, and which a worker computes again when they are asked for."""

    def __init__(
        self,
        types: Sequence[TensorType],
        roots: list[bytes],
        ask: Callable[[Sequence[int]], Awaitable[list[bytes]]],
    ) -> None:
        self._types = types
        self._roots = roots
        self._ask = ask
        self._loop = asyncio.get_running_loop()

    def roots(self) -> list[bytes]:
        return self._roots

    def arrays(self, wanted: Collection[int]) -> Mapping[int, Array]:
        if _runs_here(self._loop):
            raise InternalError("a trace was asked in the event loop, which has to serve it")
        values = sorted(set(wanted))
        blobs = asyncio.run_coroutine_threadsafe(self._fetch(values), self._loop).result()
        return {value: self._array(value, blob) for value, blob in zip(values, blobs, strict=True)}

    async def _fetch(self, values: Sequence[int]) -> list[bytes]:
        return await self._ask(values)

    def _array(self, value: int, blob: bytes) -> Array:
        kind = self._types[value]
        array: Array = np.frombuffer(blob, numpy_dtype(kind.dtype))
        return array.reshape(kind.shape)


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this thread is the one that serves the loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False

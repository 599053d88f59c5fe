"""Local jobs through a package's modules: text or files in, the model between, results out.

The receipt's inputs are what the first module was given (the bytes of a text, say), its outputs are
what the last one gave, and its program root names every module besides the tensor program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aivm import host
from aivm.client.local import Array, LocalModel
from aivm.commitments import bundle_root, shown
from aivm.errors import UnsupportedModel, WrongTensor
from aivm.market.entries import in_order
from aivm.market.text import tokens_for
from aivm.modules import Tensor
from aivm.packages import Package, compiler_version
from aivm.packages.modules import LoadedModule
from aivm.receipts import (
    ZERO_ADDRESS,
    Check,
    Domain,
    Expectation,
    Pipeline,
    SignedReceipt,
    StageRole,
    Verdict,
    local_receipt,
    verify_receipt,
)


@dataclass(frozen=True)
class Job:
    """One run through modules. `inputs` and `outputs` are the job's, not the program's; `derived`
    says of the program whether the package does not list it.
    """

    model: bytes
    pipeline: Pipeline
    inputs: Sequence[Tensor]
    outputs: Mapping[str, Tensor]
    derived: bool

    @property
    def named_outputs(self) -> dict[str, Array]:
        """Outputs by name; F16 as numpy's float16."""
        return {name: shown(item.array, item.dtype) for name, item in self.outputs.items()}

    @property
    def input_root(self) -> bytes:
        return bundle_root(tensor.root for tensor in self.inputs)

    @property
    def output_root(self) -> bytes:
        return bundle_root(tensor.root for tensor in self.outputs.values())

    def receipt(self) -> SignedReceipt:
        """An unsigned local receipt that names the modules."""
        receipt = local_receipt(
            model=self.model,
            program=self.pipeline.root,
            inputs=self.input_root,
            outputs=self.output_root,
            time=host.now(),
        )
        derived = compiler_version() if self.derived else None
        return SignedReceipt(Domain(0, ZERO_ADDRESS), receipt, None, self.pipeline, derived)


def run_job(model: LocalModel, package: Package, inputs: Sequence[Tensor]) -> Job:
    """Runs the package's first module, the model, and its last module, as far as it has them.

    `inputs` are in the order of the first module's inputs, or of the program's if it has none.
    Raises UnsupportedModel for a package without modules, and what modules and programs raise.
    """
    first = package.module(StageRole.TOKENIZER, StageRole.PREPROCESS)
    last = package.module(StageRole.POSTPROCESS)
    if first is None and last is None:
        raise UnsupportedModel(f"{package.manifest.name} carries no modules around its model")
    done = model.execute(_model_inputs(package, first, inputs))
    results = {
        name: Tensor(type_.dtype, array)
        for name, type_, array in zip(
            done.prepared.output_names, done.prepared.output_types, done.outputs, strict=True
        )
    }
    if last is not None:
        results = last.run([_output(results, name) for name in last.entry.inputs])
    stages = tuple(module.stage for module in (first, last) if module is not None)
    pipeline = Pipeline(done.prepared.root, stages)
    return Job(model.model_id, pipeline, inputs, results, bool(done.prepared.derived))


def job_inputs(package: Package, arrays: Mapping[str, Array]) -> list[Tensor]:
    """Arrays by name as the inputs of a job. Raises WrongTensor for a missing or unknown name."""
    first = package.module(StageRole.TOKENIZER, StageRole.PREPROCESS)
    if first is None:
        names = tuple(port.name for port in package.manifest.entries[0].inputs)
    else:
        names = first.entry.inputs
    return [Tensor.of(array) for array in in_order(names, arrays)]


def audit_job(
    signed: SignedReceipt,
    model: LocalModel,
    package: Package,
    inputs: Sequence[Tensor],
    *,
    hot_key: str | None = None,
    domain: Domain | None = None,
) -> Verdict:
    """Every check on a receipt that names modules, ending with re-execution."""
    job = run_job(model, package, inputs)
    expected = Expectation(model=job.model, derived=job.derived, hot_key=hot_key, domain=domain)
    offline = verify_receipt(signed, expected)
    receipt = signed.receipt
    found = (
        ("program", receipt.program, job.pipeline.root),
        ("inputs", receipt.inputs, job.input_root),
        ("re-execution", receipt.outputs, job.output_root),
    )
    return Verdict((*offline.checks, *(compared(*item) for item in found)))


def compared(name: str, claimed: bytes, actual: bytes) -> Check:
    """Whether a root in a receipt is the one that was found here."""
    if claimed == actual:
        return Check(name, True, f"0x{claimed.hex()}")
    return Check(name, False, f"the receipt says 0x{claimed.hex()}, it is 0x{actual.hex()}")


def _model_inputs(
    package: Package, first: LoadedModule | None, inputs: Sequence[Tensor]
) -> dict[str, Array]:
    if first is None:
        ports = package.manifest.entries[0].inputs
        if len(inputs) != len(ports):
            raise WrongTensor(f"the model has {len(ports)} inputs, {len(inputs)} were given")
        return {port.name: item.array for port, item in zip(ports, inputs, strict=True)}
    if first.entry.role is StageRole.TOKENIZER:
        return tokens_for(package, first, list(inputs))
    return {name: tensor.array for name, tensor in first.run(inputs).items()}


def _output(results: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in results:
        raise WrongTensor(
            f"the postprocessing module takes {name!r}, which the model does not give",
            hint=f"Outputs: {', '.join(results)}",
        )
    return results[name]

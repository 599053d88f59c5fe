"""From an ONNX model with state to a signed package that generates tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from onnx import ModelProto

from aivm.commitments import Array
from aivm.compiler import CompiledModel, Model, compile_model, inspect_model, load_model
from aivm.compiler.interface import ModelInterface
from aivm.compiler.load import CheckedModel
from aivm.errors import BadInput, UnsupportedModel
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.packages import (
    Description,
    ExtraFile,
    ModuleSource,
    PackageInfo,
    SessionEntry,
    compiler_version,
    write_package,
)
from aivm.packages.claims import NO_CLAIMS, Claims
from aivm.packages.files import Chunking
from aivm.packages.pack import Shapes, interfaces_of
from aivm.receipts import Signer
from aivm.sessions.ports import Ports, find_ports
from aivm.sessions.sampler import sampler_program

STEP, SAMPLER = "step", "sampler"


@dataclass(frozen=True)
class SessionPlan:
    """What the publisher decides: `blocks` are sizes in which prompts are taken in.

    `capacity` is the most tokens that a session can take; a model with positions must have one.
    `shapes` are needed only for states whose shape the model leaves open. The other names are for
    models whose inputs and outputs are not called as `aivm.sessions.ports` expects.
    """

    blocks: Sequence[int] = ()
    capacity: int | None = None
    stop: Sequence[int] = ()
    shapes: Shapes = field(default_factory=dict)
    bindings: Mapping[str, Array] = field(default_factory=dict)
    tokens: str | None = None
    position: str | None = None
    logits: str | None = None
    states: Mapping[str, str] = field(default_factory=dict)


def pack_session(
    model: Model,
    plan: SessionPlan,
    *,
    name: str,
    version: str,
    license: str,  # noqa: A002 (the manifest's own word)
    out_dir: Path,
    signer: Signer,
    created: int,
    description: str = "",
    task: str = "",
    supersedes: bytes | None = None,
    extra_files: Sequence[ExtraFile] = (),
    modules: Sequence[ModuleSource] = (),
    examples: Sequence[Mapping[str, Array]] = (),
    claims: Claims = NO_CLAIMS,
    meanings: Mapping[str, str] = MappingProxyType({}),
    model_key: bytes | None = None,
    chunking: Chunking = Chunking.UNIXFS,
) -> PackageInfo:
    """Compiles step, blocks and sampler, and writes the package; the rest as in `pack_model`.

    Raises UnsupportedModel (no tokens, no logits, a state that grows), BadInput for a plan that
    does not fit, and what `compile_model` and `write_package` raise.
    """
    checked = load_model(model)
    interface = inspect_model(checked)
    ports = _ports(interface, plan)
    _check_plan(plan, ports)
    entries = _entries(checked, interface, ports, plan)
    inputs, outputs = interfaces_of(interface, entries[STEP], meanings)
    about = Description(
        name=name,
        version=version,
        license=license,
        inputs=inputs,
        outputs=outputs,
        created=created,
        description=description,
        task=task,
        session=_session(ports, plan),
        supersedes=supersedes,
        compiler=compiler_version(),
        claims=claims,
        chunking=chunking,
    )
    return write_package(
        out_dir,
        about,
        entries,
        signer,
        extra_files,
        modules,
        examples=examples,
        model_key=model_key,
    )


def step_shapes(model: Model, plan: SessionPlan) -> Shapes:
    """The shapes in which a step takes its inputs; raises as `pack_session` does."""
    interface = inspect_model(model)
    return _shapes(interface, _ports(interface, plan), plan, 1)


def _ports(interface: ModelInterface, plan: SessionPlan) -> Ports:
    return find_ports(
        _unbound(interface, plan.bindings),
        tokens=plan.tokens,
        position=plan.position,
        logits=plan.logits,
        states=plan.states,
    )


def _entries(
    model: CheckedModel, interface: ModelInterface, ports: Ports, plan: SessionPlan
) -> dict[str, CompiledModel]:
    """Step, blocks and sampler by entry name."""
    entries = {STEP: _compiled(model, interface, ports, plan, 1)}
    quiet = _giving_only(model, {pair.output for pair in ports.states})
    for size in sorted(plan.blocks):
        entries[_block(size)] = _compiled(quiet, interface, ports, plan, size)
    logits = _type_of(entries[STEP], ports.logits)
    if logits.dtype is not DType.F32:
        raise UnsupportedModel(f"logits {ports.logits!r} are {logits.dtype.name}, not F32")
    entries[SAMPLER] = sampler_program(logits)
    return entries


def _session(ports: Ports, plan: SessionPlan) -> SessionEntry:
    return SessionEntry(
        step=STEP,
        blocks=tuple(_block(size) for size in sorted(plan.blocks)),
        sampler=SAMPLER,
        tokens=ports.tokens,
        position=ports.position,
        logits=ports.logits,
        states=ports.states,
        capacity=plan.capacity,
        stop=tuple(plan.stop),
    )


def _block(size: int) -> str:
    return f"block-{size}"


def _unbound(interface: ModelInterface, bindings: Mapping[str, Array]) -> ModelInterface:
    free = tuple(tensor for tensor in interface.inputs if tensor.name not in bindings)
    return ModelInterface(free, interface.outputs, interface.opset, interface.operators)


def _check_plan(plan: SessionPlan, ports: Ports) -> None:
    if len(set(plan.blocks)) != len(plan.blocks) or any(size < 2 for size in plan.blocks):
        raise BadInput("blocks must be different sizes, each of 2 tokens or more")
    if ports.position is not None and plan.capacity is None:
        raise BadInput(
            f"the model takes a position ({ports.position}), so its sessions end somewhere",
            hint="Say how many tokens it can take: --capacity N.",
        )


def _giving_only(model: CheckedModel, outputs: set[str]) -> CheckedModel:
    """The model without its other outputs, so that a block computes no logits that nobody reads."""
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    kept = [output for output in model.proto.graph.output if output.name in outputs]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return CheckedModel(proto)


def _compiled(
    model: CheckedModel, interface: ModelInterface, ports: Ports, plan: SessionPlan, size: int
) -> CompiledModel:
    """The program that takes so many tokens. Raises UnsupportedModel for a state that grows."""
    shapes = _shapes(interface, ports, plan, size)
    compiled = compile_model(model, shapes, bindings=plan.bindings)
    for pair in ports.states:
        place = compiled.input_names.index(pair.input)
        taken, given = compiled.program.inputs[place], _type_of(compiled, pair.output)
        if taken != given:
            raise UnsupportedModel(
                f"state {pair.input!r} goes in as {list(taken.shape)} and comes out, as "
                f"{pair.output!r}, as {list(given.shape)} {given.dtype.name}",
                hint="A cache that grows with the text has no fixed program: export the model with "
                "a cache of fixed capacity (TensorScatter, a static cache).",
            )
    return compiled


def _shapes(
    interface: ModelInterface, ports: Ports, plan: SessionPlan, size: int
) -> dict[str, tuple[int, ...]]:
    """The shapes of inputs that the model leaves open, for so many tokens."""
    shapes: dict[str, tuple[int, ...]] = {ports.tokens: (1, size)}
    for tensor in interface.inputs:
        open_sizes = any(not isinstance(length, int) for length in tensor.shape or (None,))
        if tensor.name in plan.bindings or tensor.name in shapes or not open_sizes:
            continue
        if tensor.name == ports.position:
            shapes[tensor.name] = (size,) if tensor.shape and len(tensor.shape) == 1 else (1, size)
        elif tensor.name not in plan.shapes:
            raise UnsupportedModel(
                f"state {tensor.name!r} has the open shape {list(tensor.shape or ())}; a session "
                "needs a state of fixed size",
                hint="A batch is 1: --shapes NAME=2x1x128. A cache that grows with the text must "
                "be exported with a fixed capacity instead (TensorScatter, a static cache).",
            )
    return {**shapes, **plan.shapes}


def _type_of(compiled: CompiledModel, output: str) -> TensorType:
    value = compiled.program.outputs[compiled.output_names.index(output)]
    return compiled.program.value_types[value]

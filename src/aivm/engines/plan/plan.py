"""The plan of one program: what to upload, what to run once, what to run for every inference."""

from __future__ import annotations

from dataclasses import dataclass

from aivm.engines.plan.graph import Graph, build_graph
from aivm.engines.plan.groups import Group, group_nodes
from aivm.engines.plan.lower import Lowering
from aivm.engines.plan.memory import Lifetime, place
from aivm.engines.plan.products import Target
from aivm.engines.plan.tape import Address, Step
from aivm.engines.plan.units import Sources, Unit, find_units
from aivm.engines.plan.views import View
from aivm.isa.program import Program


@dataclass(frozen=True, slots=True)
class Upload:
    """Copy constant `constant` to its buffer now: the steps after it read it."""

    constant: int
    buffer: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps over buffers that have offsets in one block of memory of `memory_bytes`.

    `units` are made once, before `setup`, each in memory of its own, which outlives the plan.
    `offsets[b]` is None for a buffer that nothing touches, for those of units, and for constants
    that are read where the host keeps them. `inputs[i]` is the buffer of input i. `results` are the
    addresses of the outputs, or, in a trace, of every instruction's result; `ends[i]` is then the
    number of steps after which result i is there, and until step `ends[i]` runs it is safe.
    """

    units: tuple[Unit, ...]
    setup: tuple[Upload | Step, ...]
    steps: tuple[Step, ...]
    literals: tuple[tuple[int, bytes], ...]  # buffer, content
    offsets: tuple[int | None, ...]
    sizes: tuple[int, ...]  # bytes of each buffer
    memory_bytes: int
    inputs: tuple[int, ...]
    results: tuple[Address, ...]
    ends: tuple[int, ...]
    scratch_bytes: int


def plan_inference(
    program: Program,
    target: Target,
    *,
    constants_in_place: bool,
    shared_bytes: int | None = None,
) -> Plan:
    """The fast plan: fused steps, packed weights, moves folded into strides.

    With `shared_bytes`, what is made once of the constants and is at least as large as that is left
    to `units`; without, all of it belongs to the setup.
    """
    graph = build_graph(program, fold=True)
    groups = group_nodes(graph, fuse=True)
    lowering = _lowering(graph, groups, target, hoist=True)
    for group in groups:
        lowering.lower(group)
    lowering.steps = [step.rehoused(lowering.home) for step in lowering.steps]
    addresses = tuple(
        Address(lowering.home(address.buffer), address.offset)
        for address in map(lowering.address, graph.outputs)
    )
    units = [] if shared_bytes is None else _take_units(lowering, addresses, shared_bytes)
    return _placed(lowering, addresses, (), constants_in_place, units)


def plan_trace(program: Program, target: Target, *, constants_in_place: bool) -> Plan:
    """The unfused plan: every instruction's result appears in memory, in order."""
    graph = build_graph(program, fold=False)
    groups = sorted(group_nodes(graph, fuse=False), key=lambda group: group.members)
    lowering = _lowering(graph, groups, target, hoist=False)
    lowering.shared.update(node.value for node in graph.nodes)
    ends = {}
    for group in groups:
        lowering.lower(group)
        ends[graph.nodes[group.members[-1]].value] = len(lowering.steps)
    values = range(program.first_instruction, len(program.value_types))
    addresses = tuple(Address(value) for value in values)
    return _placed(lowering, addresses, tuple(ends[v] for v in values), constants_in_place, [])


def _lowering(graph: Graph, groups: list[Group], target: Target, *, hoist: bool) -> Lowering:
    program = graph.program
    lowering = Lowering(graph, target, _shared(graph, groups), hoist)
    lowering.readers = _readers(graph, groups) if hoist else {}
    lowering.static = set(range(program.first_constant, program.first_instruction))
    lowering.static |= set(graph.literals)
    return lowering


def _shared(graph: Graph, groups: list[Group]) -> set[int]:
    """Values read by another group than the one that computes them, or by the host."""
    group_of = {graph.nodes[i].value: group for group in groups for i in group.members}
    shared = {view.value for view in graph.outputs}
    for group in groups:
        read: list[View] = [view for i in group.members for view in graph.nodes[i].operands]
        shared.update(view.value for view in read if group_of.get(view.value) is not group)
    return shared


def _readers(graph: Graph, groups: list[Group]) -> dict[int, set[int]]:
    """The numbers of the groups that read each value; -1 for the host."""
    readers: dict[int, set[int]] = {}
    for group in groups:
        for index in group.members:
            for view in graph.nodes[index].operands:
                readers.setdefault(view.value, set()).add(group.number)
    for view in graph.outputs:
        readers.setdefault(view.value, set()).add(-1)
    return readers


def _take_units(lowering: Lowering, results: tuple[Address, ...], least: int) -> list[Unit]:
    """Takes from the setup what is worth sharing; outputs stay where the host reads them."""
    program = lowering.graph.program
    names = {program.first_constant + n: c.root for n, c in enumerate(program.constants)}
    sources = Sources(names, lowering.graph.literals)
    read = {address.buffer for address in results}
    wanted = read.union(*(step.buffers for step in lowering.steps))
    found = find_units(lowering.setup, wanted, lowering.buffer_bytes, sources)
    taken = [unit for unit in found if unit.size_bytes >= least and not read & unit.places.keys()]
    lowering.setup = [step for unit in found if unit not in taken for step in unit.steps]
    return taken


def _placed(
    lowering: Lowering,
    results: tuple[Address, ...],
    ends: tuple[int, ...],
    in_place: bool,
    units: list[Unit],
) -> Plan:
    program = lowering.graph.program
    constants = range(program.first_constant, program.first_instruction)
    unit_steps = [step for unit in units for step in unit.steps]
    setup = _with_uploads(lowering.setup, lowering.steps, results, constants)
    timeline = (*unit_steps, *setup, *lowering.steps)
    skipped = {buffer for unit in units for buffer in unit.places}
    skipped |= set(constants) if in_place else set()
    lifetimes = _lifetimes(lowering, timeline, len(unit_steps) + len(setup), results, ends)
    kept = [buffer for buffer in lifetimes if buffer not in skipped]
    places, total = place([lifetimes[buffer] for buffer in kept])
    offsets: list[int | None] = [None] * len(lowering.buffer_bytes)
    for buffer, offset in zip(kept, places, strict=True):
        offsets[buffer] = offset
    return Plan(
        units=tuple(units),
        setup=setup,
        steps=tuple(lowering.steps),
        literals=tuple(lowering.graph.literals.items()),
        offsets=tuple(offsets),
        sizes=tuple(lowering.buffer_bytes),
        memory_bytes=total,
        inputs=tuple(range(len(program.inputs))),
        results=results,
        ends=ends,
        scratch_bytes=max((_scratch_of(step) for step in timeline), default=0),
    )


def _scratch_of(step: Upload | Step) -> int:
    return step.scratch_bytes if isinstance(step, Step) else 0


def _with_uploads(
    setup: list[Step], steps: list[Step], results: tuple[Address, ...], constants: range
) -> tuple[Upload | Step, ...]:
    """The setup with every constant uploaded just before it is needed, so that staging is short."""
    uploaded: set[int] = set()
    timeline: list[Upload | Step] = []

    def upload(buffers: set[int]) -> None:
        for buffer in sorted(buffers - uploaded):
            if buffer in constants:
                uploaded.add(buffer)
                timeline.append(Upload(buffer - constants.start, buffer))

    for index, step in enumerate(setup):
        upload(step.buffers)
        if step.joined:  # nothing comes between the two
            upload(setup[index + 1].buffers)
        timeline.append(step)
    upload({buffer for step in steps for buffer in step.buffers})
    upload({address.buffer for address in results})
    return tuple(timeline)


def _lifetimes(
    lowering: Lowering,
    timeline: tuple[Upload | Step, ...],
    start: int,
    results: tuple[Address, ...],
    ends: tuple[int, ...],
) -> dict[int, Lifetime]:
    """When each buffer is in use: setup runs before time `start`, an inference from there on."""
    end = len(timeline)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for time, step in enumerate(timeline):
        buffers = {step.buffer} if isinstance(step, Upload) else step.buffers
        joined = isinstance(step, Step) and step.joined  # what runs together is used together
        for buffer in buffers:
            first.setdefault(buffer, time)
            last[buffer] = time + joined
        if joined:
            behind = timeline[time + 1]
            assert isinstance(behind, Step), "joined to a step"
            for buffer in behind.buffers:
                first.setdefault(buffer, time)
    for buffer in lowering.graph.literals:
        first[buffer], last[buffer] = 0, end
    for buffer in range(len(lowering.graph.program.inputs)):
        first[buffer], last[buffer] = start, max(last.get(buffer, start), start)
    for index, address in enumerate(results):
        first.setdefault(address.buffer, start)
        last[address.buffer] = max(
            last.get(address.buffer, 0), start + ends[index] if ends else end
        )
    for buffer in first:
        if first[buffer] < start <= last[buffer]:
            last[buffer] = end  # made once, wanted by every inference
    return {b: Lifetime(lowering.buffer_bytes[b], first[b], last[b]) for b in first}

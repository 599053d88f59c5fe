"""The plan of one program on a GPU: what to upload, to run once, and to run for every inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aivm.engines.cuda.kernel import Kernel, Launch, distinct
from aivm.engines.cuda.lower import Lowering
from aivm.engines.cuda.products import GpuTarget
from aivm.engines.plan.graph import Graph, build_graph
from aivm.engines.plan.groups import Group, group_nodes
from aivm.engines.plan.memory import Lifetime, place
from aivm.engines.plan.tape import Address
from aivm.isa.program import Program


@dataclass(frozen=True, slots=True)
class GpuPlan:
    """Launches over buffers that have offsets in one block of device memory.

    Constant c and input i lie in the buffers of their value ids where `offsets` says so (None: it
    is not needed). `results` are the addresses of the outputs, or, in a trace, of every
    instruction's result; `ends[i]` is then the number of steps after which result i is there.
    `fault` is the buffer of one word: the first instruction, plus 1, that met a bad index.
    """

    setup: tuple[Launch, ...]
    steps: tuple[Launch, ...]
    literals: tuple[tuple[int, bytes], ...]
    offsets: tuple[int | None, ...]
    memory_bytes: int
    results: tuple[Address, ...]
    ends: tuple[int, ...]
    fault: int

    @property
    def kernels(self) -> dict[str, Kernel]:
        return distinct((*self.setup, *self.steps))


def plan_inference(program: Program, target: GpuTarget) -> GpuPlan:
    """The fast plan: fused launches, moves folded into strides, constant work done once."""
    graph = build_graph(program, fold=True, channels_last=False)
    groups = group_nodes(graph, fuse=True)
    lowering = Lowering(graph, target, _shared(graph, groups), hoist=True)
    for group in groups:
        lowering.lower(group)
    results = tuple(lowering.address(view) for view in graph.outputs)
    return _placed(lowering, results, ())


def plan_trace(program: Program, target: GpuTarget) -> GpuPlan:
    """The unfused plan: every instruction's result appears in memory, in order."""
    graph = build_graph(program, fold=False)
    groups = sorted(group_nodes(graph, fuse=False), key=lambda group: group.members)
    everything = {node.value for node in graph.nodes}
    lowering = Lowering(graph, target, everything, hoist=False)
    ends = {}
    for group in groups:
        lowering.lower(group)
        ends[graph.nodes[group.members[-1]].value] = len(lowering.steps)
    values = range(program.first_instruction, len(program.value_types))
    results = tuple(Address(value) for value in values)
    return _placed(lowering, results, tuple(ends[value] for value in values))


def _shared(graph: Graph, groups: Sequence[Group]) -> set[int]:
    """Values read by another group than the one that computes them, or by the host."""
    group_of = {graph.nodes[index].value: group for group in groups for index in group.members}
    shared = {view.value for view in graph.outputs}
    for group in groups:
        read = [view.value for index in group.members for view in graph.nodes[index].operands]
        shared.update(value for value in read if group_of.get(value) is not group)
    return shared


def _placed(lowering: Lowering, results: tuple[Address, ...], ends: tuple[int, ...]) -> GpuPlan:
    types = lowering.graph.types
    lifetimes = _lifetimes(lowering, results, ends)
    sized = [
        Lifetime(types[value].size_bytes, first, last) for value, (first, last) in lifetimes.items()
    ]
    places, total = place(sized)
    offsets: list[int | None] = [None] * len(types)
    for value, offset in zip(lifetimes, places, strict=True):
        offsets[value] = offset
    return GpuPlan(
        setup=tuple(lowering.setup),
        steps=tuple(lowering.steps),
        literals=tuple(lowering.graph.literals.items()),
        offsets=tuple(offsets),
        memory_bytes=total,
        results=results,
        ends=ends,
        fault=lowering.fault,
    )


def _lifetimes(
    lowering: Lowering, results: tuple[Address, ...], ends: tuple[int, ...]
) -> dict[int, tuple[int, int]]:
    """First and last time of use of every buffer. Time 0 is the upload of what is constant, then
    comes a launch a unit; an inference begins at `start`, with the upload of its inputs."""
    start = 1 + len(lowering.setup)
    end = start + 1 + len(lowering.steps)
    program = lowering.graph.program
    times: dict[int, tuple[int, int]] = {}

    def use(buffers: Iterable[int], time: int) -> None:
        for buffer in buffers:
            first, last = times.get(buffer, (time, time))
            times[buffer] = min(first, time), max(last, time)

    for time, launch in enumerate(lowering.setup, start=1):
        use(launch.buffers, time)
    for time, launch in enumerate(lowering.steps, start=start + 1):
        use(launch.buffers, time)
    for index, address in enumerate(results):
        use([address.buffer], start + 1 + ends[index] if ends else end)
    constants = set(range(program.first_constant, program.first_instruction))
    use((constants | set(lowering.graph.literals)) & times.keys(), 0)
    use(set(range(len(program.inputs))) & times.keys(), start)
    use([lowering.fault], 0)
    made_once = [buffer for buffer, (first, last) in times.items() if first < start <= last]
    use([*made_once, lowering.fault], end)  # every inference wants them
    return times

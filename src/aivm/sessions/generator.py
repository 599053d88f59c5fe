"""A generator: the programs of a session wired together, and the root that names the whole.

    generation root   tree over these leaves, in this order
      "aivm.generation.v1" || capacity u64 (0: no limit)
      0x01 || tokens taken u32 || program root || tokens u16 || position u16 || logits u16
           || (state input u16 || state output u16)*         one for the step, then for each block
      0x02 || sampler's program root

Inputs and outputs are named by their number in the program; 0xffff stands for none. All integers
are big-endian. A receipt about a generation has this root as its program: it fixes which program
runs when, and which output becomes which input of the next one (`aivm.sessions.decoder`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from aivm.commitments import merkle
from aivm.errors import UnsupportedModel
from aivm.isa.instructions import TensorType
from aivm.packages import Manifest, Port, ProgramEntry, SessionEntry

TAG = b"aivm.generation.v1"
NONE = 0xFFFF
_RUN, _SAMPLER = b"\x01", b"\x02"


@dataclass(frozen=True)
class Run:
    """A program that takes `size` tokens; ports are numbers of its inputs and outputs."""

    entry: ProgramEntry
    size: int
    tokens: int
    position: int | None
    logits: int | None
    states: tuple[tuple[int, int], ...]

    @property
    def leaf(self) -> bytes:
        """What the generation root says about this program."""
        ports = (self.tokens, self.position, self.logits)
        numbers = [NONE if port is None else port for port in ports]
        numbers += [port for pair in self.states for port in pair]
        wiring = struct.pack(f">{len(numbers)}H", *numbers)
        return _RUN + self.size.to_bytes(4, "big") + self.entry.program + wiring


@dataclass(frozen=True)
class Generator:
    """Step, blocks in ascending order of size, sampler, and what bounds them."""

    step: Run
    blocks: tuple[Run, ...]
    sampler: ProgramEntry
    capacity: int | None
    stop: tuple[int, ...]

    @property
    def entries(self) -> tuple[ProgramEntry, ...]:
        """Every program, once."""
        return (self.step.entry, *(block.entry for block in self.blocks), self.sampler)

    @property
    def root(self) -> bytes:
        """The generation root (32 bytes)."""
        leaves = [TAG + (self.capacity or 0).to_bytes(8, "big")]
        leaves += [run.leaf for run in (self.step, *self.blocks)]
        return merkle.root_of_leaves([*leaves, _SAMPLER + self.sampler.program])

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.sampler.inputs[0].type.elements

    @property
    def state_types(self) -> tuple[TensorType, ...]:
        """The types of the state tensors, in the session's order."""
        return tuple(self.step.entry.inputs[taken].type for taken, _ in self.step.states)

    def runs_of(self, prompt: int) -> tuple[Run, ...]:
        """Which programs take in a prompt of so many tokens.

        Of all but the last token, each time the largest block that is left; then steps. The last
        token always takes a step, whose logits the sampler reads.
        """
        left = prompt - 1
        runs: list[Run] = []
        for block in reversed(self.blocks):
            count, left = divmod(left, block.size)
            runs += [block] * count
        return (*runs, *[self.step] * (left + 1))


def generator_of(manifest: Manifest) -> Generator:
    """The generator that a manifest describes. Raises UnsupportedModel if it describes none."""
    session = manifest.session
    if session is None:
        raise UnsupportedModel(
            f"{manifest.name} does not generate tokens: its manifest has no session",
            hint="Run it with `aivm run`, or pack the model with --session.",
        )
    return Generator(
        step=_run(session, manifest.entry(session.step)),
        blocks=tuple(_run(session, manifest.entry(name)) for name in session.blocks),
        sampler=manifest.entry(session.sampler),
        capacity=session.capacity,
        stop=session.stop,
    )


def _run(session: SessionEntry, entry: ProgramEntry) -> Run:
    inputs, outputs = _places(entry.inputs), _places(entry.outputs)
    tokens = inputs[session.tokens]
    return Run(
        entry=entry,
        size=entry.inputs[tokens].shape[-1],
        tokens=tokens,
        position=None if session.position is None else inputs[session.position],
        logits=outputs.get(session.logits),
        states=tuple((inputs[pair.input], outputs[pair.output]) for pair in session.states),
    )


def _places(ports: tuple[Port, ...]) -> dict[str, int]:
    return {port.name: place for place, port in enumerate(ports)}

"""What a program needs, computed from its shapes alone."""

from __future__ import annotations

from aivm.isa.program import Program


def memory_bytes(program: Program) -> int:
    """Constants, inputs and the largest set of values alive at once, in bytes.

    A value lives from its instruction to its last use; inputs and outputs live throughout. Engines
    add what their own plan needs (packed weights, alignment).
    """
    sizes = [type_.size_bytes for type_ in program.value_types]
    first = program.first_instruction
    fixed = sum(sizes[:first])
    last_use = dict.fromkeys(range(first, len(sizes)), -1)
    for position, instruction in enumerate(program.instructions):
        for operand in instruction.operands:
            last_use[operand] = position
    for output in program.outputs:
        last_use[output] = len(program.instructions)
    dying: dict[int, list[int]] = {}
    for value, position in last_use.items():
        dying.setdefault(max(position, value - first), []).append(value)
    alive = peak = 0
    for position in range(len(program.instructions)):
        alive += sizes[first + position]
        peak = max(peak, alive)
        alive -= sum(sizes[value] for value in dying.get(position, []) if value >= first)
    return fixed + peak

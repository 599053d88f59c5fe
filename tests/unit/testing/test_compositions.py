"""Compositions are programs of their seed, in the forms that engines fuse."""

from __future__ import annotations

from aivm.isa import MatMul, gas_units, validate
from aivm.isa.opcodes import Opcode
from aivm.testing.compositions import LARGE, SMALL, composed_program


def test_the_same_seed_gives_the_same_program() -> None:
    for seed in range(20):
        first, second = composed_program(seed), composed_program(seed)
        assert first.program == second.program
        pairs = zip(first.inputs, second.inputs, strict=True)
        assert all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_every_family_occurs() -> None:
    programs = [composed_program(seed).program for seed in range(150)]
    for program in programs:
        validate(program)
    found = {type(each).__name__.upper() for p in programs for each in p.instructions}
    families = {code.name for code in Opcode if code >= Opcode.MAP}
    assert found == families


def test_large_ones_cross_the_edges_of_tiles_and_blocks() -> None:
    programs = [composed_program(seed, budget=LARGE).program for seed in range(100)]
    sizes = {
        dim
        for program in programs
        for each in program.instructions
        if isinstance(each, MatMul)
        for dim in each.type.shape[-2:]
    }
    assert {16, 32, 48, 128, 129, 384, 385} <= sizes
    assert max(map(gas_units, programs)) > 20 * SMALL

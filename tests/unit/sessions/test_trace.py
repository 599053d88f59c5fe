from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aivm.commitments import Array, bundle_root, merkle, tensor_root
from aivm.engines import open_engine
from aivm.packages import Package
from aivm.sessions import Generator, Request, trace_generation
from aivm.sessions.decoder import Decoder
from aivm.sessions.trace import first_difference

REQUEST = Request((5, 6, 7, 8, 9, 10), 3, temperature=1.0, seed=2)


def test_a_trace_names_every_run(generator: Generator, llama: Package) -> None:
    traced = trace_generation(generator, llama, open_engine("native"), REQUEST)
    entries = (generator.blocks[0].entry, generator.step.entry, generator.sampler)
    block, step, sampler = (entry.program for entry in entries)
    assert [run.program for run in traced.runs] == [
        *(block, step, step, sampler), *(step, sampler), *(step, sampler),
    ]  # fmt: skip
    with Decoder(generator, llama, open_engine("wasm")) as decoder:
        assert tuple(decoder.generate(REQUEST)) == traced.tokens
    leaves = [run.program + run.inputs + run.outputs for run in traced.runs]
    assert traced.root == merkle.root_of_leaves(leaves)


def test_what_one_run_gives_is_what_the_next_one_takes(
    generator: Generator, llama: Package
) -> None:
    roots: list[tuple[list[bytes], list[bytes]]] = []

    def record(_entry: object, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        roots.append((list(map(tensor_root, inputs)), list(map(tensor_root, outputs))))

    with Decoder(generator, llama, open_engine("native")) as decoder:
        list(decoder.generate(REQUEST, record))
    traced = trace_generation(generator, llama, open_engine("wasm"), REQUEST)
    for run, (inputs, outputs) in zip(traced.runs, roots, strict=True):
        assert (run.inputs, run.outputs) == (bundle_root(inputs), bundle_root(outputs))
    first, second, third, draw = roots[:4]
    assert second[0][2:] == first[1] and third[0][2:] == second[1][1:]
    assert draw[0][0] == third[1][0], "the sampler reads the logits of the last step"
    assert roots[4][0][0] == draw[1][0], "the step takes the token that was drawn"


def test_two_traces_differ_first_where_somebody_lied(generator: Generator, llama: Package) -> None:
    mine = trace_generation(generator, llama, open_engine("native"), REQUEST).runs
    theirs = list(mine)
    theirs[5] = replace(theirs[5], outputs=bytes(32))
    assert first_difference(mine, theirs) == 5
    assert first_difference(mine, mine) is None
    other = trace_generation(generator, llama, open_engine("native"), replace(REQUEST, seed=3)).runs
    assert first_difference(mine, other) == 3, "the first draw is the first that reads the seed"

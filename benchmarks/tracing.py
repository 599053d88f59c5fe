"""What it costs a player of a dispute to know its own execution: MiniLM and two image nets.

    python benchmarks/tracing.py            prints a table, writes benchmarks/tracing.json

A dispute needs the roots of all values once. Each later round needs one value with its operands,
which are computed again, then a part of its data tree or the states of one element's chain. Times
are the minimum of many slices, in milliseconds and with the inference that was sold as 1. Memory is
the most that numpy holds at once, over what the loaded engine has; a native trace has memory of its
own in it, in which products' packed weights lie.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
from convolution import IMAGE, NETS
from measure import best_seconds, report, table
from minilm import inputs

from aivm import config
from aivm.commitments import Array, fast
from aivm.compiler import CompiledModel, compile_model
from aivm.devnet.minilm import build_model
from aivm.devnet.wheel import fetch_model
from aivm.dispute.trace import Trace
from aivm.dispute.trees import depth, frontier
from aivm.dispute.values import Executed
from aivm.engines import Executable, open_engine
from aivm.isa.instructions import MatMul

ENGINES = ("native", "wasm")
ROUNDS = 10
LEVELS = 6  # of a tree that one round shows

Questions = dict[str, Callable[[], object]]


def main() -> int:
    found: dict[str, dict[str, Any]] = {}
    for title, (made, arrays) in models().items():
        found[title] = {}
        for name in ENGINES:
            with closing(open_engine(name).load(made.program, made.constants)) as executable:
                found[title][name] = measured(made, executable, arrays)
    report("tracing", found, "\n\n".join(text(title, each) for title, each in found.items()))
    return 0


def models() -> dict[str, tuple[CompiledModel, list[Array]]]:
    """Programs with inputs, by title."""
    feed = inputs()
    sentences = compile_model(
        build_model(fetch_model(config.load().cache_dir)),
        {name: array.shape for name, array in feed.items()},
    )
    image = np.random.default_rng(1).standard_normal(IMAGE, np.float32)
    return {
        "MiniLM": (sentences, [feed[name] for name in sentences.input_names]),
        **{title: (compile_model(net(), {}), [image]) for title, net in NETS.items()},
    }


def measured(
    made: CompiledModel, executable: Executable, arrays: list[Array]
) -> dict[str, dict[str, float]]:
    questions: Questions = {
        "the inference": lambda: executable.run(arrays),
        "all values, unfused": lambda: [None for _ in executable.trace(arrays)],
        **questions_of_rounds(made, Executed(executable, made.constants, arrays)),
    }
    seconds = best_seconds(questions, rounds=ROUNDS)
    return {
        "milliseconds": {what: spent * 1e3 for what, spent in seconds.items()},
        "ratios": {what: spent / seconds["the inference"] for what, spent in seconds.items()},
        "peak_mib": {
            **{what: peak_mib(questions[what]) for what in ("all values, unfused", "all roots")},
            "all values, kept": peak_mib(lambda: list(executable.trace(arrays))),
        },
    }


def questions_of_rounds(made: CompiledModel, values: Executed) -> Questions:
    """About the product with the longest chains, and the one with the largest result."""
    program, types = made.program, made.program.value_types
    products = {
        value: each
        for value, each in enumerate(program.instructions, start=program.first_instruction)
        if isinstance(each, MatMul)
    }
    longest = max(products, key=lambda value: (types[products[value].operands[0]].shape[-1], value))
    widest = max(products, key=lambda value: (types[value].size_bytes, value))
    steps = types[products[longest].operands[0]].shape[-1]
    trace = Trace(program, values)
    tree = trace.data_tree(widest)
    data, top = trace.data(widest), depth(tree.leaves)
    at_hand = Trace(program, values)
    at_hand.word(longest, 0)
    return {
        "all roots": values.roots,
        "one late value with its operands": lambda: values.arrays(
            {longest, *products[longest].operands}
        ),
        f"the root of {len(data) >> 10} KiB": lambda: fast.root_of_data(data),
        f"{1 << LEVELS} nodes over it": lambda: frontier(tree, top, 0, LEVELS),
        f"a chain of {steps} steps": lambda: at_hand.states(longest, 0, None, {steps}),
    }


def peak_mib(question: Callable[[], object]) -> float:
    tracemalloc.start()
    question()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def text(title: str, found: dict[str, dict[str, Any]]) -> str:
    columns = [title, *(f"{name}, ms" for name in found), *(f"{name}, x" for name in found)]
    rows = []
    for what in next(iter(found.values()))["milliseconds"]:
        times = [found[name]["milliseconds"][what] for name in found]
        rows.append([what, *times, *(f"{found[name]['ratios'][what]:.2f}" for name in found)])
    peaks = [
        [what, *(found[name]["peak_mib"][what] for name in found)]
        for what in next(iter(found.values()))["peak_mib"]
    ]
    memory = table(["memory", *(f"{name}, MiB" for name in found)], peaks)
    return f"{table(columns, rows)}\n{memory}"


if __name__ == "__main__":
    sys.exit(main())

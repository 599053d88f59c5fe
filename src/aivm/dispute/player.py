"""The honest players: from a state of the game to the next move, and nothing else.

Both are pure. Whoever restarts, or meets a reorganisation, asks again with the state that the chain
has now. A provider answers from the trace that he committed to; a challenger from his own execution
and what the provider posted last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.commitments import merkle
from aivm.dispute import claims, moves, narrowing, trees
from aivm.dispute.claims import Stage
from aivm.dispute.moves import Move
from aivm.dispute.state import NO_LANE, Phase, State, segment_steps
from aivm.dispute.trace import (
    ProgramTree,
    Trace,
    Work,
    leaf_of_element,
)
from aivm.errors import InternalError
from aivm.isa.chains import SUM_LANES, wrapped_position
from aivm.isa.instructions import Gather, Scatter, TensorType
from aivm.numerics.integers import wrap
from aivm.receipts.receipt import Receipt

History = Sequence[Move]
"""All moves of a game so far. The provider's last is what the challenger chooses from."""


@dataclass(frozen=True)
class Provider:
    """The side of the receipt."""

    receipt: Receipt
    program: ProgramTree
    trace: Trace

    def move(self, state: State) -> Move:
        """The next move, in a phase that is the provider's."""
        trace, value = self.trace, state.value
        match state.phase:
            case Phase.COMMIT:
                outputs = [trace.roots[output] for output in trace.program.outputs]
                return moves.Commit(self.receipt, tuple(outputs), self._values(state))
            case Phase.REVEAL_VALUES:
                return moves.Reveal(self._values(state))
            case Phase.REVEAL_TENSOR:
                tree = trace.data_tree(value)
                level = trees.depth(tree.leaves)
                nodes = trees.frontier(tree, level, 0, trees.data_levels(level))
                return moves.RevealTensor(trace.types[value], tuple(nodes))
            case Phase.REVEAL_NODES:
                return moves.Reveal(tuple(_data_frontier(trace.data_tree(value), state)))
            case Phase.REVEAL_LEAVES:
                tree, first = trace.data_tree(value), state.index << state.level
                return moves.RevealLeaves(tree.leaves_from(first, 1 << state.level))
            case Phase.REVEAL_LANES:
                return moves.RevealLanes(trace.lanes(value, state.element))
            case Phase.REVEAL_STATES:
                return moves.RevealStates(_flat(_segment_ends(trace, state)))
            case _:
                raise InternalError(f"{state.phase.name} is the challenger's")

    def _values(self, state: State) -> tuple[bytes, ...]:
        """The next frontier of the trace: tensor roots where it is at the leaves."""
        tree = self.trace.tree
        committing = state.phase is Phase.COMMIT
        level = trees.depth(tree.leaves) if committing else state.level
        index, levels = (0 if committing else state.index), trees.round_levels(level)
        if level > levels:
            return tuple(trees.frontier(tree, level, index, levels))
        first = index << levels
        count = trees.frontier_size(tree.leaves, level, index, levels)
        return tuple(self.trace.roots[first : first + count])


@dataclass(frozen=True)
class Challenger:
    """The side of the doubt.

    `trace` may end early, in a fault: then `fault` is an element whose computation meets it (and
    for a SCATTER the step at which it does), of the first value that is missing.
    """

    receipt: Receipt
    program: ProgramTree
    trace: Trace
    fault: tuple[int, int] = (0, 0)

    def move(self, state: State, history: History) -> Move:
        """The next move, in a phase that is the challenger's, after all moves of `history`.

        Raises InternalError where the provider's side of it cannot be told from this side's: there
        is nothing to prove then.
        """
        match state.phase, history[-1]:
            case Phase.PICK_VALUE, (moves.Commit() | moves.Reveal()) as posted:
                return self._pick_value(state, posted)
            case Phase.PROVE_SOURCE, _:
                return self._prove_source(state)
            case ((Phase.PICK_LEAF | Phase.PICK_ELEMENT), _) if self._has_other_type(
                state, history
            ):
                return self._prove_type(state, history)
            case Phase.PICK_LEAF, (moves.RevealTensor() | moves.Reveal()) as posted:
                return self._pick_leaf(state, posted.nodes)
            case Phase.PICK_ELEMENT, moves.RevealLeaves() as posted:
                return self._pick_element(state, history, posted.data)
            case Phase.PICK_LANE, moves.RevealLanes() as posted:
                return self._pick_lane(state, posted.lanes)
            case Phase.PICK_STEP, moves.RevealStates() as posted:
                return self._pick_step(state, posted.words)
            case Phase.PROVE, _:
                return self._prove(state)
            case _:
                raise InternalError(f"no move of the challenger's in {state.phase.name}")

    # --- the trace -------------------------------------------------------------------------------

    def _pick_value(self, state: State, posted: moves.Commit | moves.Reveal) -> Move:
        nodes, level, index = posted.nodes, state.level, state.index
        below = level - trees.round_levels(level)
        position = self._first_wrong_value(nodes, below, index << (level - below))
        if position is None:
            if isinstance(posted, moves.Commit):
                return self._prove_output(posted)
            raise InternalError("the provider's trace is this challenger's own")
        hashes = [merkle.leaf_hash(node) for node in nodes] if below == 0 else list(nodes)
        return moves.Pick(position, nodes[position], trees.frontier_path(hashes, position))

    def _first_wrong_value(self, nodes: Sequence[bytes], below: int, first: int) -> int | None:
        """The position of the first node over a value that differs; a value that this execution
        does not have differs from whatever the provider says."""
        tree, have = self.trace.tree, len(self.trace.roots)
        is_short = have < len(self.trace.types)
        for position, node in enumerate(nodes):
            number = first + position
            mine = tree.node(below, number) if below else self._root(number)
            if node != mine or (is_short and (number + 1) << below > have):
                return position
        return None

    def _root(self, value: int) -> bytes | None:
        return self.trace.roots[value] if value < len(self.trace.roots) else None

    def _prove_output(self, posted: moves.Commit) -> Move:
        program = self.trace.program
        for output, (value, root) in enumerate(zip(program.outputs, posted.outputs, strict=True)):
            if root == self.trace.roots[value]:
                continue
            position = self.program.output_record(output)
            return moves.ProveOutput(
                self.receipt,
                output,
                root,
                merkle.prove(posted.outputs, output),
                self.program.record(position),
                self.program.path(position),
                self.trace.roots[value],
                trees.leaf_path(self.trace.tree, value),
            )
        raise InternalError("the provider's receipt is what this challenger finds")

    def _prove_source(self, state: State) -> Move:
        program, value = self.trace.program, state.value
        if value < program.first_constant:
            roots = self.trace.roots[: program.first_constant]
            return moves.ProveInput(self.receipt, roots[value], merkle.prove(roots, value))
        record = self.program.record(value + 1)
        return moves.ProveConstant(self.receipt, record, self.program.path(value + 1))

    # --- the tensor ------------------------------------------------------------------------------

    def _has_other_type(self, state: State, history: History) -> bool:
        """Whether the provider gave the value another type than the program."""
        return _shown_type(history) != self.trace.types[state.value]

    def _prove_type(self, state: State, history: History) -> Move:
        root = self._providers_tree(state, history).root
        record, path = self._record(state), self.program.path(state.value + 1)
        return moves.ProveType(self.receipt, root, _shown_type(history), record, path)

    def _pick_leaf(self, state: State, nodes: Sequence[bytes]) -> Move:
        levels = trees.data_levels(state.level)
        first = state.index << levels
        if self._faulty(state):
            leaf = self._leaf_of(state, self.fault[0])
            position = (leaf >> (state.level - levels)) - first
        else:
            own = _data_frontier(self.trace.data_tree(state.value), state)
            position = _first_difference(own, nodes)
        return moves.Pick(position, nodes[position], trees.frontier_path(nodes, position))

    def _pick_element(self, state: State, history: History, data: bytes) -> Move:
        type_ = self.trace.types[state.value]
        if self._faulty(state):
            element = self.fault[0]
        else:
            size = type_.dtype.size_bytes
            first = (state.index << state.level) * merkle.LEAF_BYTES // size
            mine = self.trace.data(state.value)[first * size :][: len(data)]
            element = first + _first_difference(mine, data) // size
        pick = self._opened(state, history, element, merkle.split(data))
        shape = claims.shape_of(
            self.trace.instruction(state.value), self.trace.operand_types(state.value)
        )
        if shape.steps > 1 or (shape.lanes and shape.steps):
            return pick
        stage = Stage.STEP if shape.steps else Stage.ELEMENT
        claim = self.trace.claim(state.value, pick.work.record, element, stage, 0, ())
        return moves.ProveElement(pick, self.trace.evidence(state.value, claim))

    def _opened(
        self, state: State, history: History, element: int, leaves: Sequence[memoryview]
    ) -> moves.PickElement:
        """That element of the leaves shown, with the instruction that makes it."""
        value, program = state.value, self.program
        position = leaf_of_element(self.trace.types[value], element) - (state.index << state.level)
        tree = self._providers_tree(state, history)
        operands = self.trace.instruction(value).operands
        return moves.PickElement(
            self.receipt,
            element,
            bytes(leaves[position]),
            trees.frontier_path([merkle.leaf_hash(leaf) for leaf in leaves], position),
            tree.root,
            self._work(state),
            program.path(value + 1),
            tuple(trees.leaf_path(tree, operand) for operand in operands),
        )

    # --- the chain -------------------------------------------------------------------------------

    def _pick_lane(self, state: State, lanes: tuple[int, ...]) -> Move:
        own = self.trace.lanes(state.value, state.element)
        if lanes != own:
            return moves.PickLane(_first_difference(own, lanes), lanes)
        work = self._work(state)
        claim = self.trace.claim(state.value, work.record, state.element, Stage.FINISH, 0, lanes)
        prove = moves.Prove(work, self.trace.evidence(state.value, claim))
        return moves.ProveFinish(lanes, prove)

    def _pick_step(self, state: State, words: tuple[int, ...]) -> Move:
        form = state.form
        if self._faulty(state):
            each = segment_steps(state.end - state.start, form)
            segment = (self.fault[1] - state.start) // each
        else:
            theirs = [words[at : at + form.words] for at in range(0, len(words), form.words)]
            segment = _first_difference(_segment_ends(self.trace, state), theirs)
        pick = moves.pick_step(segment, words, form)
        picked = narrowing.pick_step(state, pick, state.challenger)
        if picked.phase is not Phase.PROVE:
            return pick
        return moves.ProveStep(pick, self._prove(picked))

    def _prove(self, state: State) -> moves.Prove:
        work, is_lane = self._work(state), state.lane != NO_LANE
        step = state.start * SUM_LANES + state.lane if is_lane else state.start
        before = state.before[-state.form.words :] if state.start else ()
        stage = Stage.STEP if state.end else Stage.ELEMENT
        claim = self.trace.claim(state.value, work.record, state.element, stage, step, before)
        return moves.Prove(work, self.trace.evidence(state.value, claim))

    # --- parts -----------------------------------------------------------------------------------

    def _providers_tree(self, state: State, history: History) -> trees.ForeignTree:
        """The provider's trace tree: the first picks of a game lead down to the value in it."""
        siblings: list[bytes] = []
        node, level = b"", state.trace_depth
        for move in history:
            if isinstance(move, moves.Pick) and (level > 0 or not node):
                siblings[:0] = move.path
                node, level = move.node, level - trees.round_levels(level)
        return trees.ForeignTree(self.trace.tree, state.value, merkle.leaf_hash(node), siblings)

    def _faulty(self, state: State) -> bool:
        return state.value == len(self.trace.roots)

    def _work(self, state: State) -> Work:
        return self.trace.work(state.value, self._record(state))

    def _record(self, state: State) -> bytes:
        return self.program.record(state.value + 1)

    def _leaf_of(self, state: State, element: int) -> int:
        return element * self.trace.types[state.value].dtype.size_bytes // merkle.LEAF_BYTES


def fault_of(trace: Trace) -> tuple[int, int]:
    """Where the first value that is missing meets its fault: an element, and the chain's step.

    Only a GATHER or SCATTER can. Raises InternalError where this one does not.
    """
    value = len(trace.roots)
    instruction = trace.instruction(value)
    if not isinstance(instruction, Gather | Scatter):
        raise InternalError(f"value {value} is missing, and its instruction has no faults")
    operand = instruction.operands[1]
    for position in range(trace.types[operand].elements):
        number = wrap(trace.types[operand].dtype, trace.word(operand, position))
        if not wrapped_position(instruction.size, number)[1]:
            is_gather = isinstance(instruction, Gather)
            return (position * instruction.inner, 0) if is_gather else (0, position)
    raise InternalError(f"value {value} is missing, and meets no fault")


def _shown_type(history: History) -> TensorType:
    """The type that the provider gave the value in dispute."""
    return next(move.type for move in history if isinstance(move, moves.RevealTensor))


def _data_frontier(tree: trees.Tree, state: State) -> list[bytes]:
    return trees.frontier(tree, state.level, state.index, trees.data_levels(state.level))


def _segment_ends(trace: Trace, state: State) -> list[tuple[int, ...]]:
    """The states at the ends of the segments into which the steps in dispute are cut."""
    lane = None if state.lane == NO_LANE else state.lane
    each = segment_steps(state.end - state.start, state.form)
    ends = {*range(state.start + each, state.end, each), state.end}
    return trace.states(state.value, state.element, lane, ends)


def _flat(states: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(word for state in states for word in state)


def _first_difference(mine: Sequence[object], theirs: Sequence[object]) -> int:
    for position, (own, other) in enumerate(zip(mine, theirs, strict=True)):
        if own != other:
            return position
    raise InternalError("the provider's side is this challenger's own: there is nothing to prove")

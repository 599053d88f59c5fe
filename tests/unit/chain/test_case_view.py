"""What is seen of a case: rows, the place, and what is left out where nothing can be known."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from aivm.chain.case_document import case_document, time_left
from aivm.chain.case_view import view_of
from aivm.chain.cases import Case, Side, Status
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.docket import Docket
from aivm.cli.dispute_picture import Picture
from aivm.commitments import bundle_root
from aivm.commitments.merkle import leaf_hash
from aivm.dispute.moves import Commit, Move, RevealLeaves, RevealTensor
from aivm.dispute.player import Provider
from aivm.dispute.scopes import Scale
from aivm.dispute.state import Phase, State
from aivm.dispute.trace import root_of_header
from aivm.isa import Reduce, TensorType
from aivm.numerics.dtypes import DType

from .games import MATMUL, SUM, Court, game_about


@pytest.fixture
async def court(deployed: Chain, devchain: DevChain) -> Court:
    return await Court.prepared(deployed, devchain)


async def played(court: Court, game: bytes, moves: int = 99) -> Case:
    docket = Docket(court.chain)
    await docket.poll()
    while docket.case(game).is_open and moves:
        await court.play(docket.case(game))
        await docket.poll()
        moves -= 1
    return docket.case(game)


async def test_a_new_game_is_about_everything(court: Court) -> None:
    view = view_of(await played(court, await court.open(game_about(MATMUL)), 0))
    (row,) = view.rows
    assert (row.function, row.scope.scale, row.scope.first, row.scope.end) == (
        "open",
        "trace",
        0,
        3,
    )
    assert view.place.value is None


async def test_the_provider_cuts_and_the_challenger_picks(court: Court) -> None:
    view = view_of(await played(court, await court.open(game_about(MATMUL))))
    for row in view.rows:
        assert (row.parts > 0) is (row.entry.by is Side.PROVIDER)
    assert view.place.instruction == MATMUL
    assert view.place.step is not None and 0 <= view.place.step < 70


async def test_a_lane_is_counted_in_steps_of_the_element(court: Court) -> None:
    view = view_of(await played(court, await court.open(game_about(SUM))))
    place, scope = view.place, view.rows[-1].scope
    assert isinstance(place.instruction, Reduce) and place.lane is not None
    assert scope.scale is Scale.CHAIN
    assert place.step == scope.first * 16 + place.lane


async def test_moves_of_a_contract_hide_what_only_calldata_has(court: Court) -> None:
    case = await played(court, await court.open(game_about(MATMUL)))
    entries = tuple(
        replace(entry, sent=replace(entry.sent, calldata=b""))
        for entry in case.entries
        if entry.sent is not None
    )
    view = view_of(replace(case, entries=entries))
    assert {row.function for row in view.rows} == {""}
    assert (view.place.instruction, view.place.step) == (None, None)
    assert view.place.element == 7, "states have it"
    assert case_document(view.case, 0)["moves"][-1]["function"] is None


async def test_calldata_that_a_sender_made_up_is_not_read(court: Court) -> None:
    case = await played(court, await court.open(game_about(MATMUL)), 1)
    sent = case.entries[-1].sent
    assert sent is not None
    broken = replace(case.entries[-1], sent=replace(sent, calldata=sent.calldata[:200]))
    view = view_of(replace(case, entries=(case.entries[0], broken)))
    assert view.rows[-1].function == ""


async def test_transactions_that_the_node_does_not_tell_have_no_figures(court: Court) -> None:
    case = await played(court, await court.open(game_about(MATMUL)), 2)
    unknown = tuple(replace(entry, sent=None) for entry in case.entries)
    document = case_document(replace(case, entries=unknown), 0)
    assert (document["gas"], document["seconds"]) == (0, None)
    assert {move["gas"] for move in document["moves"]} == {None}


async def test_a_clock_stands_still_while_the_other_side_moves(court: Court) -> None:
    case = await played(court, await court.open(game_about(MATMUL)), 1)
    later = case.state.since + 100
    assert time_left(case, Side.PROVIDER, later) == case.state.provider_left
    assert time_left(case, Side.CHALLENGER, later) == court.terms.clock - 100
    assert time_left(case, Side.CHALLENGER, later + court.terms.clock) == 0


class Boaster(Provider):
    """Claims an output that is not even in its own trace."""

    def move(self, state: State) -> Move:
        move = super().move(state)
        return replace(move, outputs=(WRONG,)) if isinstance(move, Commit) else move


WRONG = bytes([1]) * 32


async def test_a_wrong_output_is_named(court: Court) -> None:
    table = game_about(MATMUL, lies=False)
    honest = table.provider
    receipt = replace(honest.receipt, outputs=bundle_root([WRONG]))
    table.provider = Boaster(receipt, honest.program, honest.trace)
    case = await played(court, await court.open(table))
    view = view_of(case)
    assert (case.status, view.rows[-1].function) == (Status.CONVICTED, "proveOutput")
    assert (view.place.output, view.place.value) == (0, None)


async def test_a_wrong_input_is_named(court: Court) -> None:
    table = game_about(MATMUL, lies=False)
    roots = table.provider.trace.roots
    roots[0] = WRONG  # what is committed to need not be what the receipt says
    view = view_of(await played(court, await court.open(table)))
    assert (view.rows[-1].function, view.place.value, view.place.instruction) == (
        "proveInput",
        0,
        None,
    )


class Mistyper(Provider):
    """Gives the disputed value another type than the program, with data that fit it."""

    def move(self, state: State) -> Move:
        match state.phase:
            case Phase.REVEAL_TENSOR:
                return RevealTensor(self.wrong, (leaf_hash(self.data),))
            case Phase.REVEAL_LEAVES:
                return RevealLeaves(self.data)
            case _:
                return super().move(state)

    @property
    def wrong(self) -> TensorType:
        return WRONG_TYPES[self.receipt.sequence]

    @property
    def data(self) -> bytes:
        return bytes(self.wrong.size_bytes)


WRONG_TYPES = [TensorType(DType.F32, ()), TensorType(DType.U8, (3, 0)), TensorType(DType.I64, (9,))]


@pytest.mark.parametrize("number", range(len(WRONG_TYPES)))
async def test_a_wrong_type_is_drawn_and_convicted(court: Court, number: int) -> None:
    table = game_about(MATMUL, lies=False)
    honest = table.provider
    receipt, wrong = replace(honest.receipt, sequence=number), WRONG_TYPES[number]
    root = root_of_header(wrong, leaf_hash(bytes(wrong.size_bytes)))
    honest.trace.roots[-1] = root
    table.provider = Mistyper(
        replace(receipt, outputs=bundle_root([root])), honest.program, honest.trace
    )
    case = await played(court, await court.open(table))
    view = view_of(case)
    assert (case.status, view.rows[-1].function) == (Status.CONVICTED, "proveType")
    assert view.place.type == wrong
    assert case_document(case, 0)["place"]["type"]["shape"] == list(wrong.shape)
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(Picture(case, 0))
    assert "prove type" in capture.get()

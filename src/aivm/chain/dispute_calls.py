"""Moves of a dispute as calls of the contract `DisputeGame`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aivm.dispute import moves
from aivm.dispute.moves import Move
from aivm.dispute.state import State, decode_state, packed_words
from aivm.dispute.trace import Evidence, OpenedTensor
from aivm.receipts.eip712 import encode_field
from aivm.receipts.receipt import Receipt

Call = tuple[str, list[Any]]
"""A function and its arguments; structs are mappings by field name."""


def call_of(state: State, move: Move, receipt: Receipt) -> Call:
    """The call that makes `move` in a game about `receipt` that is in `state`."""
    packed, signed = packed_state(state), receipt_fields(receipt)
    match move:
        case moves.Commit():
            return "commit", [packed, signed, list(move.outputs), list(move.nodes)]
        case moves.Reveal():
            return "reveal", [packed, list(move.nodes)]
        case moves.Pick():
            return "pick", [packed, move.position, move.node, list(move.path)]
        case moves.ProveOutput():
            return "proveOutput", [packed, signed, _output_proof(move)]
        case moves.ProveInput():
            return "proveInput", [packed, signed, move.root, list(move.path)]
        case moves.ProveConstant():
            return "proveConstant", [packed, signed, opened_record(move.record, move.path)]
        case moves.RevealTensor():
            record = opened_record(move.record, move.path)
            return "revealTensor", [packed, signed, record, list(move.nodes)]
        case moves.RevealLeaf():
            return "revealLeaf", [packed, move.data]
        case _:
            return _narrowing_call(packed, signed, move)


def _narrowing_call(packed: Mapping[str, Any], signed: Mapping[str, Any], move: Move) -> Call:
    match move:
        case moves.PickElement():
            return "pickElement", [packed, _element_pick(move)]
        case moves.RevealLanes():
            return "revealLanes", [packed, packed_words(move.lanes)]
        case moves.PickLane():
            return "pickLane", [packed, move.lane, packed_words(move.lanes)]
        case moves.RevealStates():
            return "revealStates", [packed, packed_words(move.words)]
        case moves.PickStep():
            return "pickStep", [packed, move.segment, packed_words(move.words)]
        case moves.Prove():
            return "prove", [packed, signed, move.record, _evidence(move.evidence)]
        case moves.ProveElement():
            pick = _element_pick(move.pick)
            return "proveElement", [packed, signed, pick, _evidence(move.evidence)]
        case moves.ProveStep():
            pick_words = packed_words(move.pick.words)
            opened = [move.prove.record, _evidence(move.prove.evidence)]
            return "proveStep", [packed, signed, move.pick.segment, pick_words, *opened]
        case moves.ProveFinish():
            opened = [move.prove.record, _evidence(move.prove.evidence)]
            return "proveFinish", [packed, signed, packed_words(move.lanes), *opened]
        case _:
            raise AssertionError(f"{type(move).__name__} narrows no chain")


def packed_state(state: State) -> dict[str, Any]:
    """The contract's `PackedState`."""
    data = state.encode()
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    return {
        "receipt": words[0],
        "challenger": state.challenger,
        "defender": state.defender,
        "progress": int.from_bytes(words[3], "big"),
        "trace": words[4],
        "node": words[5],
        "record": words[6],
        "place": int.from_bytes(words[7], "big"),
        "words": int.from_bytes(words[8], "big"),
    }


def state_of(packed: Mapping[str, Any]) -> State:
    """The state that a `PackedState` stands for: what `packed_state` was made from."""
    words = [
        packed["receipt"],
        encode_field("address", packed["challenger"]),
        encode_field("address", packed["defender"]),
        packed["progress"].to_bytes(32, "big"),
        packed["trace"],
        packed["node"],
        packed["record"],
        packed["place"].to_bytes(32, "big"),
        packed["words"].to_bytes(32, "big"),
    ]
    return decode_state(b"".join(words))


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """The contract's `Receipt`."""
    return {name: getattr(receipt, name) for name, _ in Receipt.FIELDS}


def opened_record(record: bytes, path: Sequence[bytes]) -> dict[str, Any]:
    """The contract's `OpenedRecord`."""
    return {"record": record, "path": list(path)}


def _output_proof(move: moves.ProveOutput) -> dict[str, Any]:
    return {
        "output": move.output,
        "root": move.root,
        "rootPath": list(move.root_path),
        "record": opened_record(move.record, move.record_path),
        "valueRoot": move.value_root,
        "valuePath": list(move.value_path),
    }


def _element_pick(move: moves.PickElement) -> dict[str, Any]:
    return {
        "element": move.element,
        "data": move.data,
        "record": move.record,
        "sizing": [] if move.sizing is None else [_opened_tensor(move.sizing)],
    }


def _opened_tensor(tensor: OpenedTensor) -> dict[str, Any]:
    kind = {"dtype": int(tensor.type.dtype), "shape": list(tensor.type.shape)}
    return {"kind": kind, "dataRoot": tensor.data_root, "path": list(tensor.path)}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "operands": [_opened_tensor(tensor) for tensor in evidence.operands],
        "leaves": [
            {"slot": leaf.slot, "index": leaf.index, "data": leaf.data, "path": list(leaf.path)}
            for leaf in evidence.leaves
        ],
        "reads": [{"leaf": place.leaf, "element": place.element} for place in evidence.reads],
    }

"""Moves of a dispute as calls of the contract `DisputeGame`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aivm.dispute import moves
from aivm.dispute.moves import Move
from aivm.dispute.state import State, decode_state, packed_words
from aivm.dispute.trace import Evidence, Header, Work
from aivm.isa.instructions import TensorType
from aivm.numerics.dtypes import DType
from aivm.receipts.eip712 import encode_field
from aivm.receipts.receipt import Receipt

Call = tuple[str, list[Any]]
"""A function and its arguments; structs are mappings by field name."""


def call_of(state: State, move: Move, receipt: Receipt) -> Call:
    """The call that makes `move` in a game about `receipt` that is in `state`."""
    packed, signed = packed_state(state), receipt_fields(receipt)
    match move:
        case moves.Commit():
            return "commit", [packed, list(move.outputs), list(move.nodes)]
        case moves.Reveal():
            return "reveal", [packed, list(move.nodes)]
        case moves.Pick():
            return "pick", [packed, move.position, move.node, list(move.path)]
        case moves.RevealTensor():
            return "revealTensor", [packed, _tensor_type(move.type), list(move.nodes)]
        case moves.RevealLeaves():
            return "revealLeaves", [packed, move.data]
        case moves.PickElement():
            return "pickElement", [packed, signed, _element_pick(move)]
        case _:
            return _proof_call(state, packed, signed, move)


def _proof_call(
    state: State, packed: Mapping[str, Any], signed: Mapping[str, Any], move: Move
) -> Call:
    match move:
        case moves.ProveOutput():
            return "proveOutput", [packed, signed, _output_proof(move)]
        case moves.ProveInput():
            return "proveInput", [packed, signed, move.root, list(move.path)]
        case moves.ProveConstant():
            return "proveConstant", [packed, signed, opened_record(move.record, move.path)]
        case moves.ProveType():
            shown = {"trace": move.trace, "kind": _tensor_type(move.type)}
            return "proveType", [packed, signed, shown, opened_record(move.record, move.path)]
        case _:
            return _step_call(state, packed, signed, move)


def _step_call(
    state: State, packed: Mapping[str, Any], signed: Mapping[str, Any], move: Move
) -> Call:
    match move:
        case moves.RevealLanes():
            return "revealLanes", [packed, packed_words(move.lanes, state.form)]
        case moves.PickLane():
            return "pickLane", [packed, move.lane, packed_words(move.lanes, state.form)]
        case moves.RevealStates():
            return "revealStates", [packed, packed_words(move.words, state.form)]
        case moves.PickStep():
            return "pickStep", [packed, _step_pick(move)]
        case moves.Prove():
            return "prove", [packed, signed, *_opened(move)]
        case moves.ProveElement():
            pick, evidence = _element_pick(move.pick), _evidence(move.evidence)
            return "proveElement", [packed, signed, pick, evidence]
        case moves.ProveStep():
            return "proveStep", [packed, signed, _step_pick(move.pick), *_opened(move.prove)]
        case moves.ProveFinish():
            lanes = packed_words(move.lanes, state.form)
            return "proveFinish", [packed, signed, lanes, *_opened(move.prove)]
        case _:
            raise AssertionError(f"{type(move).__name__} is no move of the last rounds")


def packed_state(state: State) -> dict[str, Any]:
    """The contract's `PackedState`."""
    data = state.encode()
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    return {
        "receipt": words[0],
        "challenger": state.challenger,
        "defender": state.defender,
        "progress": int.from_bytes(words[3], "big"),
        "node": words[4],
        "opened": words[5],
        "place": int.from_bytes(words[6], "big"),
        "words": int.from_bytes(words[7], "big"),
    }


def state_of(packed: Mapping[str, Any]) -> State:
    """The state that a `PackedState` stands for: what `packed_state` was made from."""
    words = [
        packed["receipt"],
        encode_field("address", packed["challenger"]),
        encode_field("address", packed["defender"]),
        packed["progress"].to_bytes(32, "big"),
        packed["node"],
        packed["opened"],
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
        "leaf": move.leaf,
        "leafPath": list(move.leaf_path),
        "trace": move.trace,
        "work": _work(move.work),
        "recordPath": list(move.record_path),
        "operandPaths": [list(path) for path in move.operand_paths],
    }


def _step_pick(move: moves.PickStep) -> dict[str, Any]:
    return {"segment": move.segment, "chunk": move.chunk, "path": list(move.path)}


def _tensor_type(type_: TensorType) -> dict[str, Any]:
    return {"dtype": int(type_.dtype), "shape": list(type_.shape)}


def type_of(fields: Mapping[str, Any]) -> TensorType:
    """The contract's `TensorType`, decoded."""
    return TensorType(DType(fields["dtype"]), tuple(fields["shape"]))


def _work(work: Work) -> dict[str, Any]:
    return {"record": work.record, "operands": [_header(operand) for operand in work.operands]}


def _header(header: Header) -> dict[str, Any]:
    dtype, shape = header.type.dtype, header.type.shape
    dimensions = b"".join(size.to_bytes(4, "big") for size in shape)
    return {
        "dtype": int(dtype),
        "rank": len(shape),
        "dimensions": dimensions.ljust(32, b"\0"),
        "dataRoot": header.data_root,
    }


def _opened(move: moves.Prove) -> list[Any]:
    return [_work(move.work), _evidence(move.evidence)]


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "leaves": [
            {"slot": leaf.slot, "index": leaf.index, "data": leaf.data, "path": list(leaf.path)}
            for leaf in evidence.leaves
        ],
        "reads": [{"leaf": place.leaf, "element": place.element} for place in evidence.reads],
    }

"""Every engine gives the results of the published vectors, and the generator gives the vectors."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm.commitments import (
    Array,
    bundle_root,
    canonical_json,
    numpy_dtype,
    program_root_of_records,
    tensor_root,
    varint,
)
from aivm.commitments.cid import Cid, Codec
from aivm.commitments.unixfs import CHUNK_BYTES, Entry, build_directory, build_file, leaf
from aivm.engines import engine_names, open_engine
from aivm.engines.base import Engine
from aivm.errors import EngineUnavailable, InvalidIndex, MalformedPackage, MalformedProgram
from aivm.isa.gas import gas_units
from aivm.isa.instructions import TensorType
from aivm.isa.opcodes import Function, Opcode, Reduction, Scattering
from aivm.isa.program import Program
from aivm.isa.records import RECORD_BYTES, decode, decode_instruction
from aivm.isa.signatures import FUNCTIONS, REDUCTIONS, SCATTERINGS
from aivm.numerics.dtypes import DType

VECTORS = Path(__file__).parents[2] / "vectors"
FAMILIES = sorted(path.stem for path in (VECTORS / "instructions").glob("*.jsonl"))
# The factors that a sweep's words are multiples of: see vectors/README.md.
FACTORS = (65537, 2654435761, 40503 * 65539)


def lines(name: str) -> Iterator[dict[str, Any]]:
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


@cache
def engine(name: str) -> Engine:
    try:
        return open_engine(name)
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


def array(tensor: list[Any]) -> Array:
    dtype, shape, data = tensor
    return np.frombuffer(base64.b64decode(data), numpy_dtype(DType[dtype])).reshape(shape)


def type_of(tensor: list[Any]) -> TensorType:
    return TensorType(DType[tensor[0]], tuple(tensor[1]))


def one_instruction(case: dict[str, Any], inputs: tuple[TensorType, ...]) -> Program:
    record = bytes.fromhex(case["record"]).ljust(RECORD_BYTES, b"\0")
    return Program(inputs, (), (decode_instruction(record),), (len(inputs),))


@pytest.mark.parametrize("name", engine_names())
@pytest.mark.parametrize("family", FAMILIES)
def test_instructions(name: str, family: str) -> None:
    for case in lines(f"instructions/{family}.jsonl"):
        program = one_instruction(case, tuple(map(type_of, case["operands"])))
        assert gas_units(program) == case["gas"], case["case"]
        executable = engine(name).load(program, ())
        inputs = [array(operand) for operand in case["operands"]]
        if case["result"] is None:
            with pytest.raises(InvalidIndex):
                executable.run(inputs)
        else:
            (result,) = executable.run(inputs)
            assert program.instructions[0].type == type_of(case["result"]), case["case"]
            assert result.tobytes() == base64.b64decode(case["result"][2]), case["case"]
        executable.close()


def swept(dtype: DType, place: int) -> Array:
    numbers = np.arange(1 << 16, dtype=np.uint64)
    if dtype is not DType.F32:
        return numbers.astype(numpy_dtype(dtype))
    words = numbers * np.uint64(FACTORS[place]) & np.uint64(0xFFFF_FFFF)
    return words.astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("name", engine_names())
def test_sweeps(name: str) -> None:
    for case in lines("sweeps.jsonl"):
        dtypes = [DType[dtype] for dtype in case["operands"]]
        types = tuple(TensorType(dtype, (1 << 16,)) for dtype in dtypes)
        program = one_instruction(case, types)
        inputs = [swept(dtype, place) for place, dtype in enumerate(dtypes)]
        (result,) = engine(name).load(program, ()).run(inputs)
        assert hashlib.sha256(result.tobytes()).hexdigest() == case["sha256"], case["case"]


def joined(records: list[str]) -> bytes:
    return b"".join(bytes.fromhex(record).ljust(RECORD_BYTES, b"\0") for record in records)


@pytest.mark.parametrize("name", engine_names())
def test_programs(name: str) -> None:
    for case in lines("programs/valid.jsonl"):
        records = joined(case["records"])
        program = decode(records)
        assert program_root_of_records(records).hex() == case["root"], case["case"]
        assert gas_units(program) == case["gas"], case["case"]
        constants = [array(tensor) for tensor in case["constants"]]
        for constant, values in zip(program.constants, constants, strict=True):
            assert tensor_root(values, constant.type.dtype) == constant.root, case["case"]
        executable = engine(name).load(program, constants)
        outputs = executable.run([array(tensor) for tensor in case["inputs"]])
        expected = [base64.b64decode(tensor[2]) for tensor in case["outputs"]]
        assert [output.tobytes() for output in outputs] == expected, case["case"]
        roots = [
            tensor_root(output, DType[tensor[0]])
            for output, tensor in zip(outputs, case["outputs"], strict=True)
        ]
        assert bundle_root(roots).hex() == case["output_root"], case["case"]


def test_malformed_programs_are_refused() -> None:
    valid, *broken = lines("programs/invalid.jsonl")
    records = joined(valid["records"])
    decode(records)
    for case in broken:
        data = bytearray(records)
        for record, offset, text in case["changes"]:
            change = bytes.fromhex(text)
            at = record * RECORD_BYTES + offset
            data[at : at + len(change)] = change
        with pytest.raises(MalformedProgram):
            decode(bytes(data[: case.get("bytes", len(data))]))
            pytest.fail(case["case"])


def test_nothing_is_missing() -> None:
    """Every function, reduction and scattering on every dtype, and every family, has a case."""
    maps, reductions, scatterings, families = set(), set(), set(), set()
    for family in FAMILIES:
        for case in lines(f"instructions/{family}.jsonl"):
            record = bytes.fromhex(case["record"])
            dtype = DType[case["operands"][-1][0]] if case["operands"] else None
            families.add(record[0])
            if record[0] == Opcode.MAP:
                maps.add((record[1], dtype))
            elif record[0] == Opcode.REDUCE:
                reductions.add((record[1], dtype))
            elif record[0] == Opcode.SCATTER:
                scatterings.add((record[1], dtype))
    assert families == {code for code in Opcode if code >= Opcode.MAP}
    assert maps == {(f, d) for f in Function for d in FUNCTIONS[f].accepted}
    assert reductions == {(r, d) for r in Reduction for d in REDUCTIONS[r].accepted}
    assert scatterings == {(s, d) for s in Scattering for d in SCATTERINGS[s]}


def test_canonical_json() -> None:
    for case in json.loads((VECTORS / "encodings/canonical-json.json").read_bytes())["cases"]:
        text = case["text"].encode()
        if case["canonical"] is None:
            with pytest.raises(MalformedPackage):
                canonical_json.parse(text, MalformedPackage)
        else:
            spelled = bytes.fromhex(case["canonical"])
            value = canonical_json.parse(text, MalformedPackage)
            assert canonical_json.spell(value) == spelled
            assert canonical_json.parse_canonical(spelled, MalformedPackage) == value


def pattern(size: int) -> bytes:
    return bytes((7 * i + 3) % 251 for i in range(size))


def file(size: int) -> Entry:
    data = pattern(size)
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, size, CHUNK_BYTES)]
    return build_file([leaf(Cid.of(Codec.RAW, chunk), len(chunk)) for chunk in chunks])[0]


def test_content_identifiers() -> None:
    vectors = json.loads((VECTORS / "encodings/content.json").read_bytes())
    for case in vectors["blocks"]:
        cid = Cid.of(Codec[case["codec"].upper()], pattern(case["size"]))
        assert str(cid) == case["cid"]
        assert Cid.parse(case["cid"]) == cid
    for case in vectors["files"]:
        entry = file(case["size"])
        assert (str(entry.cid), entry.dag_size) == (case["cid"], case["dag_size"])
    for case in vectors["directories"]:
        entries = {name: file(size) for name, size in case["entries"].items()}
        entry, block = build_directory(entries)
        assert (str(entry.cid), block.hex()) == (case["cid"], case["block"])
    for case in vectors["varints"]:
        assert varint.encode(case["value"]).hex() == case["bytes"]
        assert varint.decode(bytes.fromhex(case["bytes"]), 0)[0] == case["value"]

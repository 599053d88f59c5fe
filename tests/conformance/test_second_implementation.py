"""Text and vectors suffice: an implementation made of them alone gives every published result."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import second_implementation as second  # noqa: E402
import second_validity as validity  # noqa: E402

VECTORS = HERE.parents[1] / "vectors"
FAMILIES = sorted(path.stem for path in (VECTORS / "instructions").glob("*.jsonl"))


def lines(name: str) -> Iterator[dict[str, Any]]:
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def tensor(given: list[Any]) -> second.Tensor:
    dtype, shape, data = given
    return second.tensor_of(second.CODE[dtype], tuple(shape), base64.b64decode(data))


def padded(record: str) -> bytes:
    return bytes.fromhex(record).ljust(256, b"\0")


def test_it_uses_nothing_of_aivm() -> None:
    for name in ("second_implementation.py", "second_validity.py"):
        assert not re.search(r"^\s*(import|from) (aivm|numpy)", (HERE / name).read_text(), re.M)


@pytest.mark.parametrize("family", FAMILIES)
def test_instructions(family: str) -> None:
    for case in lines(f"instructions/{family}.jsonl"):
        record = second.record_of(padded(case["record"]))
        operands = [tensor(given) for given in case["operands"]]
        chosen = [operands[value] for value in record.operands]
        validity.RULES[record.opcode](record, [(each.dtype, each.shape) for each in chosen])
        assert second.gas(record, chosen) == case["gas"], case["case"]
        if case["result"] is None:
            with pytest.raises(second.Fault):
                second.run(record, chosen)
        else:
            result = second.run(record, chosen)
            dtype, shape, data = case["result"]
            assert (result.dtype, result.shape) == (second.CODE[dtype], tuple(shape)), case["case"]
            assert second.bytes_of(result) == base64.b64decode(data), case["case"]


def test_programs() -> None:
    for case in lines("programs/valid.jsonl"):
        if case["case"] == "wrapping product":  # 33,100 steps of pure Python for one number
            continue
        records = b"".join(map(padded, case["records"]))
        program = validity.read(records)
        assert second.data_tree(records).hex() == case["root"]
        for (type_, root), given in zip(program.constants, case["constants"], strict=True):
            assert second.tensor_root(*type_, base64.b64decode(given[2])) == root
        values = [tensor(given) for given in (*case["inputs"], *case["constants"])]
        price = 0
        for record in program.instructions:
            operands = [values[value] for value in record.operands]
            values.append(second.run(record, operands))
            price += second.gas(record, operands)
        assert price == case["gas"]
        outputs = [values[value] for value in program.outputs]
        assert [second.bytes_of(each) for each in outputs] == [
            base64.b64decode(given[2]) for given in case["outputs"]
        ]
        roots = [
            second.tensor_root(each.dtype, each.shape, second.bytes_of(each)) for each in outputs
        ]
        assert second.tree(roots).hex() == case["output_root"]


def test_malformed_programs() -> None:
    valid, *broken = lines("programs/invalid.jsonl")
    records = b"".join(map(padded, valid["records"]))
    validity.read(records)
    for case in broken:
        data = bytearray(records)
        for record, offset, text in case["changes"]:
            change = bytes.fromhex(text)
            at = record * 256 + offset
            data[at : at + len(change)] = change
        with pytest.raises(second.Refused):
            validity.read(bytes(data[: case.get("bytes", len(data))]))
            pytest.fail(case["case"])


def test_commitments() -> None:
    for case in json.loads((VECTORS / "commitments/trees.json").read_bytes())["cases"]:
        data = bytes((7 * i + 3) % 251 for i in range(case["size"]))
        assert second.data_tree(data).hex() == case["root"]
    for case in json.loads((VECTORS / "commitments/tensors.json").read_bytes())["cases"][:-1]:
        dtype, shape = second.CODE[case["dtype"].upper()], tuple(case["shape"])
        root = second.tensor_root(dtype, shape, bytes.fromhex(case["data"]))
        assert root.hex() == case["root"]


def test_philox_known_answers() -> None:
    """The table of numerics.md section 9."""
    text = (second.SPECIFICATION / "numerics.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| ((?:[0-9a-f]{8} ?){4}) \| ((?:[0-9a-f]{8} ?){2}) \| (.*) \|$", re.M)
    answers = row.findall(text)
    assert len(answers) == 3
    for answer in answers:
        counter, key, block = ([int(word, 16) for word in part.split()] for part in answer)
        assert second.philox(counter, key) == block

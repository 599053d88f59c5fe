"""Writes the published vectors; vectors/README.md says what they are.

python vectors/generate.py            write them
python vectors/generate.py --check    exit 1 where a file would change
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from generator import encodings, families, ledger, packages, programs, scalar, sweeps  # noqa: E402

LINES: dict[str, Callable[[], Iterable[str]]] = {
    "instructions/map-floats.jsonl": scalar.maps_of_floats,
    "instructions/map-integers.jsonl": scalar.maps_of_integers,
    "instructions/map-broadcast.jsonl": scalar.broadcasts,
    "instructions/cast.jsonl": scalar.conversions,
    "instructions/matmul.jsonl": families.matrix_products,
    "instructions/reduce.jsonl": families.reductions,
    "instructions/move.jsonl": families.moves,
    "instructions/gather.jsonl": families.gathers,
    "instructions/scatter.jsonl": families.scatters,
    "instructions/rank.jsonl": families.ranks,
    "instructions/concat.jsonl": families.concatenations,
    "instructions/iota-fill-random.jsonl": families.makers,
    "sweeps.jsonl": sweeps.sweeps,
    "programs/valid.jsonl": programs.valid,
    "programs/invalid.jsonl": programs.invalid,
}
DOCUMENTS: dict[str, Callable[[], str]] = {
    "commitments/trees.json": ledger.trees,
    "commitments/tensors.json": ledger.tensors,
    "commitments/proofs.json": ledger.proofs,
    "receipts/receipts.json": ledger.receipts,
    "receipts/vouchers.json": ledger.vouchers,
    "encodings/canonical-json.json": encodings.canonical_documents,
    "encodings/content.json": encodings.contents,
}


def vectors() -> Iterator[tuple[str, bytes]]:
    """Every file with its content."""
    for name, lines in LINES.items():
        yield name, "".join(f"{line}\n" for line in lines()).encode()
    for name, document in DOCUMENTS.items():
        yield name, document().encode()
    for name, data in packages.files().items():
        yield f"packages/{name}", data


def main(arguments: list[str]) -> int:
    stale = []
    for name, data in vectors():
        path = FOLDER / name
        if "--check" in arguments:
            if not path.is_file() or path.read_bytes() != data:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run python vectors/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The address book: what is written can be read, and nothing else can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm.chain.address_book import MAX_BYTES, MAX_CHAIN_ID, AddressBook, ContractEntry
from aivm.errors import AivmError, MalformedAddress, MalformedConfig, NotFound
from aivm.receipts.addresses import checked_address

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "12" * 20
BOOK = AddressBook(31337, {"Staking": ContractEntry(checked_address(ADDRESS), HASH)})

hexadecimal = st.binary(min_size=20, max_size=20).map(bytes.hex)
entries = st.builds(
    ContractEntry,
    hexadecimal.map(lambda digits: checked_address("0x" + digits)),
    st.binary(min_size=32, max_size=32).map(lambda data: "0x" + data.hex()),
)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,63}", fullmatch=True)
books = st.builds(
    AddressBook, st.integers(1, MAX_CHAIN_ID), st.dictionaries(names, entries, max_size=12)
)


@given(books)
def test_round_trip(book: AddressBook) -> None:
    text = book.to_json()
    assert AddressBook.from_json(text) == book
    assert AddressBook.from_json(text.encode()) == book
    assert AddressBook.from_json(text).to_json() == text


@given(books, st.data())
def test_a_changed_character_is_refused_or_read_as_it_stands(
    book: AddressBook, data: st.DataObject
) -> None:
    text = book.to_json()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters(codec="utf-8")) + text[place + 1 :]
    try:
        read = AddressBook.from_json(changed)
    except AivmError:
        return
    assert AddressBook.from_json(read.to_json()) == read


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_garbage_is_refused(text: str | bytes) -> None:
    with pytest.raises(AivmError):
        AddressBook.from_json(text)


def test_the_document() -> None:
    assert json.loads(BOOK.to_json()) == {
        "chain_id": 31337,
        "contracts": {"Staking": {"address": checked_address(ADDRESS), "code_hash": HASH}},
    }


def document(**changes: Any) -> str:
    entry = {"address": ADDRESS, "code_hash": HASH}
    return json.dumps({"chain_id": 1, "contracts": {"Staking": entry}} | changes)


def entry(**changes: Any) -> str:
    return document(contracts={"Staking": {"address": ADDRESS, "code_hash": HASH} | changes})


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        document(extra=1),
        document(chain_id=0),
        document(chain_id=-1),
        document(chain_id=True),
        document(chain_id="1"),
        document(chain_id=1.0),
        document(chain_id=1 << 63),
        document(contracts=[]),
        document(contracts={"": {}}),
        document(contracts={"A b": {"address": ADDRESS, "code_hash": HASH}}),
        document(contracts={"Staking": {"address": ADDRESS}}),
        entry(extra=1),
        entry(address=5),
        entry(code_hash=None),
        entry(code_hash="0x12"),
        entry(code_hash=HASH.upper()),
        '{"chain_id": 1, "chain_id": 2, "contracts": {}}',
        '{"chain_id": 1, "contracts": {}} x',
        '{"chain_id": 1, "contracts": ' + "[" * 30_000,
        " " * (MAX_BYTES + 1),
    ],
)
def test_what_breaks_the_format_is_refused(text: str) -> None:
    with pytest.raises(MalformedConfig):
        AddressBook.from_json(text)


def test_a_mistyped_address_is_refused() -> None:
    with pytest.raises(MalformedAddress):
        AddressBook.from_json(entry(address="0x" + "12" * 19))


def test_write_then_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "book.json"
    BOOK.write(path)
    BOOK.write(path)
    assert AddressBook.read(path) == BOOK
    assert [file.name for file in path.parent.iterdir()] == ["book.json"]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no address book") as caught:
        AddressBook.read(tmp_path / "none.json")
    assert "aivm devnet" in caught.value.hint


def test_an_unknown_contract_lists_the_known_ones() -> None:
    assert BOOK["Staking"].code_hash == HASH
    with pytest.raises(NotFound, match="'Token'") as caught:
        BOOK["Token"]
    assert "Staking" in caught.value.hint


def test_a_book_does_not_change() -> None:
    with pytest.raises(TypeError):
        BOOK.contracts["Staking"] = BOOK["Staking"]  # type: ignore[index]

"""Strict JSON: one meaning, one spelling, or a refusal."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from aivm.commitments import canonical_json
from aivm.errors import MalformedPackage


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":2}', "twice"),
        (b'{"x":{"a":1,"a":1}}', "twice"),
        (b"1.5", "not an integer"),
        (b"1e3", "not an integer"),
        (b"NaN", "not an integer"),
        (b"[Infinity]", "not an integer"),
        (b"-Infinity", "not an integer"),
        (b"-0", "minus zero"),
        (b"9007199254740992", "2\\^53"),
        (b"-9007199254740992", "2\\^53"),
        (b"9" * 5000, "2\\^53"),
        ('"e\u0301"'.encode(), "normal form C"),
        ('{"e\u0301":1}'.encode(), "normal form C"),
        (b'"\\ud800"', "surrogate|not JSON"),
        (b'"\xff"', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[" * 100_000, "32 deep"),
        (b"[" * 33 + b"]" * 33, "32 deep"),
        (b'[{"a":' * 17, "32 deep"),
        (b'"tab\there"', "not JSON"),
    ],
)
def test_ambiguous_or_broken_json_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(MalformedPackage, match=reason):
        canonical_json.parse(text, MalformedPackage)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"1.5", r"\$"),
        (b'{"a":[0,{"b":NaN}]}', r"\$.a\[1\].b"),
        (b'{"a":[9007199254740992]}', r"\$.a\[0\]"),
        (b'[{"a":1,"a":2}]', r"\$\[0\]"),
        ('{"a":{"e\u0301":1}}'.encode(), r"\$.a.e\\u0301"),
        (b'[["\\ud800"]]', r"\$\[0\]\[0\]"),
    ],
)
def test_a_refusal_names_the_place(text: bytes, place: str) -> None:
    with pytest.raises(MalformedPackage, match=f"at {place}$"):
        canonical_json.parse(text, MalformedPackage)


def test_plain_values_are_read() -> None:
    text = '{"a":[1,-5,null,true,"é"],"b":9007199254740991}'.encode()
    assert canonical_json.parse_canonical(text, MalformedPackage) == {
        "a": [1, -5, None, True, "é"],
        "b": 2**53 - 1,
    }


@pytest.mark.parametrize("text", [b'{"b":1,"a":2}', b'{"a": 1}', b'"\\u0041"', b"1\n"])
def test_another_spelling_is_not_canonical(text: bytes) -> None:
    canonical_json.parse(text, MalformedPackage)
    with pytest.raises(MalformedPackage, match="not canonical"):
        canonical_json.parse_canonical(text, MalformedPackage)


@pytest.mark.parametrize("value", [1.5, 2**53, "e\u0301", {1: 2}, b"x", "\ud800"])
def test_what_cannot_be_read_back_is_not_written(value: object) -> None:
    with pytest.raises(MalformedPackage):
        canonical_json.dumps(value, MalformedPackage)


def test_keys_are_sorted_by_utf_16_code_units() -> None:
    # U+1F600 is a surrogate pair (D83D...): before U+FB4F, although its code point is larger.
    value = {"\ufb4f": 1, "\U0001f600": 2}
    assert canonical_json.dumps(value, MalformedPackage) == '{"\U0001f600":2,"\ufb4f":1}'.encode()


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    text = b'["' + b"[" * 100 + b'\\"' + b"{" * 100 + b'"]'
    assert len(canonical_json.parse(text, MalformedPackage)[0]) == 201
    nested = b"[" * 32 + b"]" * 32
    assert canonical_json.parse(nested, MalformedPackage) != 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
        ),
        max_leaves=16,
    )
)
def test_the_quick_spelling_is_the_standard_one(value: object) -> None:
    try:
        written = canonical_json.dumps(value, MalformedPackage)
    except MalformedPackage:
        return  # a string that is not NFC
    assert written == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [1.5, 2**53, {1: "a"}, {"a": (1, 2)}, float("nan")])
def test_what_would_be_read_differently_is_not_written(value: object) -> None:
    with pytest.raises(MalformedPackage):
        canonical_json.dumps(value, MalformedPackage)

"""Log lines for people and machines, and the secrets that must not be in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivm import log
from aivm.chain.account import Account
from aivm.errors import BadInput

KEY = bytes(range(101, 133))
SIGNATURE = "0x" + "5a" * 65


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """The logger of `aivm`, put back after the test."""
    root = logging.getLogger("aivm")
    before = root.handlers[:], root.level, root.propagate
    yield logging.getLogger("aivm.chain.test")
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


def lines(style: str, level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    log.configure(level, style=style, stream=stream)
    return stream


def test_a_line_for_people(logger: logging.Logger) -> None:
    stream = lines("human")
    logger.info("sent %d", 5, extra={"block": 7})
    assert stream.getvalue().endswith(" info chain.test: sent 5 block=7\n")


def test_a_line_for_machines(logger: logging.Logger) -> None:
    stream = lines("json")
    logger.warning("sent %d", 5, extra={"block": 7, "ok": True, "fee": None, "who": "me"})
    fields = json.loads(stream.getvalue())
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "warning",
        "logger": "aivm.chain.test",
        "message": "sent 5",
        "block": 7,
        "ok": True,
        "fee": None,
        "who": "me",
    }


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_key_in_use_shows_nowhere(logger: logging.Logger, style: str) -> None:
    stream = lines(style)
    Account(KEY)
    shown = KEY.hex()
    logger.info("key %s", shown)
    logger.info("key", extra={"value": "0x" + shown.upper().replace("0X", "0x")})
    try:
        raise RuntimeError(f"cannot use {shown}")
    except RuntimeError:
        logger.exception("failed")
    assert shown not in stream.getvalue().lower()
    assert stream.getvalue().count(log.HIDDEN) >= 3


def test_hashes_stay_readable(logger: logging.Logger) -> None:
    stream = lines("human")
    digest = "0x" + "ab" * 32
    logger.info("model %s", digest)
    assert digest in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"signature {SIGNATURE}",
        f"signature {SIGNATURE[2:]}",
        "password=hunter2secret",
        'password: "hunter2secret"',
        "AIVM_PASSWORD=hunter2secret",
        '{"private_key": "hunter2secret"}',
        "mnemonic=hunter2secret",
        "Authorization: Bearer hunter2secret",
        "AIVM-Voucher: hunter2secret",
        "api_key=hunter2secret",
        "http://user:hunter2secret@host/path",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    redacted = log.redact(text)
    assert "hunter2secret" not in redacted
    assert "5a5a" not in redacted
    assert log.HIDDEN in redacted


def test_a_secret_under_its_own_field_is_hidden_in_json(logger: logging.Logger) -> None:
    stream = lines("json")
    logger.info("read", extra={"password": "hunter2secret", "nested": {"secret": "hunter2secret"}})
    assert "hunter2secret" not in stream.getvalue()
    assert json.loads(stream.getvalue())["password"] == log.HIDDEN


@given(st.binary(min_size=32, max_size=32), st.text(max_size=20), st.booleans())
def test_a_guarded_key_is_hidden_in_any_surrounding(key: bytes, around: str, upper: bool) -> None:
    log.guard(key)
    shown = key.hex().upper() if upper else key.hex()
    redacted = log.redact(f"{around} 0x{shown}, {shown} {around}")
    assert shown not in redacted


LABELS = ["password", "PASSWORD", "wallet_passphrase", "client-secret", "private key", "voucher"]
QUOTES = [("", ""), ('"', '"'), ("'", "'")]


@given(
    label=st.sampled_from(LABELS),
    separator=st.sampled_from(["=", ": ", " = ", '": ', "':"]),
    quotes=st.sampled_from(QUOTES),
    words=st.sampled_from(
        ["hunter2secret", "-hunter2secret", "a/hunter2secret==", "[hunter2secret]"]
    ),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_a_labelled_secret_is_hidden_in_any_surrounding(
    label: str, separator: str, quotes: tuple[str, str], words: str, before: str, after: str
) -> None:
    text = f"{before} {label}{separator}{quotes[0]}{words}{quotes[1]} {after}"
    assert "hunter2secret" not in log.redact(text)


def test_a_passphrase_of_several_words_is_hidden_as_a_whole() -> None:
    assert log.redact('passphrase: "correct horse", next') == f"passphrase: {log.HIDDEN}, next"


def test_digits_around_a_secret_do_not_uncover_it() -> None:
    log.guard(KEY)
    assert log.redact(f"dead{KEY.hex()}beef") == log.HIDDEN
    assert log.redact(f"password{SIGNATURE[2:]}00") == f"passwor{log.HIDDEN}"


def test_levels_below_the_chosen_one_are_silent(logger: logging.Logger) -> None:
    stream = lines("human", "warning")
    logger.info("quiet")
    logger.error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_auto_is_json_where_nobody_reads(logger: logging.Logger) -> None:
    stream = lines("auto")
    logger.info("x")
    assert json.loads(stream.getvalue())["message"] == "x"


def test_a_second_set_up_replaces_the_first(logger: logging.Logger) -> None:
    first, second = lines("human"), lines("human")
    logger.info("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


@pytest.mark.parametrize(("level", "style"), [("loud", "human"), ("info", "yaml")])
def test_unknown_words_are_refused(level: str, style: str) -> None:
    with pytest.raises(BadInput, match="is unknown"):
        log.configure(level, style=style)

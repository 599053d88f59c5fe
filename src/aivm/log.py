"""Logging: one line a record on stderr, for people or as JSON, with secrets taken out.

What is taken out, wherever it stands in the record (message, extra fields, traceback):

    keys in use             every 32-byte secret given to `guard`, written in hexadecimal
    signatures              hexadecimal strings of 65 bytes and more: a signed voucher is money
    labelled secrets        the value after password, secret, mnemonic, private key, voucher, ...
    credentials in a URL    https://user:password@host

Hashes and model ids are also 32 bytes and must stay readable, so a bare 32-byte string is hidden
only if it *is* a guarded key; `guard` remembers the key's SHA-256, never the key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from aivm.errors import BadInput

HIDDEN = "[hidden]"

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
_LEVELS |= {"error": logging.ERROR}

_guarded: set[bytes] = set()

_KEY_DIGITS, _SIGNATURE_DIGITS = 64, 130
_HEXADECIMAL = re.compile(r"(?:0x)?([0-9a-fA-F]{64,})")
# Repetitions are bounded: text of strangers is logged too, and must not cost quadratic time.
_LABELLED = re.compile(
    r"(?i)(\b[\w-]{0,32}(?:password|passphrase|passwd|secret|mnemonic|voucher|authorization"
    r"|private[ _-]?key|api[_-]?key)[\"']?\s*[:=]\s*(?:bearer\s+|basic\s+)?)"
    r"(?:\"[^\"]{0,512}\"|'[^']{0,512}'|[^\s,;&}]+)"  # in quotes, or up to a space or separator
)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]{1,512}@")

# Attributes every LogRecord has; whatever else stands on a record came from `extra=`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def guard(secret: bytes) -> None:
    """Hide this 32-byte secret from now on in everything that is logged."""
    _guarded.add(hashlib.sha256(secret).digest())


def redact(text: str) -> str:
    """`text` without the secrets listed in the module's docstring."""
    text = _HEXADECIMAL.sub(_hide_if_secret, text)
    text = _URL_CREDENTIALS.sub(HIDDEN + "@", text)
    return _LABELLED.sub(lambda match: match[1] + HIDDEN, text)


def _hide_if_secret(match: re.Match[str]) -> str:
    """Hides a signature, and a key wherever it begins among the digits."""
    digits = match[1]
    if len(digits) >= _SIGNATURE_DIGITS:
        return HIDDEN
    for start in range(len(digits) - _KEY_DIGITS + 1):
        word = bytes.fromhex(digits[start : start + _KEY_DIGITS])
        if hashlib.sha256(word).digest() in _guarded:
            return HIDDEN
    return match[0]


class HumanFormatter(logging.Formatter):
    """`12:30:01 info chain: message key=value`, and the traceback beneath."""

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        name = record.name.removeprefix("aivm.")
        extra = "".join(f" {key}={value}" for key, value in _extra(record).items())
        line = f"{clock} {record.levelname.lower()} {name}: {record.getMessage()}{extra}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, extras, exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= _extra(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps({key: _clean(key, value) for key, value in fields.items()})


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _clean(key: str, value: object) -> object:
    """A field's value for JSON; text is redacted together with its key, which may be the label."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    labelled = redact(f"{key}={value}")
    return labelled.removeprefix(f"{key}=")


def configure(level: str = "info", *, style: str = "auto", stream: TextIO | None = None) -> None:
    """Send the records of `aivm.*` from `level` on to `stream` (stderr), replacing earlier set-up.

    `style` is "human", "json" or "auto": human on a terminal, JSON lines otherwise.
    Raises BadInput for an unknown level or style.
    """
    if level not in _LEVELS:
        raise BadInput(f"log level {level!r} is unknown", hint="Use " + ", ".join(_LEVELS) + ".")
    if style not in ("auto", "human", "json"):
        raise BadInput(f"log style {style!r} is unknown", hint="Use auto, human or json.")
    output = sys.stderr if stream is None else stream
    human = style == "human" or (style == "auto" and output.isatty())
    handler = logging.StreamHandler(output)
    handler.setFormatter(HumanFormatter() if human else JsonFormatter())
    logger = logging.getLogger("aivm")
    logger.handlers[:] = [handler]
    logger.setLevel(_LEVELS[level])
    logger.propagate = False

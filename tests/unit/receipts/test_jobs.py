"""The job id binds what is paid for."""

from __future__ import annotations

from hashlib import sha256

import pytest

from aivm.receipts import job_id

PARTS = tuple(bytes([i]) * 32 for i in range(4))


def test_the_id_is_the_documented_hash() -> None:
    channel, model, program, inputs = PARTS
    expected = sha256(channel + bytes.fromhex("0000000000000102") + model + program + inputs)
    assert job_id(channel, 0x102, model, program, inputs) == expected.digest()


def test_short_parts_are_refused() -> None:
    channel, model, program, inputs = PARTS
    with pytest.raises(ValueError, match="model has 31"):
        job_id(channel, 1, model[1:], program, inputs)

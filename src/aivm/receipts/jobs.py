"""Job ids: one paid request, named before it runs."""

from __future__ import annotations

from hashlib import sha256

NO_CHANNEL = bytes(32)


def job_id(channel: bytes, sequence: int, model: bytes, program: bytes, inputs: bytes) -> bytes:
    """SHA-256 over channel, sequence (u64 big-endian), model id, program root and input root.

    A voucher names its job, so by paying, the client has signed for exactly these inputs.
    """
    for name, value in (
        ("channel", channel), ("model", model), ("program", program), ("inputs", inputs)
    ):  # fmt: skip
        if len(value) != 32:
            raise ValueError(f"{name} has {len(value)} bytes, not 32")
    return sha256(channel + sequence.to_bytes(8, "big") + model + program + inputs).digest()

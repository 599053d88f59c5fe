"""Every error that AIVM raises on purpose: one tree, each leaf with a code, a status and a hint.

    AivmError
    ├── BadInput            the caller gave something that cannot be used  (exit 2, HTTP 400)
    │   ├── MalformedModel, UnsupportedModel, MalformedProgram, WrongTensor, TooLarge,
    │   │   MalformedPackage, MalformedReceipt, MalformedAddress, UnknownEngine, InvalidIndex,
    │   │   MalformedConfig, MalformedBlock, NoToken, MalformedModule, ModuleFailed, OutOfFuel
    ├── VerificationError   bytes or claims do not match what was promised (exit 3, HTTP 409)
    │   ├── Mismatch, TamperedContent, BadSignature
    ├── Denied              a rule of the protocol refuses it              (exit 4, HTTP 402-404)
    │   ├── NotFound, PaymentRefused, NotAllowed, InsufficientFunds, ChainRejected, IllegalMove
    ├── Unavailable         something needed is out of reach or too slow   (exit 5, HTTP 503/504)
    │   ├── ChainUnreachable, WrongChain, ProviderUnreachable, StorageUnreachable,
    │   │   DeadlineExceeded, EngineUnavailable, ToolMissing, FeesTooHigh, Overloaded,
    │   │   VerifierUnreachable, AnswerTooLarge
    └── InternalError       a defect of ours                               (exit 1, HTTP 500)

A code is an interface: it never changes its meaning and is never used again for another error.
Messages never hold a secret (key, voucher, plaintext input).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class AivmError(Exception):
    """Base of everything raised on purpose: a sentence, and a hint that says what to do next."""

    code: ClassVar[str] = "AIVM-E0000"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def as_json(self) -> dict[str, str]:
        """The error envelope used by the CLI (`--json`), the HTTP APIs and the journal."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class InternalError(AivmError):
    """A broken invariant of our own: please report it."""

    code = "AIVM-E0001"
    default_hint = "This is a defect; run again with AIVM_DEBUG=1 and report the traceback."


# --- the caller gave something that cannot be used ------------------------------------------------


class BadInput(AivmError):
    """The input itself is wrong; trying again with the same input cannot help."""

    code = "AIVM-E0100"
    exit_status = 2
    http_status = 400


class MalformedModel(BadInput):
    """The ONNX file is truncated, corrupt or breaks the ONNX rules."""

    code = "AIVM-E0101"
    default_hint = "Check the file with onnx.checker; export it again if it was truncated."


class UnsupportedModel(BadInput):
    """The model is sound but needs something that numerics 1 or the compiler does not define."""

    code = "AIVM-E0102"


class MalformedProgram(BadInput):
    """A tensor program breaks a rule of the instruction set."""

    code = "AIVM-E0103"


class WrongTensor(BadInput):
    """An input tensor has the wrong name, dtype or shape, or is missing."""

    code = "AIVM-E0104"


class TooLarge(BadInput):
    """A size limit is exceeded (request, file, manifest, memory)."""

    code = "AIVM-E0105"
    http_status = 413


class MalformedPackage(BadInput):
    """A manifest or package breaks its format (not canonical, unknown field, unsafe path...)."""

    code = "AIVM-E0106"


class MalformedReceipt(BadInput):
    """A receipt, voucher or transcript document cannot be parsed, or fits no other."""

    code = "AIVM-E0107"


class MalformedAddress(BadInput):
    """A CID, digest, EVM address or model reference is not well-formed."""

    code = "AIVM-E0108"


class UnknownEngine(BadInput):
    """No engine of that name exists."""

    code = "AIVM-E0109"


class InvalidIndex(BadInput):
    """A gather met an index outside its axis; such a run has no result."""

    code = "AIVM-E0110"


class MalformedConfig(BadInput):
    """A configuration, address book or key file breaks its format or has an unknown setting."""

    code = "AIVM-E0111"


class MalformedBlock(BadInput):
    """A dag-pb, UnixFS or CAR structure breaks its format, or has a form AIVM does not read."""

    code = "AIVM-E0112"


class NoToken(BadInput):
    """A model gave logits from which no token can be drawn; such a generation has no result."""

    code = "AIVM-E0113"


class MalformedModule(BadInput):
    """A WASM module is corrupt, imports what it may not, or does not follow its interface."""

    code = "AIVM-E0114"
    default_hint = "docs/guides/modules.md says what a module exports and may import."


class ModuleFailed(BadInput):
    """A WASM module trapped, refused its input, or returned something that is no tensor."""

    code = "AIVM-E0115"


class OutOfFuel(BadInput):
    """A WASM module needs more instructions than its package allows it."""

    code = "AIVM-E0116"


# --- bytes or claims do not match -----------------------------------------------------------------


class VerificationError(AivmError):
    """What was checked is not what was promised."""

    code = "AIVM-E0200"
    exit_status = 3
    http_status = 409


class Mismatch(VerificationError):
    """Re-execution gives other bytes than the receipt claims."""

    code = "AIVM-E0201"


class TamperedContent(VerificationError):
    """Bytes do not hash to the CID or digest under which they were asked for."""

    code = "AIVM-E0202"


class BadSignature(VerificationError):
    """A signature does not verify, or was made by another key than the expected one."""

    code = "AIVM-E0203"


# --- a rule refuses it ----------------------------------------------------------------------------


class Denied(AivmError):
    """A rule of the protocol or of a provider refuses the request."""

    code = "AIVM-E0300"
    exit_status = 4
    http_status = 403


class NotFound(Denied):
    """The model, block, channel, job or key does not exist here."""

    code = "AIVM-E0301"
    http_status = 404


class PaymentRefused(Denied):
    """The voucher is forged, replayed, too small, over the deposit, or its channel is closed."""

    code = "AIVM-E0302"
    http_status = 402


class NotAllowed(Denied):
    """The caller lacks the right to do this."""

    code = "AIVM-E0303"


class InsufficientFunds(Denied):
    """The account cannot pay for the transaction, deposit or stake."""

    code = "AIVM-E0304"
    http_status = 402


class ChainRejected(Denied):
    """A transaction reverted; the message names the contract's own error.

    `error` is that error's name ("" if the chain gave none) and `arguments` its arguments by name.
    """

    code = "AIVM-E0305"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        error: str = "",
        arguments: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.error = error
        self.arguments = dict(arguments or {})


class IllegalMove(Denied):
    """A move of a dispute that the rules do not allow, or that does not verify; nothing changes."""

    code = "AIVM-E0306"


# --- something needed cannot be reached -----------------------------------------------------------


class Unavailable(AivmError):
    """Something needed is not there now; trying again later can help."""

    code = "AIVM-E0400"
    exit_status = 5
    http_status = 503


class ChainUnreachable(Unavailable):
    """The chain's JSON-RPC endpoint does not answer."""

    code = "AIVM-E0401"
    default_hint = "Check the RPC endpoint (`aivm doctor`) or start one with `aivm devnet`."


class WrongChain(Unavailable):
    """The endpoint serves another chain, or other code, than the address book says."""

    code = "AIVM-E0402"


class ProviderUnreachable(Unavailable):
    """A provider does not answer or breaks the protocol."""

    code = "AIVM-E0403"


class StorageUnreachable(Unavailable):
    """No peer or gateway delivers the content."""

    code = "AIVM-E0404"


class DeadlineExceeded(Unavailable):
    """The work did not end within its deadline."""

    code = "AIVM-E0405"
    http_status = 504


class EngineUnavailable(Unavailable):
    """The engine exists but cannot run on this machine (CPU, memory, missing GPU)."""

    code = "AIVM-E0406"


class ToolMissing(Unavailable):
    """An external program (anvil, node) is not installed."""

    code = "AIVM-E0407"
    default_hint = "Run `make install`."


class Overloaded(Unavailable):
    """There is more to do than is taken on; what was sent is not kept."""

    code = "AIVM-E0409"
    http_status = 429
    default_hint = "Send it again later."


class FeesTooHigh(Unavailable):
    """The chain asks more for gas than the configured cap allows."""

    code = "AIVM-E0408"


class VerifierUnreachable(Unavailable):
    """A verifier does not answer or breaks the protocol."""

    code = "AIVM-E0410"


class AnswerTooLarge(Unavailable):
    """The chain's endpoint answers with more than is read at once; ask it for less."""

    code = "AIVM-E0411"


def from_json(document: object, fallback: type[AivmError]) -> AivmError:
    """The error that an envelope of `as_json` describes; an unknown code becomes `fallback`."""
    fields = document if isinstance(document, dict) else {}
    kind = _by_code(AivmError).get(str(fields.get("code")), fallback)
    return kind(str(fields.get("message", "no message")), hint=str(fields.get("hint", "")))


def _by_code(base: type[AivmError]) -> dict[str, type[AivmError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found |= _by_code(child)
    return found

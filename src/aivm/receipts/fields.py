"""What the two signed structs share: checked fields, and an EIP-712 digest."""

from __future__ import annotations

from typing import Any, ClassVar

from aivm.errors import MalformedReceipt
from aivm.receipts import eip712
from aivm.receipts.addresses import checked_address


class SignedStruct:
    """Base of frozen dataclasses whose fields are exactly `FIELDS`; bad values never exist."""

    NAME: ClassVar[str]
    FIELDS: ClassVar[eip712.Fields]

    def __post_init__(self) -> None:
        for field, kind in self.FIELDS:
            value = getattr(self, field)
            if kind == "address":
                object.__setattr__(self, field, checked_address(value))
                continue
            try:
                eip712.encode_field(kind, value)
            except ValueError as problem:
                raise MalformedReceipt(f"{self.NAME}.{field}: {problem}") from None

    def values(self) -> dict[str, Any]:
        """Field values by name, in signing order."""
        return {field: getattr(self, field) for field, _ in self.FIELDS}

    def digest(self, domain: eip712.Domain) -> bytes:
        """The 32 bytes to sign under `domain`."""
        return eip712.digest(domain, eip712.struct_hash(self.NAME, self.FIELDS, self.values()))

    def typed_data(self, domain: eip712.Domain) -> dict[str, Any]:
        """The same as wallet JSON (`eth_signTypedData_v4`)."""
        return eip712.as_typed_data(domain, self.NAME, self.FIELDS, self.values())

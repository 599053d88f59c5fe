"""The registry of models: publish, look up, list."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.transactions import TransactionReceipt
from aivm.errors import NotFound


class ModelStatus(enum.IntEnum):
    """How far a model may be trusted to stay; it only ever moves down this list."""

    NONE = 0
    ACTIVE = 1
    DEPRECATED = 2
    REVOKED = 3


@dataclass(frozen=True)
class ModelInfo:
    """What the chain knows of a model; 100 basis points of royalty are 1 %."""

    model: bytes  # model id: SHA-256 of the manifest
    name: str  # "owner/name"
    version: str  # "major.minor.patch"
    publisher: str
    programs: bytes  # root of the model's tensor programs
    royalty_bps: int
    status: ModelStatus
    registered_at: int  # unix seconds
    uri: str  # where the manifest is


class ModelRegistry(Contract):
    """Model ids and roots are 32 bytes."""

    NAME = "ModelRegistry"

    async def register(
        self,
        account: Account,
        name: str,
        version: str,
        model: bytes,
        programs: bytes,
        *,
        royalty_bps: int = 0,
        uri: str,
    ) -> TransactionReceipt:
        """Publish a model under a name and version, claiming the namespace if it is free."""
        return await self._send(
            account, "register", name, version, model, programs, royalty_bps, uri
        )

    async def deprecate(self, account: Account, model: bytes) -> TransactionReceipt:
        """Advise against further use; by the publisher; final."""
        return await self._send(account, "deprecate", model)

    async def revoke(self, account: Account, model: bytes) -> TransactionReceipt:
        """Refuse the model for new channels; by governance; final."""
        return await self._send(account, "revoke", model)

    async def set_royalty(
        self, account: Account, model: bytes, royalty_bps: int
    ) -> TransactionReceipt:
        """Change the publisher's share for channels that are opened from now on."""
        return await self._send(account, "setRoyalty", model, royalty_bps)

    async def get_model(self, model: bytes) -> ModelInfo:
        """The model's entry. Raises NotFound if it is not registered."""
        info = _model_info(model, await self._look_up("getModel", model))
        if info.status is ModelStatus.NONE:
            raise NotFound(f"model 0x{model.hex()} is not registered")
        return info

    async def resolve(self, name: str, version: str) -> bytes:
        """The model id of a release. Raises NotFound."""
        return bytes(await self._look_up("resolve", name, version))

    async def latest(self, name: str) -> bytes:
        """The model id of the highest version. Raises NotFound."""
        return bytes(await self._look_up("latest", name))

    async def models(self, *, first: int = 0, limit: int = 1000) -> list[ModelInfo]:
        """Registered models in the order of registration, at most `limit`."""
        count = await self._call("modelCount")
        numbers = range(first, min(count, first + limit))
        models = await self._call_many([("modelAt", [number]) for number in numbers])
        entries = await self._call_many([("getModel", [model]) for model in models])
        return [_model_info(*pair) for pair in zip(models, entries, strict=True)]


def _model_info(model: bytes, fields: dict[str, Any]) -> ModelInfo:
    return ModelInfo(
        model=model,
        name=fields["name"],
        version=fields["version"],
        publisher=fields["publisher"],
        programs=fields["programs"],
        royalty_bps=fields["royaltyBps"],
        status=ModelStatus(fields["status"]),
        registered_at=fields["registeredAt"],
        uri=fields["uri"],
    )

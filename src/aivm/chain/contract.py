"""A deployed contract: the base of the typed wrappers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from aivm.chain import artifact
from aivm.chain.account import Account
from aivm.chain.events import Event, decode_log
from aivm.chain.transactions import Intent, TransactionReceipt
from aivm.errors import ChainRejected, NotFound, WrongChain

if TYPE_CHECKING:
    from aivm.chain.client import Chain


class Contract:
    """Calls and transactions of one contract by function name; subclasses give them types."""

    NAME: ClassVar[str]

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.address = chain.address_book[self.NAME].address
        self.abi = artifact.load(self.NAME).abi

    async def _call(self, function: str, *arguments: Any) -> Any:
        """The result of a view function, at the chain's head."""
        (result,) = await self._call_many([(function, arguments)])
        return result

    async def _look_up(self, function: str, *arguments: Any) -> Any:
        """As `_call`, where the contract's refusal can only mean that there is no such thing."""
        try:
            return await self._call(function, *arguments)
        except ChainRejected as refused:
            if not refused.error.startswith("Unknown"):
                raise
            raise NotFound(refused.message) from None

    async def _call_many(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many view functions in one request; raises what a refusal means."""
        intents = [self._intent(function, arguments) for function, arguments in calls]
        answers = await self._chain.call_many(intents)
        return [
            self.abi.decode_result(function, data)
            for (function, _), data in zip(calls, answers, strict=True)
        ]

    async def _send(self, account: Account, function: str, *arguments: Any) -> TransactionReceipt:
        """Send a transaction and wait for it; ChainRejected names the contract's own error."""
        return await self._chain.send(account, self._intent(function, arguments))

    def _intent(self, function: str, arguments: Sequence[Any]) -> Intent:
        data = self.abi.encode_call(function, arguments)
        return Intent(what=f"{self.NAME}.{function}", to=self.address, data=data)

    def events(self, receipt: TransactionReceipt) -> list[Event]:
        """This contract's events in a receipt, in their order."""
        own = (log for log in receipt.logs if log["address"].lower() == self.address.lower())
        return [event for log in own if (event := decode_log(self.abi, log)) is not None]

    def event(self, receipt: TransactionReceipt, name: str) -> Event:
        """The one event of that name in a receipt. Raises WrongChain if it is not there."""
        for event in self.events(receipt):
            if event.name == name:
                return event
        raise WrongChain(f"{self.NAME} did not emit {name} in transaction {receipt.hash}")

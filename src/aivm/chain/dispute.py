"""Disputes on chain: open a game about a receipt, make its moves, end what stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.dispute_calls import call_of, opened_record, packed_state, receipt_fields
from aivm.chain.transactions import TransactionReceipt
from aivm.dispute.game import Rules
from aivm.dispute.moves import Move
from aivm.dispute.state import State
from aivm.errors import MalformedReceipt
from aivm.receipts.document import SignedReceipt
from aivm.receipts.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contract was deployed with: times in seconds, amounts in token base units."""

    window: int  # for how long after its time a receipt can be disputed
    clock: int  # of each player, for all moves of a game
    bond: int  # what a challenger puts up
    penalty: int  # what a conviction takes from the stake

    @property
    def rules(self) -> Rules:
        """The part that the rules of the game need."""
        return Rules(self.window, self.clock)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a receipt; `share` is what its client has not been paid yet."""

    doubted: bool
    convicted: bool
    share: int


class DisputeGame(Contract):
    """The states are the ones that the events show (`Moved`); a stale one is refused."""

    NAME = "DisputeGame"

    async def open(
        self, account: Account, signed: SignedReceipt, header: bytes, path: Sequence[bytes]
    ) -> bytes:
        """Doubt a receipt; returns the game's id.

        `header` is record 0 of the receipt's program, `path` leads from it to the program root.
        Takes the bond from the account's credit; what is missing, from its tokens: that needs an
        allowance for this contract.
        """
        if signed.signature is None:
            raise MalformedReceipt("nobody has signed this receipt: it is a local run's")
        fields, record = receipt_fields(signed.receipt), opened_record(header, path)
        sent = await self._send(account, "open", fields, signed.signature, record)
        return bytes(self.event(sent, "Opened").arguments["game"])

    async def play(
        self, account: Account, state: State, move: Move, receipt: Receipt
    ) -> TransactionReceipt:
        """Make a move in a game about `receipt` that is in `state`."""
        function, arguments = call_of(state, move, receipt)
        return await self._send(account, function, *arguments)

    async def timeout(self, account: Account, state: State, receipt: Receipt) -> TransactionReceipt:
        """End a game whose mover's time is over; by anyone."""
        return await self._send(account, "timeout", packed_state(state), receipt_fields(receipt))

    async def void(self, account: Account, state: State) -> TransactionReceipt:
        """End a game about a receipt that is convicted already; the bond goes home; by anyone."""
        return await self._send(account, "void", packed_state(state))

    async def credit(self, address: str) -> int:
        """What an account can open games with, or withdraw; token base units."""
        return int(await self._call("credits", address))

    async def deposit(self, account: Account, amount: int) -> TransactionReceipt:
        """Add to the account's credit; needs an allowance for this contract."""
        return await self._send(account, "deposit", amount)

    async def withdraw(self, account: Account, amount: int) -> TransactionReceipt:
        """Pay the account out of its credit."""
        return await self._send(account, "withdraw", amount)

    async def compensate(self, account: Account, receipt: Receipt) -> TransactionReceipt:
        """Pay the client of a convicted receipt his part; by anyone."""
        return await self._send(account, "compensate", receipt_fields(receipt))

    async def stored(self, game: bytes) -> bytes:
        """The hash of a game's state (`State.hash`); zeros if there is no such game any more."""
        return bytes(await self._call("games", game))

    async def verdict(self, receipt: bytes) -> Verdict:
        """What is known of the receipt with that hash (`receipt_hash`)."""
        doubted, convicted, share = await self._call("verdicts", receipt)
        return Verdict(doubted, convicted, share)

    async def convicted(self, receipt: bytes) -> bool:
        """Whether the receipt with that hash (`receipt_hash`) has been convicted."""
        return bool(await self._call("convicted", receipt))

    async def terms(self) -> Terms:
        """Window, clocks, bond and penalty."""
        names = ("WINDOW", "CLOCK", "BOND", "PENALTY")
        return Terms(*map(int, await self._call_many([(name, ()) for name in names])))

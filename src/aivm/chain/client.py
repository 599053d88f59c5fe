"""`Chain`: one AIVM network on one EVM chain, checked at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

from eth_hash.auto import keccak

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.artifact import known_errors
from aivm.chain.contract import Contract
from aivm.chain.dispute import DisputeGame
from aivm.chain.escrow import EscrowManager
from aivm.chain.events import EventFollower
from aivm.chain.misconduct import Misconduct
from aivm.chain.registry import ModelRegistry
from aivm.chain.reverts import refusal
from aivm.chain.rpc import Rpc, RpcError
from aivm.chain.staking import Staking
from aivm.chain.token import Token
from aivm.chain.transactions import Intent, SendPolicy, TransactionReceipt, TransactionSender
from aivm.errors import ChainUnreachable, WrongChain


@dataclass(frozen=True)
class Block:
    """A block's number, hash and Unix time in seconds."""

    number: int
    hash: str
    time: int


class Chain:
    """Use `connect`; then close it, or use it as an asynchronous context manager."""

    def __init__(self, rpc: Rpc, address_book: AddressBook, policy: SendPolicy) -> None:
        """For `connect` and for deployment; nothing is checked here."""
        self.rpc = rpc
        self.address_book = address_book
        self._sender = TransactionSender(rpc, address_book.chain_id, policy)

    @classmethod
    async def connect(
        cls,
        rpc_url: str,
        address_book: AddressBook,
        *,
        policy: SendPolicy | None = None,
        timeout_seconds: float = 15.0,
    ) -> Chain:
        """Connect, and check chain id and every contract's code.

        Raises ChainUnreachable, or WrongChain naming what differs from the address book.
        """
        rpc = Rpc(rpc_url, timeout_seconds=timeout_seconds)
        chain = cls(rpc, address_book, policy or SendPolicy())
        try:
            await chain.check()
        except BaseException:
            await rpc.close()
            raise
        return chain

    async def check(self) -> None:
        """Compare chain id and code hashes with the address book. Raises WrongChain."""
        book = self.address_book
        entries = list(book.contracts.items())
        answers = await self.rpc.batch(
            [
                ("eth_chainId", []),
                *(("eth_getCode", [entry.address, "latest"]) for _, entry in entries),
            ]
        )
        for answer in answers:
            if isinstance(answer, RpcError):
                raise ChainUnreachable(f"{self.rpc.place} refuses a plain question: {answer}")
        found = int(answers[0], 16)
        if found != book.chain_id:
            raise WrongChain(
                f"{self.rpc.place} serves chain {found}, the address book is for {book.chain_id}",
                hint="Check AIVM_RPC_URL and AIVM_ADDRESS_BOOK (`aivm doctor` shows both).",
            )
        for (name, entry), code in zip(entries, answers[1:], strict=True):
            if code_hash(bytes.fromhex(code[2:])) != entry.code_hash:
                what = "other code" if code != "0x" else "no code"
                raise WrongChain(
                    f"chain {found} has {what} at {entry.address}, where {name} should be",
                    hint="The address book is of another network or deployment.",
                )

    @property
    def chain_id(self) -> int:
        """The chain's id (EIP-155)."""
        return self.address_book.chain_id

    @cached_property
    def token(self) -> Token:
        """The AIVM token."""
        return Token(self)

    @cached_property
    def registry(self) -> ModelRegistry:
        """The registry of models."""
        return ModelRegistry(self)

    @cached_property
    def staking(self) -> Staking:
        """The providers and their stakes."""
        return Staking(self)

    @cached_property
    def escrow(self) -> EscrowManager:
        """The payment channels."""
        return EscrowManager(self)

    @cached_property
    def dispute(self) -> DisputeGame:
        """The disputes about receipts."""
        return DisputeGame(self)

    @cached_property
    def misconduct(self) -> Misconduct:
        """What receipts alone convict, and the summonses."""
        return Misconduct(self)

    async def send(self, account: Account, intent: Intent) -> TransactionReceipt:
        """Send a transaction and wait until it is mined; see TransactionSender.send for errors."""
        return await self._sender.send(account, intent)

    async def transfer(self, account: Account, to: str, wei: int) -> TransactionReceipt:
        """Send some of the chain's own coin."""
        return await self.send(account, Intent("a transfer", to, b"", wei))

    async def call_many(self, intents: Sequence[Intent]) -> list[bytes]:
        """What each call returns at the chain's head; raises what the first refusal means."""
        calls = [
            ("eth_call", [{"to": intent.to, "data": "0x" + intent.data.hex()}, "latest"])
            for intent in intents
        ]
        results: list[bytes] = []
        for intent, answer in zip(intents, await self.rpc.batch(calls), strict=True):
            if isinstance(answer, RpcError):
                raise refusal(answer, intent.what, known_errors())
            if not isinstance(answer, str):
                raise ChainUnreachable(f"{self.rpc.place} answers {intent.what} with nothing")
            results.append(bytes.fromhex(answer[2:]))
        return results

    async def balance(self, address: str) -> int:
        """Wei of the chain's own coin, which pays for gas."""
        return int(await self.rpc.ask("eth_getBalance", address, "latest"), 16)

    async def block(self, tag: str = "latest") -> Block:
        """The newest block; `tag` may also be "safe", "finalized" or a number in hexadecimal."""
        block = await self.rpc.ask("eth_getBlockByNumber", tag, False)
        if block is None:
            raise ChainUnreachable(f"{self.rpc.place} has no block {tag!r}")
        return Block(int(block["number"], 16), block["hash"], int(block["timestamp"], 16))

    async def next_time(self) -> int:
        """The time (Unix seconds) of the block to come, or of the last one where no node tells it:
        a chain that mines only what is sent stands still meanwhile."""
        try:
            return (await self.block("pending")).time
        except ChainUnreachable:
            return (await self.block()).time

    def follow(
        self, *contracts: Contract, first_block: int = 0, confirmations: int = 1
    ) -> EventFollower:
        """A reader of the events of some contracts, by default of all that the network has."""
        every = (
            *(self.token, self.registry, self.staking, self.escrow),
            *(self.dispute, self.misconduct),
        )
        abis = {contract.address: contract.abi for contract in contracts or every}
        return EventFollower(self.rpc, abis, first_block=first_block, confirmations=confirmations)

    async def close(self) -> None:
        """Close the connection."""
        await self.rpc.close()

    async def __aenter__(self) -> Chain:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def code_hash(code: bytes) -> str:
    """The hash of a contract's code as the address book writes it (EXTCODEHASH)."""
    return "0x" + keccak(code).hex()

"""Sends transactions: nonces, fees, the wait for the receipt, and what to do when it does not come.

Nonces are never kept longer than needed. While nothing of an account is in flight, the next nonce
is the chain's own pending count; while something is, it is the one after it. A broadcast happens
under the account's lock, and a nonce counts as used only if the node took the transaction: a
refused or failed sending leaves no gap.

The policy `sole_sender` is for accounts from which one process at a time sends only what may be
lost and sent again, as the moves of a dispute. What a dead process has left in the pool is then
replaced, where it would otherwise hold up everything behind it for as long as its fee is too low.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from aivm import host
from aivm.chain.account import Account, SignedTransaction, Transaction
from aivm.chain.artifact import known_errors
from aivm.chain.fees import Market, Offer, in_gwei
from aivm.chain.reverts import refusal
from aivm.chain.rpc import Rpc, RpcError
from aivm.errors import (
    ChainRejected,
    ChainUnreachable,
    DeadlineExceeded,
    FeesTooHigh,
    WrongChain,
)
from aivm.receipts.addresses import checked_address

_log = logging.getLogger(__name__)

_KNOWN = ("alreadyknown", "alreadyimported", "knowntransaction")
_NONCE_TOO_LOW = ("noncetoolow", "oldnonce")
_UNDERPRICED = ("replacementtransactionunderpriced",)
_NONCE_ATTEMPTS = 8
_DOUBLE = 2.0  # how much more is offered for the place of a transaction whose fee is not known
_LOST_POLLS = 20  # polls in a row that show our nonce used, but none of our receipts


@dataclass(frozen=True)
class SendPolicy:
    """How patiently transactions are sent; times in seconds."""

    confirmations: int = 1  # blocks, counting the transaction's own
    gas_margin: float = 1.25  # of the estimate, for state that changes until the block
    stuck_seconds: float = 20.0  # without a block for this long, the fee is raised
    fee_step: float = 1.25  # nodes want at least 10 % more for a replacement
    max_gas_price: int | None = None  # wei per unit of gas: more is never offered
    sole_sender: bool = False  # nobody else sends from these accounts
    outage_seconds: float = 15.0  # an unreachable node is asked again for this long
    deadline_seconds: float = 180.0
    first_poll_seconds: float = 0.004
    slowest_poll_seconds: float = 1.0


@dataclass(frozen=True)
class TransactionReceipt:
    """A mined, successful transaction; gas in units, the price in wei per unit."""

    hash: str
    block_number: int
    block_hash: str
    gas_used: int
    gas_price: int
    contract: str | None  # what it created
    logs: tuple[Mapping[str, Any], ...]  # as the node gave them; `events.decode_log` reads them

    @classmethod
    def from_json(cls, receipt: Mapping[str, Any]) -> TransactionReceipt:
        """From the answer of `eth_getTransactionReceipt`."""
        created = receipt.get("contractAddress")
        return cls(
            hash=receipt["transactionHash"],
            block_number=int(receipt["blockNumber"], 16),
            block_hash=receipt["blockHash"],
            gas_used=int(receipt["gasUsed"], 16),
            gas_price=int(receipt["effectiveGasPrice"], 16),
            contract=checked_address(created) if created else None,
            logs=tuple(receipt["logs"]),
        )


@dataclass(frozen=True)
class Intent:
    """What a transaction is to do, before gas, fees and nonce; `what` names it in errors."""

    what: str
    to: str | None
    data: bytes
    value: int = 0  # wei

    def as_call(self, sender: str) -> dict[str, str]:
        """The parameter object of `eth_call` and `eth_estimateGas`."""
        call = {"from": sender, "data": "0x" + self.data.hex(), "value": hex(self.value)}
        return call | ({"to": self.to} if self.to else {})


class _Lane:
    """One account's sendings from this process: a lock, and the nonces in flight."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.in_flight: set[int] = set()


class _NonceTaken(Exception):
    """Somebody else has used this nonce."""


class _Underpriced(Exception):
    """A transaction with this nonce waits already, and pays as much."""


class TransactionSender:
    """Sends transactions over one endpoint; safe to use from many tasks at once."""

    def __init__(self, rpc: Rpc, chain_id: int, policy: SendPolicy) -> None:
        self._rpc = rpc
        self._chain_id = chain_id
        self._policy = policy
        self._lanes: dict[str, _Lane] = {}

    async def send(self, account: Account, intent: Intent) -> TransactionReceipt:
        """Send and wait until it is mined and confirmed.

        Raises ChainRejected if it reverts, InsufficientFunds if gas or tokens cannot be paid,
        DeadlineExceeded if it is not mined in time, ChainUnreachable if the node goes away; the
        last two name the transaction's hash, because it may still be mined.
        """
        draft = await self._draft(account, intent)
        async with self._placed(account, draft, intent.what) as signed:
            receipt = await self._wait(account, signed)
        if receipt["status"] != "0x1":
            await self._explain(account, intent, signed, receipt)
        return TransactionReceipt.from_json(receipt)

    async def _draft(self, account: Account, intent: Intent) -> Transaction:
        """Gas and fees, in one request; the nonce is still 0."""
        gas, block, tip = await self._rpc.batch(
            [
                ("eth_estimateGas", [intent.as_call(account.address), "latest"]),
                ("eth_getBlockByNumber", ["latest", False]),
                ("eth_maxPriorityFeePerGas", []),
            ]
        )
        for answer in (gas, block, tip):
            if isinstance(answer, RpcError):
                raise refusal(answer, intent.what, known_errors())
        offer = self._market(block, tip).offer(self._policy.max_gas_price)
        estimate = int(gas, 16)
        limit = int(estimate * self._policy.gas_margin) + _fingerprint()
        return Transaction(
            chain_id=self._chain_id,
            nonce=0,
            to=intent.to,
            data=intent.data,
            gas=max(estimate, min(limit, int(block["gasLimit"], 16))),
            max_fee=offer.max_fee,
            priority_fee=offer.priority_fee,
            value=intent.value,
        )

    def _market(self, block: Mapping[str, Any], tip: str) -> Market:
        if "baseFeePerGas" not in block:
            raise WrongChain(f"chain {self._chain_id} has no EIP-1559 fees, which AIVM needs")
        return Market(int(block["baseFeePerGas"], 16), int(tip, 16))

    async def _ask_market(self) -> Market:
        block, tip = await self._rpc.batch(
            [("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])]
        )
        for answer in (block, tip):
            if isinstance(answer, RpcError):
                raise ChainUnreachable(f"{self._rpc.place} does not say what gas costs: {answer}")
        return self._market(block, tip)

    @asynccontextmanager
    async def _placed(
        self, account: Account, draft: Transaction, what: str
    ) -> AsyncIterator[SignedTransaction]:
        """The transaction signed with its nonce and taken by the node; in flight until the exit."""
        lane = self._lanes.setdefault(account.address, _Lane())
        async with lane.lock:
            signed = await self._place(account, draft, what, lane)
            nonce = signed.transaction.nonce
            lane.in_flight.add(nonce)
        try:
            yield signed
        finally:
            lane.in_flight.discard(nonce)

    async def _place(
        self, account: Account, draft: Transaction, what: str, lane: _Lane
    ) -> SignedTransaction:
        taken = -1
        for _ in range(_NONCE_ATTEMPTS):
            nonce = max(await self._next_nonce(account, lane), taken + 1)
            signed = account.sign_transaction(replace(draft, nonce=nonce))
            try:
                await self._broadcast(signed, what)
            except _NonceTaken:  # another process sends with the same key
                taken = nonce
            except _Underpriced:
                if not self._policy.sole_sender:
                    taken = nonce
                    continue
                draft = await self._outbid(draft, what)
            else:
                return signed
        raise ChainRejected(
            f"{what} found its nonce taken {_NONCE_ATTEMPTS} times",
            hint=f"Another process is sending from {account.address}; use one account a process.",
        )

    async def _next_nonce(self, account: Account, lane: _Lane) -> int:
        if not self._policy.sole_sender:
            pending = await self._count(account, "pending")
            return max(pending, max(lane.in_flight, default=-1) + 1)
        # The first place that no sending of this process holds, whoever waits there.
        nonce = await self._count(account, "latest")
        while nonce in lane.in_flight:
            nonce += 1
        return nonce

    async def _count(self, account: Account, tag: str) -> int:
        return int(await self._rpc.ask("eth_getTransactionCount", account.address, tag), 16)

    async def _outbid(self, draft: Transaction, what: str) -> Transaction:
        """The draft with an offer that may displace what a dead process has left in the pool."""
        market, last = await self._ask_market(), Offer(draft.max_fee, draft.priority_fee)
        cap = self._policy.max_gas_price
        offer = market.better(last, _DOUBLE, cap)
        if offer is None:
            assert cap is not None, "without a cap there is always a better offer"
            raise FeesTooHigh(
                f"{what} cannot displace an older transaction for {in_gwei(cap)} a unit of gas",
                hint="Allow more for gas, or wait until the older one is mined.",
            )
        return replace(draft, max_fee=offer.max_fee, priority_fee=offer.priority_fee)

    async def _broadcast(self, signed: SignedTransaction, what: str) -> None:
        """Hand the bytes to the node; handing over the same bytes again is no error."""
        try:
            await self._rpc.call("eth_sendRawTransaction", "0x" + signed.raw.hex())
        except RpcError as error:
            message = error.message.lower().replace(" ", "")
            if any(text in message for text in _KNOWN):
                return
            waits = any(text in message for text in _UNDERPRICED)
            if not waits and not any(text in message for text in _NONCE_TOO_LOW):
                raise refusal(error, what, known_errors()) from None
            # after a lost answer our own transaction may be what took the nonce
            if await self._rpc.ask("eth_getTransactionByHash", signed.hash) is None:
                raise (_Underpriced if waits else _NonceTaken) from None
        except ChainUnreachable as error:
            raise _outcome_unknown(error, signed.hash) from None

    async def _wait(self, account: Account, first: SignedTransaction) -> Mapping[str, Any]:
        """The receipt of the transaction, or of a replacement with a higher fee."""
        versions = [first]
        patience = _Patience(self._policy, first.hash)
        while True:
            try:
                receipt, count = await self._find(account, versions)
                patience.reached()
                if receipt is not None and await self._is_confirmed(receipt):
                    return receipt
                is_used = count > first.transaction.nonce
                patience.check(nonce_lost=receipt is None and is_used)
                if receipt is None and patience.is_stuck():
                    self._check_gap(account, first, count)
                    await self._raise_fee(account, versions, patience)
            except ChainUnreachable as error:
                patience.unreachable(error)
            await patience.pause()

    async def _find(
        self, account: Account, versions: list[SignedTransaction]
    ) -> tuple[Mapping[str, Any] | None, int]:
        """The receipt of whichever version was mined, and how many nonces are used up."""
        count, *receipts = await self._rpc.batch(
            [
                ("eth_getTransactionCount", [account.address, "latest"]),
                *(("eth_getTransactionReceipt", [version.hash]) for version in versions),
            ]
        )
        found = [receipt for receipt in receipts if isinstance(receipt, dict)]
        used = int(count, 16) if isinstance(count, str) else 0
        return (found[0] if found else None), used

    def _check_gap(self, account: Account, stuck: SignedTransaction, count: int) -> None:
        """Raise if a transaction waits behind a nonce that nobody fills: a reorganisation has taken
        back an older one. Whoever sends again fills it then.
        """
        waiting = self._lanes[account.address].in_flight
        nonce = stuck.transaction.nonce
        if self._policy.sole_sender and count < nonce and count not in waiting:
            raise DeadlineExceeded(
                f"transaction {stuck.hash} waits behind nonce {count}, which is free again after a"
                " reorganisation; it may still be mined"
            )

    async def _is_confirmed(self, receipt: Mapping[str, Any]) -> bool:
        """Whether enough blocks stand on it. It is looked up again for each poll: blocks can go."""
        if self._policy.confirmations <= 1:
            return True
        head = int(await self._rpc.ask("eth_blockNumber"), 16)
        return head - int(receipt["blockNumber"], 16) + 1 >= self._policy.confirmations

    async def _raise_fee(
        self, account: Account, versions: list[SignedTransaction], patience: _Patience
    ) -> None:
        """Send the same transaction again, paying more; a dropped one comes back by that too."""
        last = versions[-1].transaction
        market, cap = await self._ask_market(), self._policy.max_gas_price
        offer = market.better(Offer(last.max_fee, last.priority_fee), self._policy.fee_step, cap)
        if offer is None:
            assert cap is not None, "without a cap there is always a better offer"
            patience.met_cap(Offer(last.max_fee, last.priority_fee), market, cap)
            signed = versions.pop()  # the same bytes again, in case that the node has dropped them
        else:
            dearer = replace(last, max_fee=offer.max_fee, priority_fee=offer.priority_fee)
            signed = account.sign_transaction(dearer)
            _log.info("transaction %s is stuck, it pays more as %s", versions[0].hash, signed.hash)
        versions.append(signed)
        try:
            await self._broadcast(signed, "a replacement")
        except (_NonceTaken, _Underpriced, ChainRejected) as refused:
            # mined meanwhile, and the next poll shows it; or the node keeps the one it has
            _log.info("replacement %s is not taken: %s", signed.hash, refused)

    async def _explain(
        self,
        account: Account,
        intent: Intent,
        signed: SignedTransaction,
        receipt: Mapping[str, Any],
    ) -> None:
        """Raise ChainRejected for a mined but failed transaction, with the reason of a replay."""
        if int(receipt["gasUsed"], 16) >= signed.transaction.gas:
            raise ChainRejected(f"{intent.what} ran out of gas in transaction {signed.hash}")
        parent = hex(int(receipt["blockNumber"], 16) - 1)
        for block in (parent, "latest"):  # a node may have dropped the parent's state
            try:
                await self._rpc.call("eth_call", intent.as_call(account.address), block)
            except RpcError as error:
                if error.data:
                    raise refusal(error, intent.what, known_errors()) from None
        raise ChainRejected(f"{intent.what} failed in transaction {signed.hash}, for a reason past")


def _fingerprint() -> int:
    """Some gas on top of the limit, which costs nothing and makes a transaction unlike any other.

    Two processes with one key could otherwise send the same bytes for two payments; the node would
    call the second one known, and one payment would be missing.
    """
    return int.from_bytes(host.random_bytes(2), "big") // 4


class _Patience:
    """The clocks of one wait: pauses, stuck, outage, deadline."""

    def __init__(self, policy: SendPolicy, transaction: str) -> None:
        now = host.monotonic()
        self._policy = policy
        self._transaction = transaction
        self._deadline = now + policy.deadline_seconds
        self._stuck_at = now + policy.stuck_seconds
        self._reached_at = now
        self._pause = policy.first_poll_seconds
        self._lost_polls = 0
        self._has_met_cap = False

    def reached(self) -> None:
        """The node has just answered."""
        self._reached_at = host.monotonic()

    def unreachable(self, error: ChainUnreachable) -> None:
        """The node did not answer: raise, once that has lasted too long."""
        if host.monotonic() - self._reached_at > self._policy.outage_seconds:
            raise _outcome_unknown(error, self._transaction)

    def check(self, *, nonce_lost: bool) -> None:
        """Raise if the deadline is past, or if another transaction was mined with our nonce."""
        # several polls in a row, because nodes behind one address may lag behind each other
        self._lost_polls = self._lost_polls + 1 if nonce_lost else 0
        if self._lost_polls >= _LOST_POLLS:
            raise ChainRejected(
                f"another transaction was mined in the place of {self._transaction}",
                hint="Another process sends with the same key; look at the account first.",
            )
        if host.monotonic() > self._deadline:
            raise DeadlineExceeded(
                f"transaction {self._transaction} was not confirmed within"
                f" {self._policy.deadline_seconds:g} s; it may still be mined"
            )

    def met_cap(self, offer: Offer, market: Market, cap: int) -> None:
        """No more may be offered: say so, once."""
        if not self._has_met_cap:
            _log.warning(
                "transaction %s waits: it offers %s for gas, the cap is %s, blocks ask for %s",
                *(self._transaction, in_gwei(offer.max_fee), in_gwei(cap)),
                in_gwei(market.base_fee + market.priority_fee),
            )
        self._has_met_cap = True

    def is_stuck(self) -> bool:
        """Whether it is time to raise the fee; True once per `stuck_seconds`."""
        now = host.monotonic()
        if now < self._stuck_at:
            return False
        self._stuck_at = now + self._policy.stuck_seconds
        return True

    async def pause(self) -> None:
        """Sleep a little longer each time."""
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 1.5, self._policy.slowest_poll_seconds)


def _outcome_unknown(error: ChainUnreachable, transaction: str) -> ChainUnreachable:
    return ChainUnreachable(
        f"{error.message}; transaction {transaction} may have been sent, its outcome is unknown",
        hint="When the chain is back, look the transaction up before you send another.",
    )

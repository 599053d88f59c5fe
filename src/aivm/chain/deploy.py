"""Deploys AIVM's contracts to a chain and writes down where they are.

No privilege stays with the deployer: governance is named in the constructors. What only governance
may do then, the deployer does where it governs itself; otherwise that is left, and handed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from aivm.chain import artifact
from aivm.chain.abi import encode
from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook, ContractEntry
from aivm.chain.client import code_hash
from aivm.chain.rpc import Rpc
from aivm.chain.transactions import Intent, SendPolicy, TransactionReceipt, TransactionSender
from aivm.errors import InternalError

_HOUR = 3600
_DAY = 24 * _HOUR
_TOKEN = 10**18
# What `Numerics` asks, in the order of its constructor.
_FLOAT_FUNCTIONS = ("Exponentials", "Hyperbolics", "Trigonometry")
_SLASHER_ROLE = bytes(keccak(b"SLASHER_ROLE"))


@dataclass(frozen=True)
class DeploymentParameters:
    """What a network decides when it is deployed; the defaults are for development networks.

    Times in seconds, amounts in token base units, 100 basis points are 1 %.
    """

    governance: str  # may change fees and minimum stake, revoke models, appoint slashers
    treasury: str  # receives the fees
    token_holder: str  # receives the whole supply
    fee_bps: int = 250
    challenge_period: int = _HOUR
    unbonding_delay: int = 7 * _DAY
    minimum_stake: int = 1_000 * _TOKEN
    dispute_window: int = _DAY  # after a receipt's time; shorter than the unbonding delay
    dispute_clock: int = _HOUR  # of each player of a dispute, for all moves
    dispute_bond: int = 100 * _TOKEN  # what a challenger puts up
    dispute_penalty: int = 500 * _TOKEN  # what a conviction takes from the stake
    answer_time: int = 6 * _HOUR  # for a summoned provider to show what stands behind an order

    @classmethod
    def for_devnet(cls, owner: str) -> DeploymentParameters:
        """One account in all three roles."""
        return cls(governance=owner, treasury=owner, token_holder=owner)


@dataclass(frozen=True)
class Deployment:
    """The contracts of a network, and what governance has yet to send before disputes can begin."""

    address_book: AddressBook
    left_to_governance: tuple[Intent, ...]


async def deploy(
    rpc: Rpc,
    account: Account,
    parameters: DeploymentParameters,
    *,
    policy: SendPolicy | None = None,
) -> Deployment:
    """Deploy every contract, each once the ones that it needs are there; `account` pays the gas.

    Raises ChainRejected if a constructor refuses a parameter.
    """
    chain_id = int(await rpc.ask("eth_chainId"), 16)
    crew = _Crew(rpc, TransactionSender(rpc, chain_id, policy or SendPolicy()), account)
    governance = parameters.governance
    token = await crew.create("AIVMToken", parameters.token_holder)
    registry = await crew.create("ModelRegistry", governance)
    staking = await crew.create(
        "Staking", token, governance, parameters.unbonding_delay, parameters.minimum_stake
    )
    escrow = await crew.create(
        "EscrowManager",
        token,
        registry,
        governance,
        parameters.treasury,
        parameters.fee_bps,
        parameters.challenge_period,
    )
    game = await _create_dispute_game(crew, staking, parameters)
    misconduct = await crew.create("Misconduct", game, escrow, parameters.answer_time)
    appointments = [_appointment(staking, slasher) for slasher in (game, misconduct)]
    book = AddressBook(chain_id, crew.entries)
    if account.address != governance:
        return Deployment(book, tuple(appointments))
    for appointment in appointments:
        await crew.send(appointment)
    return Deployment(book, ())


async def _create_dispute_game(crew: _Crew, staking: str, parameters: DeploymentParameters) -> str:
    functions = [await crew.create(name) for name in _FLOAT_FUNCTIONS]
    judge = await crew.create("OneStep", await crew.create("Numerics", *functions))
    return await crew.create(
        "DisputeGame",
        staking,
        await crew.create("Referee", judge),
        parameters.dispute_window,
        parameters.dispute_clock,
        parameters.dispute_bond,
        parameters.dispute_penalty,
    )


def _appointment(staking: str, slasher: str) -> Intent:
    """Governance lets a contract hold and slash stakes."""
    data = artifact.load("Staking").abi.encode_call("grantRole", [_SLASHER_ROLE, slasher])
    return Intent(f"Staking.grantRole(SLASHER_ROLE, {slasher})", staking, data)


class _Crew:
    """Creates contracts one by one and keeps the entries of the address book."""

    def __init__(self, rpc: Rpc, sender: TransactionSender, account: Account) -> None:
        self._rpc = rpc
        self._sender = sender
        self._account = account
        self.entries: dict[str, ContractEntry] = {}

    async def create(self, name: str, *arguments: Any) -> str:
        """Create the contract called `name`; returns its address."""
        shipped = artifact.load(name)
        data = shipped.bytecode + encode(shipped.abi.constructor, arguments, what=name)
        receipt = await self.send(Intent(f"the deployment of {name}", None, data))
        if receipt.contract is None:
            raise InternalError(f"the deployment of {name} created no contract")
        code = await self._rpc.ask("eth_getCode", receipt.contract, hex(receipt.block_number))
        self.entries[name] = ContractEntry(receipt.contract, code_hash(bytes.fromhex(code[2:])))
        return receipt.contract

    async def send(self, intent: Intent) -> TransactionReceipt:
        """Send one more transaction of the deployer's."""
        return await self._sender.send(self._account, intent)

"""Opening a game: every reason against it is found before any money moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.fees import in_gwei
from aivm.dispute.state import game_id, receipt_hash
from aivm.dispute.trace import ProgramTree
from aivm.errors import BadSignature, ChainRejected, InsufficientFunds, MalformedReceipt, NotAllowed
from aivm.litigation.execution import demand_disputable
from aivm.receipts import SignedReceipt

GAME_GAS = 1_000_000
"""More than one side's moves of a game about a model like MiniLM take, in units of gas."""

MOST_AHEAD_SECONDS = 900
"""How far a receipt may be dated ahead of the chain for its opening to wait."""

_POLL_SECONDS = 1.0
_TOKEN = _COIN = 10**18
_NO_GAME = bytes(32)


async def demand_open_to_dispute(chain: Chain, signed: SignedReceipt) -> None:
    """Raise unless the chain would let somebody doubt this receipt now.

    NotAllowed (its kind, its age, or it is convicted already), MalformedReceipt (of another
    network), BadSignature (not the provider's: the receipt is nobody's claim).
    """
    demand_disputable(signed)
    await demand_binding(chain, signed)
    if await chain.dispute.convicted(receipt_hash(signed.receipt)):
        raise NotAllowed(
            "the receipt is convicted already: there is nothing left to win",
            hint="`aivm dispute collect RECEIPT` pays its client, if nobody has yet.",
        )


def demand_claim_here(chain: Chain, signed: SignedReceipt) -> None:
    """Raise MalformedReceipt unless the receipt is somebody's claim on this very network."""
    if signed.signature is None:
        raise MalformedReceipt(
            "nobody has signed this receipt: it is a local run's",
            hint="Buy the run from a provider: aivm run owner/name --receipt --inputs.",
        )
    if signed.domain != chain.staking.domain:
        raise MalformedReceipt(
            f"the receipt counts on chain {signed.domain.chain_id} under {signed.domain.contract},"
            f" this network is chain {chain.chain_id} with {chain.staking.address}",
            hint="Choose the network that it is from: --rpc-url, --address-book.",
        )


async def demand_binding(chain: Chain, signed: SignedReceipt) -> None:
    """Raise unless a provider of this network answers for the receipt now.

    NotAllowed (its age), MalformedReceipt (unsigned, of another network), BadSignature.
    """
    demand_claim_here(chain, signed)
    receipt = signed.receipt
    terms, block = await chain.dispute.terms(), await chain.block()
    if receipt.time > block.time + MOST_AHEAD_SECONDS:
        raise NotAllowed(
            f"the receipt is dated {receipt.time - block.time} s ahead of the chain:"
            " it cannot be disputed before that time"
        )
    if receipt.time + terms.window < block.time:
        late = block.time - receipt.time - terms.window
        raise NotAllowed(
            f"the receipt could be disputed for {terms.window} s, and that was over {late} s ago"
        )
    if not await chain.staking.is_signed_receipt(signed):
        raise BadSignature(
            f"the receipt is not signed by a hot key that {receipt.provider} had at its time",
            hint="Such a receipt binds nobody, so nobody can be convicted by it.",
        )


async def find_game(chain: Chain, account: Account, signed: SignedReceipt) -> bytes | None:
    """The id of this account's game about a receipt, if one is open."""
    game = game_id(receipt_hash(signed.receipt), account.address)
    return None if await chain.dispute.stored(game) == _NO_GAME else game


async def open_game(
    chain: Chain,
    account: Account,
    signed: SignedReceipt,
    program: ProgramTree,
    report: Callable[[str], None],
) -> bytes:
    """Allow the bond and open the game; returns its id. Raises InsufficientFunds before that."""
    terms = await chain.dispute.terms()
    missing = terms.bond - await chain.dispute.credit(account.address)
    await _demand_funds(chain, account, missing)
    await demand_gas_money(chain, account)
    if missing > 0:
        await chain.token.ensure_allowance(account, chain.dispute.address, missing)
    await _wait_for_time(chain, signed.receipt.time, report)
    try:
        game = await chain.dispute.open(account, signed, program.record(0), program.path(0))
    except ChainRejected as refused:
        found = await find_game(chain, account, signed)
        if refused.error != "GameExists" or found is None:
            raise
        return found  # an earlier attempt of ours, whose outcome was not known
    report(f"dispute {game.hex()[:8]} is open, with a bond of {terms.bond / _TOKEN:g} AIVM")
    return game


async def _wait_for_time(chain: Chain, time: int, report: Callable[[str], None]) -> None:
    """Clocks differ a little: wait for the block whose time is the receipt's."""
    ahead = time - await chain.next_time()
    if ahead > 0:
        report(f"the receipt is dated {ahead} s ahead of the newest block: waiting for the chain")
    while ahead > 0:
        await asyncio.sleep(_POLL_SECONDS)
        ahead = time - await chain.next_time()


async def _demand_funds(chain: Chain, account: Account, missing: int) -> None:
    held = await chain.token.balance_of(account.address)
    if held < missing:
        bond = (await chain.dispute.terms()).bond
        raise InsufficientFunds(
            f"a dispute takes a bond of {bond / _TOKEN:g} AIVM, {account.address} has"
            f" {(held + bond - missing) / _TOKEN:g}, with its credit at the dispute game",
            hint="Send it tokens: the bond comes home if the receipt is convicted.",
        )


async def demand_gas_money(chain: Chain, account: Account) -> None:
    """Raise InsufficientFunds unless the account can pay for one side of a whole game now."""
    price = int(await chain.rpc.ask("eth_gasPrice"), 16)
    coins = await chain.balance(account.address)
    if coins < GAME_GAS * price:
        raise InsufficientFunds(
            f"{account.address} has {coins / _COIN:.6g} of the chain's coin, and a whole dispute"
            f" takes about {GAME_GAS * price / _COIN:.6g} at {in_gwei(price)} a unit of gas",
            hint="Send it some: who cannot pay for a move in time loses the dispute.",
        )

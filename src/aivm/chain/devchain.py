"""`DevChain`: a local chain with funded accounts, a clock that can be moved, and snapshots.

    async with DevChain.start(chain_id=31337) as devchain:
        address_book = await devchain.deploy()
        async with await Chain.connect(devchain.url, address_book) as chain:
            await chain.token.transfer(devchain.accounts[0], devchain.accounts[1].address, 10**18)

Its accounts follow from a public seed and hold play money: they are for this machine only.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook
from aivm.chain.anvil import AnvilProcess
from aivm.chain.deploy import DeploymentParameters, deploy
from aivm.chain.rpc import Rpc
from aivm.errors import NotFound

DEFAULT_SEED = "aivm devnet"
DEFAULT_BALANCE = 10_000 * 10**18  # wei


class DevChain:
    """A development chain that answers at `url`, whoever started it."""

    def __init__(self, url: str, accounts: Sequence[Account]) -> None:
        self.url = url
        self.accounts = tuple(accounts)
        self.rpc = Rpc(url)

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        chain_id: int = 31337,
        port: int = 0,
        state: Path | None = None,
        block_seconds: float | None = None,
        accounts: int = 10,
        seed: str = DEFAULT_SEED,
    ) -> AsyncIterator[DevChain]:
        """Start anvil (see AnvilProcess), fund the seed's accounts, and stop it at the end."""
        with AnvilProcess(
            chain_id=chain_id, port=port, state=state, block_seconds=block_seconds
        ) as process:
            async with cls.attach(process.url, accounts=accounts, seed=seed) as devchain:
                yield devchain

    @classmethod
    @asynccontextmanager
    async def attach(
        cls, url: str, *, accounts: int = 10, seed: str = DEFAULT_SEED
    ) -> AsyncIterator[DevChain]:
        """Use a running development chain; accounts of the seed that have nothing are funded."""
        devchain = cls(url, [dev_account(index, seed) for index in range(accounts)])
        async with devchain.rpc:
            for account in devchain.accounts:
                if await devchain.rpc.call("eth_getBalance", account.address, "latest") == "0x0":
                    await devchain.fund(account.address)
            yield devchain

    async def fund(self, address: str, wei: int = DEFAULT_BALANCE) -> None:
        """Set an account's balance of the chain's own coin."""
        await self.rpc.call("anvil_setBalance", address, hex(wei))

    async def deploy(self, parameters: DeploymentParameters | None = None) -> AddressBook:
        """Deploy AIVM's contracts from the account that governs; by default the first does.

        By default that account also receives the fees and holds all tokens. Raises NotFound if
        `parameters` name a governance that is none of this chain's accounts.
        """
        chosen = parameters or DeploymentParameters.for_devnet(self.accounts[0].address)
        for account in self.accounts:
            if account.address == chosen.governance:
                return (await deploy(self.rpc, account, chosen)).address_book
        raise NotFound(f"governance {chosen.governance} is no account of this development chain")

    async def advance(self, seconds: int) -> None:
        """Move the chain's clock forward and mine a block, so that contracts see the new time."""
        await self.rpc.call("evm_increaseTime", seconds)
        await self.mine()

    async def mine(self, blocks: int = 1) -> None:
        """Mine blocks with whatever transactions wait."""
        await self.rpc.call("anvil_mine", hex(blocks))

    async def set_automine(self, enabled: bool) -> None:
        """Whether each transaction gets its block at once; without, they wait for `mine`."""
        await self.rpc.call("evm_setAutomine", enabled)

    async def snapshot(self) -> str:
        """Remember the whole state; the answer is for `revert`."""
        return str(await self.rpc.call("evm_snapshot"))

    async def revert(self, snapshot: str) -> None:
        """Go back to a snapshot (once): for a reader of events this is a reorganisation."""
        await self.rpc.call("evm_revert", snapshot)


def dev_account(index: int, seed: str = DEFAULT_SEED) -> Account:
    """The account number `index` of a seed: its key is SHA-256 of the two. Never for real money."""
    return Account(hashlib.sha256(f"{seed} account {index}".encode()).digest())

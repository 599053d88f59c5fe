"""The AIVM token (ERC-20, 18 decimals): balances, transfers, allowances."""

from __future__ import annotations

from aivm.chain.account import Account
from aivm.chain.contract import Contract
from aivm.chain.transactions import TransactionReceipt


class Token(Contract):
    """Amounts are integers in base units: one token is 10**18."""

    NAME = "AIVMToken"

    async def balance_of(self, address: str) -> int:
        """What the address holds."""
        return int(await self._call("balanceOf", address))

    async def allowance(self, owner: str, spender: str) -> int:
        """What `spender` may still take from `owner`."""
        return int(await self._call("allowance", owner, spender))

    async def total_supply(self) -> int:
        """All tokens there are."""
        return int(await self._call("totalSupply"))

    async def transfer(self, account: Account, to: str, amount: int) -> TransactionReceipt:
        """Give tokens away. Raises InsufficientFunds."""
        return await self._send(account, "transfer", to, amount)

    async def approve(self, account: Account, spender: str, amount: int) -> TransactionReceipt:
        """Let `spender` take up to `amount`; replaces what was allowed before."""
        return await self._send(account, "approve", spender, amount)

    async def ensure_allowance(self, account: Account, spender: str, amount: int) -> None:
        """Approve `amount` unless at least as much is allowed already."""
        if await self.allowance(account.address, spender) < amount:
            await self.approve(account, spender, amount)

    async def burn(self, account: Account, amount: int) -> TransactionReceipt:
        """Destroy one's own tokens."""
        return await self._send(account, "burn", amount)

"""What a verdict owes is paid once, and what was won comes home but for the next bonds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aivm.chain.account import Account
from aivm.chain.cases import Status
from aivm.errors import ChainRejected
from aivm.litigation.collecting import Collector

OURS, OTHERS = Account(b"\x01" * 32), Account(b"\x02" * 32)
TOKEN = 10**18


class FakeDispute:
    """Verdicts and credits as the contract keeps them."""

    def __init__(self) -> None:
        self.shares = {b"ours": 50 * TOKEN, b"others": 50 * TOKEN, b"acquitted": 0}
        self.credits = 300 * TOKEN
        self.compensated: list[str] = []
        self.quicker = False

    async def verdict(self, receipt: bytes) -> Any:
        return SimpleNamespace(share=self.shares[receipt])

    async def compensate(self, _: Account, receipt: Any) -> None:
        self.shares[receipt.key] = 0
        if self.quicker:
            raise ChainRejected("reverted", error="NothingOwed")
        self.compensated.append(receipt.client)

    async def credit(self, _: str) -> int:
        return self.credits

    async def withdraw(self, _: Account, amount: int) -> None:
        self.credits -= amount


def case(key: bytes, challenger: Account, status: Status) -> Any:
    receipt = SimpleNamespace(key=key, client=f"client of {key.decode()}")
    state = SimpleNamespace(receipt=key)
    return SimpleNamespace(
        state=state, receipt=receipt, challenger=challenger.address, status=status
    )


def collector(dispute: FakeDispute, keep: int, said: list[str]) -> Collector:
    cases = [
        case(b"ours", OURS, Status.CONVICTED),
        case(b"others", OTHERS, Status.CONVICTED),
        case(b"acquitted", OURS, Status.ACQUITTED),
    ]
    chain: Any = SimpleNamespace(dispute=dispute)
    docket: Any = SimpleNamespace(cases=cases)
    return Collector(chain, OURS, docket, keep=keep, report=said.append)


async def test_our_clients_are_paid_once_and_the_rest_comes_home() -> None:
    dispute, said = FakeDispute(), list[str]()
    collecting = collector(dispute, 200 * TOKEN, said)
    for _ in range(3):
        await collecting.look()
    assert dispute.compensated == ["client of ours"]
    assert dispute.credits == 200 * TOKEN
    assert len(said) == 2 and "50 AIVM" in said[0] and "100 AIVM" in said[1]


async def test_somebody_quicker_is_no_failure() -> None:
    dispute = FakeDispute()
    dispute.quicker = True
    await collector(dispute, 0, []).look()
    assert dispute.credits == 0

"""The start-up check, calls, and what a client sees when something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from aivm.chain.account import Account
from aivm.chain.address_book import AddressBook, ContractEntry
from aivm.chain.anvil import AnvilProcess
from aivm.chain.client import Chain
from aivm.chain.devchain import DevChain
from aivm.chain.transactions import Intent, SendPolicy
from aivm.errors import ChainRejected, ChainUnreachable, InsufficientFunds, WrongChain


async def test_connect_accepts_the_network_of_its_address_book(deployed: Chain) -> None:
    block = await deployed.block()
    assert deployed.chain_id == 31337
    assert block.number >= 4
    assert block.hash.startswith("0x")


async def test_connect_refuses_another_chain_id(deployed: Chain) -> None:
    book = replace(deployed.address_book, chain_id=1)
    with pytest.raises(WrongChain, match="serves chain 31337, the address book is for 1"):
        await Chain.connect(deployed.rpc.url, book)


async def test_connect_refuses_other_code(deployed: Chain) -> None:
    contracts = dict(deployed.address_book.contracts)
    contracts["Staking"] = replace(contracts["Staking"], code_hash="0x" + "11" * 32)
    with pytest.raises(WrongChain, match=r"other code at 0x\w{40}, where Staking"):
        await Chain.connect(deployed.rpc.url, AddressBook(31337, contracts))


async def test_connect_refuses_an_address_without_code(deployed: Chain) -> None:
    contracts = dict(deployed.address_book.contracts)
    contracts["Staking"] = ContractEntry("0x" + "11" * 20, contracts["Staking"].code_hash)
    with pytest.raises(WrongChain, match="no code"):
        await Chain.connect(deployed.rpc.url, AddressBook(31337, contracts))


async def test_connect_to_nothing_is_unreachable(unused_tcp_port: int) -> None:
    with pytest.raises(ChainUnreachable, match="does not answer"):
        await Chain.connect(f"http://127.0.0.1:{unused_tcp_port}", AddressBook(1, {}))


async def test_a_chain_killed_midway_is_unreachable_and_its_transaction_is_named() -> None:
    with AnvilProcess() as process:
        async with DevChain.attach(process.url, accounts=2) as devchain:
            book = await devchain.deploy()
            policy = SendPolicy(outage_seconds=0.2)
            async with await Chain.connect(devchain.url, book, policy=policy) as chain:
                sender, receiver = devchain.accounts
                await chain.token.transfer(sender, receiver.address, 1)
                process.kill()
                with pytest.raises(ChainUnreachable):
                    await chain.token.transfer(sender, receiver.address, 1)
                with pytest.raises(ChainUnreachable):
                    await chain.token.balance_of(receiver.address)


async def test_a_revert_names_the_contracts_error_and_its_arguments(
    deployed: Chain, devchain: DevChain
) -> None:
    stranger = devchain.accounts[3]
    with pytest.raises(ChainRejected) as caught:
        await deployed.staking.stake(stranger, 5)
    assert caught.value.error == "UnknownProvider"
    assert caught.value.arguments == {"provider": stranger.address}
    assert (
        caught.value.message
        == f"Staking.stake is refused: UnknownProvider(provider={stranger.address})"
    )


async def test_an_error_of_a_contract_behind_the_called_one_is_named_too(
    deployed: Chain, devchain: DevChain
) -> None:
    provider = devchain.accounts[0]
    await deployed.staking.register_provider(provider, Account.generate().address, "http://p")
    with pytest.raises(ChainRejected) as caught:
        await deployed.staking.stake(provider, 5)
    assert caught.value.error == "ERC20InsufficientAllowance"
    assert "Approve" in caught.value.hint


async def test_too_few_tokens(deployed: Chain, devchain: DevChain) -> None:
    poor, other = devchain.accounts[1:3]
    with pytest.raises(InsufficientFunds, match=r"ERC20InsufficientBalance.*needed=5"):
        await deployed.token.transfer(poor, other.address, 5)


async def test_no_coin_for_gas(deployed: Chain) -> None:
    with pytest.raises(InsufficientFunds, match=r"cannot pay the gas of AIVMToken\.approve"):
        await deployed.token.approve(Account.generate(), deployed.escrow.address, 1)


async def test_more_coin_than_there_is(deployed: Chain, devchain: DevChain) -> None:
    sender, receiver = devchain.accounts[:2]
    with pytest.raises(InsufficientFunds):
        await deployed.transfer(sender, receiver.address, 10**30)


async def test_coin_arrives(deployed: Chain, devchain: DevChain) -> None:
    receiver = Account.generate().address
    receipt = await deployed.transfer(devchain.accounts[0], receiver, 7)
    assert await deployed.balance(receiver) == 7
    assert receipt.gas_used == 21_000


async def test_an_answer_that_is_not_of_the_contract_is_refused(deployed: Chain) -> None:
    (answer,) = await deployed.call_many([Intent("a call of nothing", "0x" + "11" * 20, b"")])
    with pytest.raises(WrongChain, match="are no"):
        deployed.token.abi.decode_result("balanceOf", answer)


async def test_a_node_that_answers_a_call_with_nothing_is_out_of_reach(
    deployed: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(calls: Sequence[object]) -> list[None]:
        return [None for _ in calls]

    monkeypatch.setattr(deployed.rpc, "batch", nothing)
    with pytest.raises(ChainUnreachable, match="WINDOW with nothing"):
        await deployed.dispute.terms()

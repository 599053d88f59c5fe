"""Deployment: parameters reach the contracts, and nothing is left to the deployer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.deploy import DeploymentParameters, deploy
from aivm.chain.devchain import DevChain
from aivm.errors import BadInput, ChainRejected

ADMIN = bytes(32)  # OpenZeppelin's DEFAULT_ADMIN_ROLE


async def test_parameters_reach_the_contracts(devchain: DevChain) -> None:
    deployer, governance, treasury, holder = devchain.accounts[:4]
    parameters = DeploymentParameters(
        governance=governance.address,
        treasury=treasury.address,
        token_holder=holder.address,
        fee_bps=123,
        challenge_period=600,
        unbonding_delay=7200,
        minimum_stake=5,
    )
    book = await deploy(devchain.rpc, deployer, parameters)
    async with await Chain.connect(devchain.url, book) as chain:
        assert await chain.escrow.fee_bps() == 123
        assert await chain.escrow.challenge_period() == 600
        assert await chain.escrow.treasury() == treasury.address
        assert await chain.staking.unbonding_delay() == 7200
        assert await chain.staking.minimum_stake() == 5
        supply = await chain.token.total_supply()
        assert await chain.token.balance_of(holder.address) == supply
        for contract in (chain.registry, chain.staking, chain.escrow):
            assert await contract._call("hasRole", ADMIN, governance.address)
            assert not await contract._call("hasRole", ADMIN, deployer.address)


async def test_two_deployments_have_two_address_books(devchain: DevChain) -> None:
    first, second = await devchain.deploy(), await devchain.deploy()
    assert first.contracts.keys() == second.contracts.keys()
    addresses = {entry.address for book in (first, second) for entry in book.contracts.values()}
    assert len(addresses) == 8


async def test_a_constructors_refusal_is_named(devchain: DevChain) -> None:
    owner = devchain.accounts[0]
    parameters = replace(DeploymentParameters.for_devnet(owner.address), challenge_period=1)
    with pytest.raises(ChainRejected, match="the deployment of EscrowManager") as caught:
        await deploy(devchain.rpc, owner, parameters)
    assert caught.value.error == "OutOfRange"


async def test_a_parameter_that_does_not_fit_is_refused(devchain: DevChain) -> None:
    owner = devchain.accounts[0]
    parameters = replace(DeploymentParameters.for_devnet(owner.address), fee_bps=1 << 16)
    with pytest.raises(BadInput, match="EscrowManager"):
        await deploy(devchain.rpc, owner, parameters)


def test_devnet_parameters_name_one_owner() -> None:
    address = Account.generate().address
    parameters = DeploymentParameters.for_devnet(address)
    assert {parameters.governance, parameters.treasury, parameters.token_holder} == {address}

"""Deployment: parameters reach the contracts, and nothing is left to the deployer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_hash.auto import keccak

from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.deploy import DeploymentParameters, deploy
from aivm.chain.devchain import DevChain
from aivm.chain.dispute import Terms
from aivm.errors import BadInput, ChainRejected, NotFound

ADMIN = bytes(32)  # OpenZeppelin's DEFAULT_ADMIN_ROLE
SLASHER = keccak(b"SLASHER_ROLE")


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
        dispute_window=1800,
        dispute_clock=90,
        dispute_bond=7,
        dispute_penalty=11,
        answer_time=60,
    )
    book = (await deploy(devchain.rpc, deployer, parameters)).address_book
    async with await Chain.connect(devchain.url, book) as chain:
        assert await chain.escrow.fee_bps() == 123
        assert await chain.escrow.challenge_period() == 600
        assert await chain.escrow.treasury() == treasury.address
        assert await chain.staking.unbonding_delay() == 7200
        assert await chain.staking.minimum_stake() == 5
        assert await chain.dispute.terms() == Terms(window=1800, clock=90, bond=7, penalty=11)
        misconduct = await chain.misconduct.terms()
        assert (misconduct.answer_time, misconduct.bond, misconduct.penalty) == (60, 7, 11)
        supply = await chain.token.total_supply()
        assert await chain.token.balance_of(holder.address) == supply
        for contract in (chain.registry, chain.staking, chain.escrow):
            assert await contract._call("hasRole", ADMIN, governance.address)
            assert not await contract._call("hasRole", ADMIN, deployer.address)


async def test_a_governing_deployer_appoints_the_slashers(devchain: DevChain) -> None:
    owner = devchain.accounts[0]
    parameters = DeploymentParameters.for_devnet(owner.address)
    deployment = await deploy(devchain.rpc, owner, parameters)
    assert deployment.left_to_governance == ()
    async with await Chain.connect(devchain.url, deployment.address_book) as chain:
        for slasher in (chain.dispute, chain.misconduct):
            assert await chain.staking._call("hasRole", SLASHER, slasher.address)


async def test_another_governance_is_left_with_the_appointments(devchain: DevChain) -> None:
    deployer, governance = devchain.accounts[:2]
    parameters = DeploymentParameters.for_devnet(governance.address)
    deployment = await deploy(devchain.rpc, deployer, parameters)
    async with await Chain.connect(devchain.url, deployment.address_book) as chain:
        assert not await chain.staking._call("hasRole", SLASHER, chain.dispute.address)
        for intent in deployment.left_to_governance:
            assert "SLASHER_ROLE" in intent.what
            await chain.send(governance, intent)
        for slasher in (chain.dispute, chain.misconduct):
            assert await chain.staking._call("hasRole", SLASHER, slasher.address)


async def test_a_development_chain_deploys_from_the_account_that_governs(
    devchain: DevChain,
) -> None:
    governance = devchain.accounts[1]
    book = await devchain.deploy(DeploymentParameters.for_devnet(governance.address))
    async with await Chain.connect(devchain.url, book) as chain:
        for slasher in (chain.dispute, chain.misconduct):
            assert await chain.staking._call("hasRole", SLASHER, slasher.address)
        assert await chain.token.balance_of(governance.address)
    with pytest.raises(NotFound, match="governance"):
        await devchain.deploy(DeploymentParameters.for_devnet(Account.generate().address))


async def test_two_deployments_have_two_address_books(devchain: DevChain) -> None:
    first, second = await devchain.deploy(), await devchain.deploy()
    assert first.contracts.keys() == second.contracts.keys()
    addresses = {entry.address for book in (first, second) for entry in book.contracts.values()}
    assert len(addresses) == 2 * len(first.contracts)


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

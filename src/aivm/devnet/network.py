"""The whole network on one machine: chain, contracts, storage, published model, staked providers.

Everything is real but the money: the providers are processes of their own, the chain is anvil, and
all content travels through the storage gateway by CID. The last provider may be a cheat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from aivm import config as settings
from aivm import host
from aivm.chain.account import Account
from aivm.chain.client import Chain
from aivm.chain.deploy import DeploymentParameters
from aivm.chain.devchain import DevChain, dev_account
from aivm.config import Config
from aivm.devnet.children import (
    Membership,
    ProviderProcess,
    VerifierProcess,
    write_key,
)
from aivm.devnet.model import MODEL_NAME, prepare_package
from aivm.devnet.storage import run_storage
from aivm.gateway import run_gateway
from aivm.market.publish import publish
from aivm.packages import Package
from aivm.provider.admission import Terms

TOKEN = 10**18
STAKE = 10_000 * TOKEN
PURSE = 1_000 * TOKEN  # what publisher, client, gateway and verifier start with
ROYALTY_BPS = 500
CHEAT_PRICE = 2 * Terms().price_per_gas
COIN = 10**18  # wei for the gas of a hot key's redemptions
CHEAT_MODULE = "aivm.devnet.cheat"
_NAMED_ROLES = 6

Report = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How large the network is and where it listens; port 0 takes a free one."""

    honest: int = 2
    cheats: int = 1
    rpc_port: int = 0
    storage_port: int = 0
    gateway_port: int = 0
    engine: str = "native"
    checked_share: float = 1.0  # of the receipts that its verifier sees


@dataclass(frozen=True)
class Roles:
    """Accounts of the development chain by what they do."""

    governance: Account
    treasury: Account
    publisher: Account
    client: Account
    gateway: Account
    verifier: Account
    owners: tuple[Account, ...]

    @classmethod
    def for_providers(cls, count: int) -> Roles:
        owners = range(_NAMED_ROLES, _NAMED_ROLES + count)
        return cls(
            governance=dev_account(0),
            treasury=dev_account(1),
            publisher=dev_account(2),
            client=dev_account(3),
            gateway=dev_account(4),
            verifier=dev_account(5),
            owners=tuple(dev_account(index) for index in owners),
        )


@dataclass(frozen=True)
class Devnet:
    """A running network. `config` are the settings of its client account."""

    devchain: DevChain
    chain: Chain
    config: Config
    roles: Roles
    package: Package
    storage_url: str
    gateway_url: str
    verifier: VerifierProcess
    honest: tuple[ProviderProcess, ...]
    cheats: tuple[ProviderProcess, ...]

    def endpoints(self) -> dict[str, object]:
        """What another program must know to use the network."""
        providers = [*self.honest, *self.cheats]
        return {
            "rpc": self.devchain.url,
            "gateway": self.gateway_url,
            "verifier": self.verifier.url,
            "verifier_operator": self.verifier.operator_url,
            "storage": self.storage_url,
            "providers": [provider.url for provider in providers],
            "address_book": str(self.config.address_book),
            "keystore": str(self.config.keystore),
            "account": self.config.account,
            "password_file": str(self.config.password_file),
            "model": MODEL_NAME,
        }


@asynccontextmanager
async def run_devnet(
    folder: Path, cache_dir: Path, options: Options, report: Report
) -> AsyncIterator[Devnet]:
    """Start everything beneath `folder`, tell `report` what happens, stop everything at the end."""
    roles = Roles.for_providers(options.honest + options.cheats)
    async with AsyncExitStack() as stack:
        report("building and signing the package of all-MiniLM-L6-v2")
        package = await asyncio.to_thread(
            prepare_package, folder / "package", cache_dir, roles.publisher, report
        )
        report("starting the chain and deploying the contracts")
        devchain = await stack.enter_async_context(
            DevChain.start(port=options.rpc_port, accounts=_NAMED_ROLES + len(roles.owners))
        )
        chain = await _deployed(devchain, roles, folder / "address_book.json")
        stack.push_async_callback(chain.close)
        report("publishing: blocks to storage by CID, the model id to the registry")
        token_file = folder / "storage_token"
        storage_url = await stack.enter_async_context(
            run_storage(folder / "storage", token_file, options.storage_port)
        )
        async with aiohttp.ClientSession() as session:
            await publish(
                chain,
                session,
                roles.publisher,
                storage_url,
                package,
                token=token_file.read_text(),
                royalty_bps=ROYALTY_BPS,
            )
        membership = Membership(
            rpc_url=devchain.url,
            storage_url=storage_url,
            storage_token_file=token_file,
            address_book=folder / "address_book.json",
            cache_dir=folder / "cache",
        )
        report(f"staking and starting {len(roles.owners)} providers")
        providers = await _providers(stack, chain, roles, membership, folder, options)
        gateway_url = await stack.enter_async_context(
            run_gateway(
                _member_config(membership, folder / "gateway", "gateway", roles.gateway),
                options.gateway_port,
            )
        )
        report("starting a verifier")
        verifier = await _verifier(stack, roles, membership, folder, options)
        config = _member_config(
            membership,
            folder / "client",
            "client",
            roles.client,
            AIVM_GATEWAY_URL=gateway_url,
            AIVM_VERIFIER_URL=verifier.url,
            AIVM_VERIFIER_OPERATOR_URL=verifier.operator_url,
        )
        yield Devnet(
            devchain=devchain,
            chain=chain,
            config=config,
            roles=roles,
            package=package,
            storage_url=storage_url,
            gateway_url=gateway_url,
            verifier=verifier,
            honest=tuple(providers[: options.honest]),
            cheats=tuple(providers[options.honest :]),
        )


async def _deployed(devchain: DevChain, roles: Roles, address_book: Path) -> Chain:
    """Contracts on the chain, tokens in everybody's purse."""
    parameters = DeploymentParameters(
        governance=roles.governance.address,
        treasury=roles.treasury.address,
        token_holder=roles.governance.address,
    )
    book = await devchain.deploy(parameters)
    address_book.parent.mkdir(parents=True, exist_ok=True)
    book.write(address_book)
    chain = await Chain.connect(devchain.url, book)
    for account in (roles.publisher, roles.client, roles.gateway, roles.verifier):
        await chain.token.transfer(roles.governance, account.address, PURSE)
    for owner in roles.owners:
        await chain.token.transfer(roles.governance, owner.address, STAKE)
    return chain


async def _providers(
    stack: AsyncExitStack,
    chain: Chain,
    roles: Roles,
    membership: Membership,
    folder: Path,
    options: Options,
) -> list[ProviderProcess]:
    """Registered, staked and serving; stopped (draining) when the stack unwinds."""
    ports = [host.free_port() for _ in roles.owners]
    hot_keys = [Account.generate() for _ in roles.owners]
    for owner, hot_key, port in zip(roles.owners, hot_keys, ports, strict=True):
        await chain.transfer(owner, hot_key.address, COIN)
        await chain.staking.register_provider(owner, hot_key.address, f"http://127.0.0.1:{port}")
        await chain.token.ensure_allowance(owner, chain.staking.address, STAKE)
        await chain.staking.stake(owner, STAKE)

    async def start(number: int) -> ProviderProcess:
        arguments = ["--engine", options.engine, "--settle-seconds", "1"]
        if number >= options.honest:
            # Dearer than the others, so that nobody is served by it who does not ask for it.
            arguments += ["--worker-module", CHEAT_MODULE, "--price-per-gas", str(CHEAT_PRICE)]
        provider = await ProviderProcess.start(
            membership,
            folder / f"provider-{number}",
            hot_key=hot_keys[number],
            owner=roles.owners[number].address,
            port=ports[number],
            model=MODEL_NAME,
            arguments=arguments,
        )
        stack.push_async_callback(provider.child.stop)
        return provider

    return await asyncio.gather(*(start(number) for number in range(len(roles.owners))))


async def _verifier(
    stack: AsyncExitStack, roles: Roles, membership: Membership, folder: Path, options: Options
) -> VerifierProcess:
    """At work with tokens for bonds; stopped when the stack unwinds."""
    arguments = ["--engine", options.engine, "--floor", str(options.checked_share)]
    started = await VerifierProcess.start(
        membership, folder / "verifier", roles.verifier, arguments
    )
    stack.push_async_callback(started.child.stop)
    return started


def _member_config(
    membership: Membership, folder: Path, name: str, account: Account, **more: str
) -> Config:
    """Settings of a member of the network whose key is kept in `folder`."""
    write_key(folder, name, account)
    return settings.load({}, environment={**membership.environment(folder, name), **more})


def names_of(devnet: Devnet) -> dict[str, str]:
    """Addresses of the network by what their owners do, for reports."""
    roles = devnet.roles
    named = {
        roles.publisher.address: "publisher",
        roles.client.address: "client",
        roles.treasury.address: "treasury",
        roles.verifier.address: "verifier",
    }
    providers: Sequence[ProviderProcess] = [*devnet.honest, *devnet.cheats]
    for number, provider in enumerate(providers, 1):
        kind = "provider" if provider in devnet.honest else "cheat"
        named[provider.owner] = f"{kind} {number}"
    return named

"""A provider in miniature: a signed package of a tiny model, channels without a chain, an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from aivm import host
from aivm.chain.account import Account
from aivm.chain.escrow import Channel, ChannelStatus
from aivm.commitments import bundle_root, tensor_root
from aivm.errors import NotFound
from aivm.market.openinference import VOUCHER_PARAMETER, Message, Tensor
from aivm.numerics.dtypes import DType
from aivm.packages import Package, Programs, open_package, pack_model
from aivm.provider.admission import Admission, Channels, Terms
from aivm.provider.agent import Agent, Identity
from aivm.provider.catalog import Catalog
from aivm.provider.journal import JobInputs, Journal
from aivm.receipts import Domain, SignedVoucher, Voucher, job_id, sign_voucher
from aivm.workers.pool import WorkerPool

Array = np.ndarray[Any, Any]
NO_INPUTS = JobInputs({}, b"", 0)
WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


def tiny_model() -> bytes:
    """y = relu(x @ WEIGHT), row = WEIGHT[index]: a wrong index has no result."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Relu", ["product"], ["y"]),
        helper.make_node("Gather", ["weight", "index"], ["row"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("index", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("row", TensorProto.FLOAT, [1, 3]),
        ],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    info = pack_model(
        tiny_model(),
        name="demo/tiny",
        version="1.0.0",
        license="Apache-2.0",
        shapes=[{"x": (1, 4), "index": (1,)}, {"x": (2, 4), "index": (1,)}],
        out_dir=tmp_path_factory.mktemp("tiny") / "package",
        signer=Account(b"\x04" * 32),
        created=1_800_000_000,
    )
    return open_package(info.directory)


@dataclass
class World:
    """Who is there, what they agreed on, and how a client makes its requests."""

    package: Package
    owner: Account = field(default_factory=lambda: Account(b"\x01" * 32))
    hot_key: Account = field(default_factory=lambda: Account(b"\x02" * 32))
    client: Account = field(default_factory=lambda: Account(b"\x03" * 32))
    stranger: Account = field(default_factory=lambda: Account(b"\x05" * 32))
    escrow: Domain = field(default_factory=lambda: Domain(31337, "0x" + "e5" * 20))
    staking: Domain = field(default_factory=lambda: Domain(31337, "0x" + "57" * 20))
    price: int = 1000
    channels: dict[bytes, Channel] = field(default_factory=dict)
    reads: int = 0

    async def get_channel(self, channel: bytes) -> Channel:
        """What the chain would say."""
        self.reads += 1
        if channel not in self.channels:
            raise NotFound(f"channel 0x{channel.hex()} was never opened")
        return self.channels[channel]

    def open(self, **changes: Any) -> bytes:
        """A new open channel from `client` to `owner` with a deposit for 100 jobs."""
        channel = host.random_bytes(32)
        opened = Channel(
            id=channel,
            client=self.client.address,
            provider=self.owner.address,
            model=self.package.model_id,
            deposit=100 * self.price,
            redeemed=0,
            expiry=host.now() + 86_400,
            refundable_at=host.now() + 90_000,
            royalty_bps=0,
            fee_bps=0,
            till=1,
            status=ChannelStatus.OPEN,
        )
        self.channels[channel] = replace(opened, **changes)
        return channel

    def change(self, channel: bytes, **changes: Any) -> None:
        self.channels[channel] = replace(self.channels[channel], **changes)

    def terms(self, **changes: Any) -> Terms:
        return Terms(price_per_gas=0, minimum_price=self.price, **changes)

    def admission(self, journal: Journal, terms: Terms | None = None) -> Admission:
        terms = terms or self.terms()
        return Admission(
            provider=self.owner.address,
            domain=self.escrow,
            terms=terms,
            channels=Channels(self.get_channel, terms.channel_refresh_seconds),
            journal=journal,
        )

    def voucher(
        self,
        channel: bytes,
        sequence: int,
        amount: int,
        job: bytes,
        *,
        signer: Account | None = None,
        domain: Domain | None = None,
    ) -> SignedVoucher:
        promise = Voucher(channel, sequence, amount, job)
        return sign_voucher(promise, domain or self.escrow, signer or self.client)

    def inputs(self, seed: int = 0, *, batch: int = 1, index: int = 1) -> dict[str, Array]:
        """Inputs of the tiny model; another seed is another job."""
        x = np.random.default_rng(seed).standard_normal((batch, 4), np.float32)
        return {"x": x, "index": np.array([index], np.int64)}

    def expected(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """What the tiny model makes of them by numerics 1: ascending chains of fma."""
        x = given["x"].astype(np.float64)
        total = np.zeros((len(x), 3), np.float32)
        for k in range(4):
            # A float64 holds the product of two float32 exactly. The sum is rounded twice, which
            # differs from one rounding too rarely to meet it here.
            total = (x[:, k : k + 1] * WEIGHT[k].astype(np.float64) + total).astype(np.float32)
        return {"y": np.maximum(total, np.float32(0)), "row": WEIGHT[given["index"]]}

    def job(self, given: Mapping[str, Array], channel: bytes, sequence: int) -> bytes:
        """The job id that a client computes for itself."""
        shapes = {name: array.shape for name, array in given.items()}
        found = Programs(self.package).find(shapes)
        root = bundle_root(tensor_root(given[name]) for name in found.input_names)
        return job_id(channel, sequence, self.package.model_id, found.root, root)

    def request(
        self,
        given: Mapping[str, Array],
        channel: bytes,
        sequence: int,
        amount: int | None = None,
        **options: Any,
    ) -> Message:
        """A paid request; by default it pays for `sequence` jobs."""
        job = self.job(given, channel, sequence)
        amount = sequence * self.price if amount is None else amount
        text = self.voucher(channel, sequence, amount, job).to_json().decode()
        tensors = [Tensor("x", DType.F32, given["x"]), Tensor("index", DType.I64, given["index"])]
        return Message(tensors=tensors, parameters={VOUCHER_PARAMETER: text}, **options)


@dataclass(frozen=True)
class Bench:
    """A running agent and what a test looks into."""

    agent: Agent
    journal: Journal
    workers: WorkerPool


RunAgent = Callable[..., AbstractAsyncContextManager[Bench]]


@pytest.fixture
def world(package: Package) -> World:
    return World(package)


@pytest.fixture
def run_agent(world: World, tmp_path: Path) -> RunAgent:
    """Starts an agent with real workers and a real journal (always the same file)."""

    @asynccontextmanager
    async def start(terms: Terms | None = None, **options: Any) -> AsyncIterator[Bench]:
        journal = Journal(tmp_path / "journal.db")
        workers = WorkerPool(engine=options.pop("engine", "native"), **options)
        catalog = Catalog()
        catalog.install(world.package)
        agent = Agent(
            identity=Identity(world.owner.address, world.hot_key, world.staking),
            terms=terms or world.terms(),
            catalog=catalog,
            admission=world.admission(journal, terms),
            journal=journal,
            workers=workers,
        )
        try:
            yield Bench(agent, journal, workers)
        finally:
            await workers.stop()
            journal.close()

    return start

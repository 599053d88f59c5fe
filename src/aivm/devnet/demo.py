"""The main job, end to end: buy embeddings, check them, convict a cheat, settle; all checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aivm import host
from aivm.client import AsyncClient, Inference, load
from aivm.devnet.conviction import Conviction, convict
from aivm.devnet.model import MODEL_NAME
from aivm.devnet.network import Devnet, Options, names_of, run_devnet
from aivm.errors import DeadlineExceeded, InternalError, Mismatch

Report = Callable[[str], None]
Array = np.ndarray[Any, Any]

SENTENCES = (
    "The train to the coast leaves at seven in the morning.",
    "Our flight was delayed by three hours because of fog.",
    "You can reach the island only by ferry.",
    "Bake the bread for forty minutes until the crust is brown.",
    "A pinch of salt brings out the taste of the tomatoes.",
    "She stirred the soup slowly and added fresh basil.",
    "The telescope showed the rings of Saturn clearly.",
    "Astronomers have found water in the atmosphere of a distant planet.",
    "The rocket reached its orbit eight minutes after launch.",
    "The goalkeeper saved a penalty in the last minute.",
    "He ran the marathon in under three hours.",
    "The orchestra rehearsed the symphony one last time.",
)
QUESTIONS = (
    "How do I get to the seaside?",
    "What is a good recipe for dinner?",
    "Is there life on other worlds?",
)
ENGINES = ("native", "wasm", "reference")
REDEEM_SECONDS = 60.0


@dataclass
class DemoReport:
    """What held; each flag is true only because it was checked."""

    engines_equal: bool = False
    verified: bool = False
    cheat_caught: bool = False
    convicted: bool = False
    settled: bool = False
    model: dict[str, str] = field(default_factory=dict)
    inferences: list[dict[str, Any]] = field(default_factory=list)
    neighbours: list[dict[str, Any]] = field(default_factory=list)
    cheat: dict[str, str] = field(default_factory=dict)
    dispute: dict[str, Any] = field(default_factory=dict)
    payments: list[dict[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    conviction: Conviction | None = None  # for the picture

    @property
    def ok(self) -> bool:
        checks = (self.engines_equal, self.verified, self.cheat_caught, self.convicted)
        return all(checks) and self.settled

    def as_json(self) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if name != "conviction"}
        return {"ok": self.ok, **shown}


async def run_demo(folder: Path, cache_dir: Path, report: Report) -> DemoReport:
    """Run the whole story in a fresh network; raises AivmError only where a step cannot go on."""
    started = host.monotonic()
    found = DemoReport()
    async with run_devnet(folder, cache_dir, Options(), report) as devnet:
        found.model = {"name": MODEL_NAME, "id": devnet.package.model_id.hex()}
        found.seconds["network"] = host.monotonic() - started
        before = await _balances(devnet)
        async with AsyncClient.connect(devnet.config) as client:
            await _buy(devnet, client, found, report, started)
            false = await _catch_the_cheat(devnet, client, found, report)
            await _convict(devnet, false, found, report)
            await _settle(devnet, client, found, before, report)
    found.seconds["all"] = host.monotonic() - started
    return found


async def _buy(
    devnet: Devnet, client: AsyncClient, found: DemoReport, report: Report, started: float
) -> None:
    """Embeddings from the honest providers in turn; the first one is audited at once."""
    report(
        f"buying {len(SENTENCES) + len(QUESTIONS)} embeddings from {len(devnet.honest)} providers"
    )
    bought: list[Inference] = []
    for number, text in enumerate((*SENTENCES, *QUESTIONS)):
        provider = devnet.honest[number % len(devnet.honest)]
        inference = await client.infer(
            MODEL_NAME, await client.encode(MODEL_NAME, text), provider=provider.owner
        )
        bought.append(inference)
        found.inferences.append(_described(text, inference))
        if number == 0:
            report("running the first one again here, in the sandbox, to compare every byte")
            verdict = await client.audit(inference)
            found.verified = verdict.ok
            found.seconds["first_verified_inference"] = host.monotonic() - started
    found.engines_equal = await asyncio.to_thread(_engines_agree, devnet, bought[:2], report)
    embeddings = np.concatenate([inference.outputs["embedding"] for inference in bought])
    found.neighbours = _neighbours(embeddings)


def _engines_agree(devnet: Devnet, bought: list[Inference], report: Report) -> bool:
    """The same bytes from the provider and from every engine here."""
    report(f"comparing the engines {', '.join(ENGINES)} on what the providers answered")
    for engine in ENGINES:
        model = load(devnet.package, engine=engine)
        for inference in bought:
            outputs = model.run(inference.inputs)
            for name, array in outputs.items():
                if array.tobytes() != inference.outputs[name].tobytes():
                    return False
        model.close()
    return True


async def _catch_the_cheat(
    devnet: Devnet, client: AsyncClient, found: DemoReport, report: Report
) -> Inference:
    """Its receipt is signed and consistent; only running the program again shows the lie."""
    report("buying one from a provider that has flipped one bit of one weight")
    (cheat,) = devnet.cheats
    inputs = await client.encode(MODEL_NAME, SENTENCES[0])
    inference = await client.infer(MODEL_NAME, inputs, provider=cheat.owner)
    found.cheat = _described(SENTENCES[0], inference)
    try:
        await client.audit(inference)
    except Mismatch as mismatch:
        verdict = await client.verdict(inference)
        failed = [check.name for check in verdict.checks if not check.ok]
        found.cheat_caught = failed == ["re-execution"]
        found.cheat["finding"] = mismatch.message
        report("caught: its signed output is not what the program computes")
    return inference


async def _convict(devnet: Devnet, false: Inference, found: DemoReport, report: Report) -> None:
    """On chain, down to one scalar step, and with everybody's money."""
    found.conviction = await convict(devnet, false, report)
    found.convicted = found.conviction.ok and found.conviction.refund > false.price
    found.dispute = found.conviction.figures()


async def _settle(
    devnet: Devnet,
    client: AsyncClient,
    found: DemoReport,
    before: dict[str, int],
    report: Report,
) -> None:
    """Close the channels; providers redeem, tills pay out, the rest goes back to the client."""
    report("settling: channels close, vouchers are redeemed, the rest is refunded")
    escrow = devnet.chain.escrow
    buyer = client.buyer
    channels = await buyer.request_close()
    await _wait_for_redemptions(devnet, {channel.channel: channel.owed for channel in channels})
    await devnet.devchain.advance(await escrow.challenge_period() + 1)
    for channel in channels:
        await buyer.finalize(channel.channel)
    after = await _balances(devnet)
    names = names_of(devnet)
    changes = {address: after[address] - before[address] for address in names}
    found.payments = [
        {"who": names[address], "address": address, "change": str(change)}
        for address, change in changes.items()
    ]
    held = await devnet.chain.token.balance_of(escrow.address)
    spent = sum(channel.owed for channel in channels)
    client_paid = -changes[devnet.roles.client.address]
    # What the conviction paid out came from a stake, which is not among these balances.
    assert found.conviction is not None
    refund, award = found.conviction.refund, found.conviction.award
    balanced = sum(changes.values()) == refund + award
    found.settled = held == 0 and balanced and client_paid == spent - refund and spent > 0


async def _wait_for_redemptions(devnet: Devnet, owed: dict[bytes, int]) -> None:
    deadline = host.monotonic() + REDEEM_SECONDS
    for channel, amount in owed.items():
        while (state := await devnet.chain.escrow.get_channel(channel)).redeemed < amount:
            if host.monotonic() > deadline:
                raise DeadlineExceeded(f"channel {channel.hex()} was not redeemed in time")
            await asyncio.sleep(0.1)
        while await _waits_in_till(devnet, state.till):
            if host.monotonic() > deadline:
                raise DeadlineExceeded(f"till {state.till} was not paid out in time")
            await asyncio.sleep(0.1)


async def _waits_in_till(devnet: Devnet, number: int) -> bool:
    till = await devnet.chain.escrow.get_till(number)
    return till.redeemed > till.paid_out


async def _balances(devnet: Devnet) -> dict[str, int]:
    """Tokens, and what the dispute game holds for each."""
    token, dispute = devnet.chain.token, devnet.chain.dispute
    return {
        address: await token.balance_of(address) + await dispute.credit(address)
        for address in names_of(devnet)
    }


def _described(text: str, inference: Inference) -> dict[str, Any]:
    receipt = inference.receipt.receipt
    return {
        "text": text,
        "provider": receipt.provider,
        "job": receipt.job.hex(),
        "program": receipt.program.hex(),
        "outputs": receipt.outputs.hex(),
        "price": str(inference.price),
    }


def _neighbours(embeddings: Array) -> list[dict[str, Any]]:
    """For each question the three nearest sentences, by the cosine of unit vectors."""
    sentences, questions = embeddings[: len(SENTENCES)], embeddings[len(SENTENCES) :]
    similarity = questions @ sentences.T
    if not np.isfinite(similarity).all():
        raise InternalError("an embedding is not finite")
    found = []
    for question, row in zip(QUESTIONS, similarity, strict=True):
        best = np.argsort(-row, kind="stable")[:3]
        nearest = [{"text": SENTENCES[i], "similarity": round(float(row[i]), 4)} for i in best]
        found.append({"question": question, "nearest": nearest})
    return found

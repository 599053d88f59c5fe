"""The verifier's faces, as strangers and its operator meet them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.unit.verifier.conftest import NEVER

from aivm.chain.account import Account
from aivm.errors import BadSignature, NotFound, Overloaded, VerifierUnreachable
from aivm.numerics.dtypes import DType
from aivm.packages.safetensors import write_safetensors
from aivm.storage.blocks import BlockStore
from aivm.storage.push import push
from aivm.verifier import gate as gates
from aivm.verifier import server
from aivm.verifier.complaint import complain
from aivm.verifier.remote import RemoteVerifier
from aivm.verifier.submission import encode_submission


@asynccontextmanager
async def faces(scene: Any, **options: Any) -> AsyncIterator[Any]:
    async with scene.node(**options) as node, aiohttp.ClientSession() as session:
        node_faces = RemoteVerifier(session, node.url), RemoteVerifier(session, node.operator_url)
        yield node, session, *node_faces


async def test_a_receipt_submitted_is_checked_and_its_state_is_public(scene: Any) -> None:
    async with faces(scene) as (node, session, remote, operator):
        signed, inputs = await scene.receipt(1)
        taken = await remote.submit(*encode_submission(signed, inputs))
        assert (taken["state"], taken["job"]) == ("seen", signed.receipt.job.hex())
        for _ in range(400):
            found = await remote.receipts(signed.receipt.job)
            if found["receipts"][0]["state"] == "holds":
                break
            await asyncio.sleep(0.05)
        assert found["receipts"][0]["state"] == "holds"
        again = await remote.submit(*encode_submission(signed, inputs))
        assert again["state"] == "holds"
        status = await operator.status()
        assert (status["seen"], status["checked"], status["disputed"]) == (1, 1, 0)
        async with session.get(node.operator_url + "/metrics") as answer:
            text = await answer.text()
        assert 'aivm_verifier_receipts{state="holds"} 1' in text
        assert "aivm_verifier_chain_up 1" in text
        async with session.get(node.url + "/v1/status") as answer:
            assert answer.status == 404  # the operator's affair
        with pytest.raises(NotFound):
            await remote.receipts(b"\x01" * 32)


async def test_nobody_learns_whether_a_receipt_was_drawn(scene: Any) -> None:
    async with scene.parts(policy=NEVER) as parts:
        passed, _ = await parts.intake.take(scene.submission(await scene.receipt(1)))
    async with scene.parts() as parts:
        due, _ = await parts.intake.take(scene.submission(await scene.receipt(2)))
    shown = [server.described(entry) for entry in (passed, due)]
    assert passed.state != due.state
    assert {each["state"] for each in shown} == {"seen"}
    assert {frozenset(each) for each in shown} == {frozenset(shown[0])}


async def test_what_is_false_about_a_submission_is_refused(scene: Any) -> None:
    async with faces(scene) as (node, session, remote, _):
        signed, inputs = await scene.receipt(1)
        with pytest.raises(BadSignature, match="complaint is signed by"):
            await remote.submit(
                *encode_submission(
                    signed, inputs, complaint=complain(signed, Account(b"\x66" * 32))
                )
            )
        stranger = await scene.receipt(1, signer=Account(b"\x77" * 32))
        with pytest.raises(BadSignature):
            await remote.submit(*encode_submission(*stranger))
        assert node.parts.book.counts() == {}
        complaint = complain(signed, scene.world.client)
        await remote.submit(*encode_submission(signed, inputs, complaint=complaint))
        (entry,) = node.parts.book.of_job(signed.receipt.job)
        assert (entry.flagged, entry.source) == (True, f"client:{scene.world.client.address}")
        async with session.post(node.url + "/v1/receipts", data=gigantic()) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "AIVM-E0105"


async def gigantic() -> AsyncIterator[bytes]:
    for _ in range(65):
        yield bytes(1 << 20)


async def test_a_source_of_nonsense_is_not_heard_for_a_while_and_others_are(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "REFUSALS_A_MINUTE", 3)
    async with faces(scene, behind_proxy=True) as (node, session, _, _):

        async def post(body: bytes, source: str, headers: Any = None) -> int:
            headers = {**(headers or {}), "X-Forwarded-For": f"10.0.0.1, {source}"}
            place = node.url + "/v1/receipts"
            async with session.post(place, data=body, headers=headers) as answer:
                return int(answer.status)

        statuses = [await post(b"nonsense", "192.0.2.1") for _ in range(5)]
        assert statuses == [400, 400, 400, 429, 429]
        body, headers = encode_submission(*await scene.receipt(1))
        assert await post(body, "192.0.2.1", headers) == 429
        assert await post(body, "192.0.2.2", headers) == 202


async def test_inputs_that_were_published_are_fetched_by_their_cid(
    scene: Any, tmp_path: Any
) -> None:
    signed, inputs = await scene.receipt(1)
    path = tmp_path / "inputs.safetensors"
    kinds = {"x": DType.F32, "index": DType.I64}
    write_safetensors(path, {name: (kinds[name], inputs[name]) for name in inputs})
    async with faces(scene) as (_, session, remote, _):
        with BlockStore(tmp_path / "blocks") as store:
            cid = store.add_file(path).cid
            await push(session, scene.storage_url, store, cid, token=scene.token)
        taken = await remote.submit(*encode_submission(signed, {}, published=str(cid)))
        assert taken["state"] == "seen"


async def test_no_verifier_is_there() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(VerifierUnreachable, match="no verifier answers"):
            await RemoteVerifier(session, "http://127.0.0.1:9").status()


def test_sources_are_addresses_and_networks() -> None:
    assert gates.source_of("192.0.2.7") == "http:192.0.2.7"
    assert gates.source_of("::ffff:192.0.2.7") == "http:192.0.2.7"
    assert gates.source_of("2001:db8::1") == gates.source_of("2001:db8:0:0:ffff::2")
    assert gates.source_of("2001:db8:0:1::1") != gates.source_of("2001:db8::1")
    assert gates.source_of(None) == gates.source_of("unix") == "http:unknown"


async def test_only_so_many_bodies_are_read_at_once() -> None:
    gate = gates.Gate()
    async with gate.entered("a"), gate.entered("a"):
        with pytest.raises(Overloaded, match="several receipts already"):
            async with gate.entered("a"):
                pass
        async with gate.entered("b"):
            pass
    async with gate.entered("a"):
        pass
    assert gate._reading == {}

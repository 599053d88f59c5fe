"""`aivm devnet` in one terminal, every other command from another."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aivm import config as settings
from aivm.client import Client

SENTENCE = "The train to the coast leaves at seven."
DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
START_SECONDS = 300
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Devnet:
    process: subprocess.Popen[str]
    endpoints: dict[str, Any]
    # Owners' addresses, in the order of `endpoints["providers"]`; the last one cheats.
    owners: list[str]


def start(terminal: Any, *options: str) -> Devnet:
    process = terminal.start("devnet", "--json", *options)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (terminal.home / "stderr").read_text()
    endpoints = json.loads(line)
    assert "providers" in endpoints, endpoints
    owners = [get_json(f"{url}/aivm/v1/provider")["provider"] for url in endpoints["providers"]]
    return Devnet(process, endpoints, owners)


def get_json(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())


@pytest.fixture(scope="module")
def devnet(terminal: Any) -> Iterator[Devnet]:
    running = start(terminal)
    yield running
    if running.process.poll() is None:
        running.process.kill()
    running.process.wait()
    running.process.stdout.close()  # type: ignore[union-attr]


def test_it_prints_one_line_with_its_endpoints(devnet: Devnet) -> None:
    found = devnet.endpoints
    assert {"rpc", "gateway", "storage", "providers", "verifier"} <= set(found)
    assert get_json(f"{found['verifier']}/healthz")["ok"] is True
    assert len(found["providers"]) == 3
    assert found["model"] == "demo/minilm"
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert get_json(found["rpc"], call)["result"] == hex(31337)
    assert get_json(f"{found['gateway']}/healthz")["ok"] is True
    with urllib.request.urlopen(f"{found['storage']}/ipfs/bafkqaaa?format=raw") as response:
        assert response.status == 200


def test_a_second_one_in_the_same_place_is_refused(devnet: Devnet, terminal: Any) -> None:
    done = terminal.run("devnet", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0303")
    assert devnet.process.poll() is None


def test_models_are_listed_shown_and_pulled(devnet: Devnet, terminal: Any) -> None:
    assert devnet.endpoints
    (model,) = terminal.run("ls", "--json").document["models"]
    assert (model["name"], model["status"]) == ("demo/minilm", "active")
    by_name, by_version, by_id = (
        terminal.run("show", reference, "--json").document
        for reference in ("demo/minilm", "demo/minilm:1.0.0", model["model"])
    )
    assert by_name == by_version == by_id
    assert len(by_name["programs"]) == 4
    pulled = terminal.run("pull", "demo/minilm", "--json").document
    assert pulled["model"] == model["model"]
    assert (Path(pulled["directory"]) / "manifest.json").is_file()
    assert "demo/minilm" in terminal.run("ls").out
    assert terminal.run("ls", "-q").out.strip() == model["model"]
    done = terminal.run("show", "demo/minilm:9.9.9", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")


def test_buy_audit_and_verify(devnet: Devnet, terminal: Any) -> None:
    receipt = terminal.home / "receipt.json"
    done = terminal.run(
        *("run", "demo/minilm", "--text", SENTENCE, "--audit", "--receipt", receipt, "--json")
    )
    assert done.status == 0, done.err
    found = done.document
    assert found["provider"] in devnet.owners[:2]
    assert found["audited"] == "wasm"
    vector = np.array(found["outputs"]["embedding"]["data"])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    verify = ("verify", receipt, "--model", "demo/minilm", "--engine", "native", "--json")
    done = terminal.run(*verify, "--text", SENTENCE)
    assert (done.status, done.document["ok"]) == (0, True), done.out
    names = [check["name"] for check in done.document["checks"]]
    assert {"signature", "domain", "job", "program", "inputs", "re-execution"} <= set(names)
    done = terminal.run(*verify, "--text", "Another sentence.")
    assert (done.status, done.document["ok"]) == (3, False)
    document = json.loads(receipt.read_bytes())
    document["receipt"]["time"] += 1
    receipt.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    done = terminal.run(*verify, "--text", SENTENCE)
    assert (done.status, done.document["ok"]) == (3, False)


def test_the_cheat_is_caught(devnet: Devnet, terminal: Any) -> None:
    receipt, cheat = terminal.home / "cheat.json", devnet.owners[-1]
    buy = ("run", "demo/minilm", "--text", SENTENCE, "--provider", cheat, "--json")
    done = terminal.run(*buy, "--receipt", receipt)
    assert (done.status, done.document["provider"]) == (0, cheat), done.err
    done = terminal.run("verify", receipt, "--model", "demo/minilm", "--text", SENTENCE, "--json")
    assert (done.status, done.document["ok"]) == (3, False)
    failed = [check["name"] for check in done.document["checks"] if not check["ok"]]
    assert failed == ["re-execution"]
    audited = terminal.home / "audited.json"
    done = terminal.run(*buy, "--audit", "--receipt", audited)
    assert (done.status, done.document["error"]["code"]) == (3, "AIVM-E0201")
    assert audited.is_file()  # the evidence


def test_the_verifier_convicts_the_cheat_and_is_paid(devnet: Devnet, terminal: Any) -> None:
    """What a client does about a receipt that it doubts, and an operator sees of it."""
    receipt, taken = terminal.home / "false.json", terminal.home / "false.npz"
    done = terminal.run(
        *("run", "demo/minilm", "--text", SENTENCE, "--provider", devnet.owners[-1]),
        *("--receipt", receipt, "--inputs", taken, "--json"),
    )
    assert done.status == 0, done.err
    submit = ("verifier", "submit", receipt, "--input", taken, "--json")
    done = terminal.run(*submit, "--complain")
    assert (done.status, done.document["state"]) == (0, "seen"), done.out
    deadline = time.monotonic() + 90
    while (state := terminal.run(*submit).document["state"]) != "convicted":
        assert time.monotonic() < deadline, state
        time.sleep(1)
    while int((status := figures(terminal))["balance"]) != 1200 * 10**18:  # bond and award are home
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert (status["won"], status["awarded"]) == (1, str(200 * 10**18))
    table = terminal.run("verifier", "status").out
    assert "1,200.000000 AIVM" in table


def figures(terminal: Any) -> Any:
    return terminal.run("verifier", "status", "--json").document


def test_false_submissions_are_refused(devnet: Devnet, terminal: Any) -> None:
    assert devnet.endpoints["verifier"]
    receipt, taken = terminal.home / "fresh.json", terminal.home / "fresh.npz"
    done = terminal.run(
        *("run", "demo/minilm", "--text", SENTENCE, "--json"),
        *("--receipt", receipt, "--inputs", taken),
    )
    assert done.status == 0, done.err
    with np.load(taken) as loaded:
        arrays = dict(loaded)
    arrays["input_ids"] = arrays["input_ids"] + 1
    np.savez(terminal.home / "wrong.npz", **arrays)
    wrong = ("verifier", "submit", receipt, "--input", terminal.home / "wrong.npz", "--json")
    done = terminal.run(*wrong)
    assert (done.status, done.document["error"]["code"]) == (3, "AIVM-E0200")
    document = json.loads(receipt.read_bytes())
    for changes, code in (({"chain_id": 1}, "AIVM-E0303"), ({}, "AIVM-E0203")):
        changed = {**document, **changes}
        if not changes:
            changed["receipt"] = {**document["receipt"], "outputs": "0x" + "11" * 32}
        text = json.dumps(changed, sort_keys=True, separators=(",", ":"))
        (terminal.home / "bad.json").write_text(text)
        done = terminal.run(
            *("verifier", "submit", terminal.home / "bad.json", "--input", taken, "--json")
        )
        assert done.document["error"]["code"] == code, done.out


def test_what_nobody_can_do_is_refused_with_reasons(devnet: Devnet, terminal: Any) -> None:
    buy = ("run", "demo/minilm", "--text", SENTENCE, "--json")
    done = terminal.run(*buy, "--max-price", "1")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    assert done.document["error"]["hint"].count("over 1") == 3
    done = terminal.run(*buy, "--provider", "0x" + "11" * 20)
    assert done.status in (2, 4), done.out
    done = terminal.run(*buy, "--provider", "nobody")
    assert done.status == 2, done.out
    done = terminal.run("run", "demo/nothing", "--text", SENTENCE, "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    done = terminal.run("run", "demo/minilm", "--text", "word " * 500, "--json")
    assert (done.status, done.document["error"]["code"]) == (2, "AIVM-E0105")
    assert devnet.process.poll() is None


def test_pack_push_and_show_a_model_of_ones_own(devnet: Devnet, terminal: Any) -> None:
    assert devnet.endpoints
    package = terminal.home / "digits"
    done = terminal.run(
        *("pack", DIGITS, "--name", "mine/digits", "--version", "1.0.0"),
        *("--license", "MIT", "--out", package, "--json"),
    )
    assert done.status == 0, done.err
    done = terminal.run("push", package, "--royalty-bps", "250", "--json")
    assert done.status == 0, done.err
    model = done.document["model"]
    listed = {entry["name"]: entry for entry in terminal.run("ls", "--json").document["models"]}
    assert (listed["mine/digits"]["model"], listed["mine/digits"]["royalty_bps"]) == (model, 250)
    assert terminal.run("show", "mine/digits", "--json").document["model"] == model
    done = terminal.run("push", package, "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0305")
    np.savez(terminal.home / "x.npz", images=np.zeros((1, 1, 8, 8), np.float32))
    done = terminal.run("run", "mine/digits", "--input", terminal.home / "x.npz", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    assert done.document["error"]["hint"].count("does not serve this program") == 3
    weights = package / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    done = terminal.run("push", package, "--json")
    assert (done.status, done.document["error"]["code"]) == (3, "AIVM-E0202")


def test_the_gateway_serves_embeddings_with_receipts(devnet: Devnet, terminal: Any) -> None:
    gateway = devnet.endpoints["gateway"]
    body = {
        "model": "demo/minilm",
        "input": [SENTENCE, "Another one."],
        "encoding_format": "base64",
    }
    request = urllib.request.Request(
        f"{gateway}/v1/embeddings", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.loads(response.read())
        jobs = response.headers["X-AIVM-Receipts"].split(",")
    vectors = [
        np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in answer["data"]
    ]
    assert [vector.shape for vector in vectors] == [(384,), (384,)]
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0
    receipt = terminal.home / "bought.json"
    receipt.write_bytes(urllib.request.urlopen(f"{gateway}/v1/receipts/{jobs[0]}").read())
    done = terminal.run("verify", receipt, "--model", "demo/minilm", "--text", SENTENCE, "--json")
    assert (done.status, done.document["ok"]) == (0, True), done.out
    with pytest.raises(urllib.error.HTTPError) as caught:
        get_json(f"{gateway}/v1/embeddings", {"model": "demo/none", "input": "x"})
    with caught.value as error:
        assert (error.code, json.loads(error.read())["error"]["code"]) == (404, "AIVM-E0301")


def test_the_sdk_buys_and_audits(devnet: Devnet, terminal: Any) -> None:
    assert devnet.endpoints
    config = settings.load({}, environment=terminal.environment, folder=terminal.home)
    with Client(config, engine="native") as client:
        inputs = client.encode("demo/minilm", SENTENCE)
        found = client.infer("demo/minilm", inputs)
        assert client.audit(found).ok
        assert found.outputs["embedding"].shape == (1, 384)


def test_a_dead_provider_is_passed_over(devnet: Devnet, terminal: Any) -> None:
    """`kill -9` of one provider: its worker ends, the others serve, and it says why it cannot."""
    url, owner = devnet.endpoints["providers"][0], devnet.owners[0]
    port = url.rpartition(":")[2]
    (pid,) = (pid for pid, command in terminal.processes().items() if f"--port {port} " in command)
    os.kill(pid, signal.SIGKILL)
    buy = ("run", "demo/minilm", "--text", SENTENCE, "--json")
    done = terminal.run(*buy, "--provider", owner)
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")
    assert "does not answer" in done.document["error"]["hint"]
    done = terminal.run(*buy)
    assert (done.status, done.document["provider"]) == (0, devnet.owners[1])


def test_an_interrupt_stops_everything(devnet: Devnet, terminal: Any) -> None:
    assert len(terminal.processes()) >= 4
    devnet.process.send_signal(signal.SIGINT)
    assert devnet.process.wait(60) == 0
    assert terminal.wait_until_all_ended(10) == {}
    done = terminal.run("ls", "--json")
    assert (done.status, done.document["error"]["code"]) == (4, "AIVM-E0301")


def test_kill_9_leaves_nothing_running_and_another_start_works(terminal: Any) -> None:
    first = start(terminal, "--providers", "1", "--cheats", "0")
    assert len(terminal.processes()) >= 3
    first.process.kill()
    first.process.wait()
    assert first.process.stdout is not None
    first.process.stdout.close()
    assert terminal.wait_until_all_ended(40) == {}
    done = terminal.run("ls", "--json")
    assert (done.status, done.document["error"]["code"]) == (5, "AIVM-E0401")
    # Stopped while it starts: at once, and without leaving anything behind.
    again = terminal.start("devnet", "--json")
    while len(terminal.processes()) < 2:
        assert again.poll() is None
    again.send_signal(signal.SIGINT)
    assert again.wait(60) == 130
    again.stdout.close()
    assert terminal.wait_until_all_ended(10) == {}

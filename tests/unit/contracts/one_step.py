"""`OneStep` on a bare EVM: asked many claims in one request."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from aivm.chain.abi import Abi
from aivm.chain.anvil import AnvilProcess
from aivm.dispute.claims import Claim, Judgement

CLAIMS_A_REQUEST = 200
FLOAT_FUNCTIONS = ("Exponentials", "Hyperbolics", "Trigonometry")
ADDRESSES = {
    name: f"0x{byte:02x}" + "c2" * 19
    for byte, name in enumerate([*FLOAT_FUNCTIONS, "Numerics", "OneStep"], 1)
}
WORD_BYTES = 32


class OneStep:
    """The shipped bytecode, with all that it asks."""

    def __init__(self, node: AnvilProcess) -> None:
        address = urlsplit(node.url)
        self._connection = http.client.HTTPConnection(address.netloc, timeout=120)
        self.abi = Abi(_artifact("OneStep")["abi"])
        functions = [self._place(name) for name in FLOAT_FUNCTIONS]
        self._place("OneStep", self._place("Numerics", *functions))

    def _place(self, name: str, *arguments: str) -> str:
        """Put a contract's code, as its constructor gives it, on the chain; returns its address."""
        data = _artifact(name)["bytecode"]
        data += "".join(address[2:].rjust(2 * WORD_BYTES, "0") for address in arguments)
        (created,) = self._request([("eth_call", [{"input": data}, "latest"])])
        (answer,) = self._request([("anvil_setCode", [ADDRESSES[name], created["result"]])])
        assert "error" not in answer, answer
        return ADDRESSES[name]

    def close(self) -> None:
        self._connection.close()

    def judge(self, claims: Iterable[Claim]) -> list[Judgement | str]:
        """For each claim what the contract says, or the name of the error with which it reverts."""
        calls = [self.abi.encode_call("judge", [arguments(claim)]) for claim in claims]
        return [self._judgement(answer) for answer in self._calls("eth_call", calls)]

    def gas(self, claims: Iterable[Claim]) -> list[int]:
        """What judging costs a contract that asks: a transaction's gas without its fixed costs."""
        calls = [self.abi.encode_call("judge", [arguments(claim)]) for claim in claims]
        answers = self._calls("eth_estimateGas", calls)
        return [int(answer["result"], 16) for answer in answers]

    def chain_length(self, claim: Claim) -> int:
        given = arguments(claim)
        call = self.abi.encode_call("chainLength", [given["record"], given["types"]])
        (answer,) = self._calls("eth_call", [call])
        return int(answer["result"], 16)

    def _judgement(self, answer: dict[str, Any]) -> Judgement | str:
        if "error" in answer:
            data = bytes.fromhex(str(answer["error"].get("data", "0x"))[2:])
            known = self.abi.errors.get(data[:4])
            return known.name if known else f"revert {data.hex() or answer['error']}"
        words, fault = self.abi.decode_result("judge", bytes.fromhex(answer["result"][2:]))
        return Judgement(tuple(words), fault)

    def _calls(self, method: str, calls: Sequence[bytes]) -> list[dict[str, Any]]:
        requests = [
            (method, [{"to": ADDRESSES["OneStep"], "input": "0x" + call.hex()}, "latest"])
            for call in calls
        ]
        return [
            answer
            for first in range(0, len(requests), CLAIMS_A_REQUEST)
            for answer in self._request(requests[first : first + CLAIMS_A_REQUEST])
        ]

    def _request(self, calls: Sequence[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            for number, (method, parameters) in enumerate(calls)
        ]
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/", json.dumps(body), headers)
        answers = json.loads(self._connection.getresponse().read())
        return sorted(answers, key=lambda answer: int(answer["id"]))


def arguments(claim: Claim) -> dict[str, Any]:
    """A claim as the contract's struct."""
    return {
        "record": claim.record,
        "types": [{"dtype": type_.dtype, "shape": type_.shape} for type_ in claim.types],
        "element": claim.element,
        "stage": claim.stage,
        "step": claim.step,
        "before": claim.before,
        "reads": [
            {"slot": read.slot, "element": read.element, "word": read.word} for read in claim.reads
        ],
    }


def _artifact(name: str) -> dict[str, Any]:
    path = resources.files("aivm.chain") / "artifacts" / f"{name}.json"
    artifact: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return artifact

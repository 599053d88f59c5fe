"""The SDK: local use, paid calls and audits.

import aivm
aivm.load("model.onnx").run({"x": array})          # here, no network
aivm.open_session("llama").generate("The licence")  # here, token by token
with aivm.Client() as client:                       # on a provider, with a receipt
    client.infer("owner/name", {"x": array})
"""

from aivm.client.audit import audit, audit_generation
from aivm.client.blocking import Client
from aivm.client.local import LocalModel, load
from aivm.client.remote import AsyncClient
from aivm.client.session import Generation, LocalSession, open_session
from aivm.market.buyer import Inference

__all__ = [
    "AsyncClient",
    "Client",
    "Generation",
    "Inference",
    "LocalModel",
    "LocalSession",
    "audit",
    "audit_generation",
    "load",
    "open_session",
]

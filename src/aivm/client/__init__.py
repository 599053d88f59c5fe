"""The SDK: local use, paid calls and audits.

import aivm
aivm.load("model.onnx").run({"x": array})          # here, no network
with aivm.Client() as client:                       # on a provider, with a receipt
    client.infer("owner/name", {"x": array})
"""

from aivm.client.audit import audit
from aivm.client.blocking import Client
from aivm.client.local import LocalModel, load
from aivm.client.remote import AsyncClient
from aivm.market.buyer import Inference

__all__ = ["AsyncClient", "Client", "Inference", "LocalModel", "audit", "load"]

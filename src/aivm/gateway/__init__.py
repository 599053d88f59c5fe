"""The HTTP front for applications: OpenAI-compatible, paid and receipted."""

from aivm.gateway.app import make_app, run_gateway

__all__ = ["make_app", "run_gateway"]

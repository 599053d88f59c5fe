"""Sessions: programs with state, the decoding loop, sampling, and what a receipt of one names."""

from aivm.sessions.decoder import Decoder
from aivm.sessions.generator import Generator, generator_of
from aivm.sessions.pack import SessionPlan, pack_session, step_shapes
from aivm.sessions.request import Request, as_tokens, request_from_tensors
from aivm.sessions.trace import GenerationTrace, trace_generation

__all__ = [
    "Decoder",
    "GenerationTrace",
    "Generator",
    "Request",
    "SessionPlan",
    "as_tokens",
    "generator_of",
    "pack_session",
    "request_from_tensors",
    "step_shapes",
    "trace_generation",
]

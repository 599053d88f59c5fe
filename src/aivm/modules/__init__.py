"""Custom code that a package carries: WASM modules before and after a model, and WASI apps.

Everything here runs strangers' code: metered by fuel, capped in memory, without clock, network,
files or threads, and deterministic to the last bit of a NaN. What a module computes has no one-step
proof: a dispute about it goes to arbitration.
"""

from aivm.modules.limits import DEFAULT_LIMITS, MAX_LIMITS, Limits
from aivm.modules.module import ABI, Module, Outcome
from aivm.modules.tensors import Tensor

__all__ = ["ABI", "DEFAULT_LIMITS", "MAX_LIMITS", "Limits", "Module", "Outcome", "Tensor"]

"""The wasm engine: the default, and a sandbox. The kernels are one guest without imports.

A guest cannot read or write anything but its own memory, whose size is capped; one inference is one
call. Relaxed SIMD runs under its deterministic profile, so that fused multiply-add is fused.
"""

from aivm.engines.wasm.engine import WasmEngine, create

__all__ = ["WasmEngine", "create"]

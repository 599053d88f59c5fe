"""The native engine: the kernels as a shared library, on as many threads as asked for.

The same C as the wasm guest, built for the widest vectors of this CPU, without a sandbox: for those
who trust the kernels and run their own programs.
"""

from aivm.engines.native.engine import NativeEngine, create

__all__ = ["NativeEngine", "create"]

"""From a tensor program to a *tape* that the kernels run in one call.

An implementation detail of the wasm and native engines: never hashed, never shipped, free to
change. Reading order: `views`, `graph` (free moves become views), `groups` (what is fused), `rows`
and `lower` (steps), `memory` and `plan` (where everything lives), `tape` (words), `executable`.
"""

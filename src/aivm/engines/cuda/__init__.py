"""The CUDA engine: the same bits on an NVIDIA GPU.

A program becomes launches of kernels; which kernels a program needs, and the fused ones that only
it needs, are compiled for the GPU at hand by NVRTC when the program is loaded. Reading order:
`kernel`, `expressions` and `rows` (generated kernels), `products` and `lower` (launches), `plan`
(memory), `device` (what is asked of a GPU), `executable`; `nvrtc` and `driver` are the hardware.

Needs the driver of an NVIDIA GPU of compute capability 7.5 or later, and `pip install aivm[cuda]`.
"""

from aivm.engines.cuda.engine import CudaEngine, create

__all__ = ["CudaEngine", "create"]

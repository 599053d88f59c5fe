"""An emulated GPU, so that the CUDA engine can be compared with the others where there is none.

It runs the project's CUDA C, compiled as C++ for the CPU, under the engine's own planner. It is no
engine: nobody can choose it by name, and it is as slow as one would think.
"""

from aivm.testing.gpu.collector import KernelCollector
from aivm.testing.gpu.emulator import EmulatedDevice, EmulatedGpu

__all__ = ["EmulatedDevice", "EmulatedGpu", "KernelCollector"]

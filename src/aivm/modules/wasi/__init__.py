"""Apps: WASI programs (preview 1) that call models through the standard `wasi-nn` imports.

The system around an app is a function of its arguments, its standard input and a seed: no files, no
network, no clock but the fuel that it has used. Programs made for other runtimes run unchanged, as
far as they need no more than that.
"""

from aivm.modules.wasi.app import App, Run
from aivm.modules.wasi.graphs import Graph, onnx_graph

__all__ = ["App", "Graph", "Run", "onnx_graph"]

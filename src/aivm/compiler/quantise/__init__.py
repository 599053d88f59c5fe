"""Canonical quantisation: an f32 ONNX model to one with 8- or 4-bit weights, in standard operators.

The result is an ordinary ONNX model. Nothing about it is special to this compiler: what a quantised
layer computes is spelled out in nodes, so its program means what every other program means, and any
ONNX runtime can run it. Activations are scaled row by row, never across rows: what else is in a
batch cannot change an answer.
"""

from aivm.compiler.quantise.model import Kept, Layer, QuantisedModel, Scheme, quantise

__all__ = ["Kept", "Layer", "QuantisedModel", "Scheme", "quantise"]

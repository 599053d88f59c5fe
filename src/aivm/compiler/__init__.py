"""ONNX models to tensor programs: deterministic, and refusing by name what it cannot express."""

from aivm.compiler.compile import CompiledModel, compile_model
from aivm.compiler.detach import Detached, detach
from aivm.compiler.interface import ModelInterface, TensorInterface, inspect_model
from aivm.compiler.load import CheckedModel, Model, external_files, load_model
from aivm.compiler.registry import SupportedOperator, supported_operators

__all__ = [
    "CheckedModel",
    "CompiledModel",
    "Detached",
    "Model",
    "ModelInterface",
    "SupportedOperator",
    "TensorInterface",
    "compile_model",
    "detach",
    "external_files",
    "inspect_model",
    "load_model",
    "supported_operators",
]

"""The reference engine: the element recipes, run on whole arrays. The living definition."""

from aivm.engines.reference.engine import ReferenceEngine, ReferenceExecutable, create

__all__ = ["ReferenceEngine", "ReferenceExecutable", "create"]

"""Engines run tensor programs. All of them give the same bytes; only speed and trust differ.

An engine is a module or package of this room with a function `create`; its file name is its name.
"""

from aivm.engines.base import Engine, Executable, Kept, engine_names, open_engine

__all__ = ["Engine", "Executable", "Kept", "engine_names", "open_engine"]

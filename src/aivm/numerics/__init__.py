"""Numerics 1: the executable specification of every scalar operation, in exact integer arithmetic.

Read `formats` (words and rounding), `binary32`, `integers`, `conversions`, then `machine` (the base
operations), `functions` (exp, pow, ... written over them) and `trace` (a function as data).
Standard library only; slow; normative. The order of sums and products over an axis belongs to the
instructions: `aivm.isa.chains`.
"""

from aivm.numerics.dtypes import DType
from aivm.numerics.machine import Machine, ScalarMachine, word_of

__all__ = ["DType", "Machine", "ScalarMachine", "word_of"]

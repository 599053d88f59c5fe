"""Commitments: short names for large values, and proofs that a part belongs to a whole."""

from aivm.commitments.programs import program_root, program_root_of_records
from aivm.commitments.tensors import (
    Array,
    VerifiedTensors,
    bundle_root,
    carried,
    dtype_of,
    numpy_dtype,
    shown,
    tensor_header,
    tensor_root,
    tensor_root_of_bytes,
)

__all__ = [
    "Array",
    "VerifiedTensors",
    "bundle_root",
    "carried",
    "dtype_of",
    "numpy_dtype",
    "program_root",
    "program_root_of_records",
    "shown",
    "tensor_header",
    "tensor_root",
    "tensor_root_of_bytes",
]

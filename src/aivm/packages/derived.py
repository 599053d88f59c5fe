"""Derived programs on disk, so that compiling for a shape is felt once.

    file = SHA-256(key || rest), length of the header (u32, little-endian), header (JSON),
           the program's records, the constants that the package does not have

The key is a digest of the model id, the compiler and the shapes. A file is used where only this
user can write it (`aivm.cache`), its digest fits, the records hash to the root in the header, and
every constant hashes to its root in the program; any other is compiled again.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import BinaryIO

import numpy as np

from aivm.cache import open_cache
from aivm.commitments import Array, numpy_dtype, program_root_of_records, tensor_root
from aivm.compiler import CompiledModel
from aivm.errors import AivmError
from aivm.isa.program import Constant
from aivm.isa.records import decode, encode
from aivm.packages.compiling import compiler_version
from aivm.packages.package import Package

log = logging.getLogger(__name__)

Shapes = Mapping[str, tuple[int, ...]]
MAX_CACHE_BYTES = 2**30
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32


class DerivedPrograms:
    """The derived programs of one package in the user's cache, where there can be one."""

    def __init__(self, package: Package) -> None:
        self._package = package

    def read(self, shapes: Shapes) -> CompiledModel | None:
        """The program for these shapes, verified; None where it has to be compiled."""
        stored = open_cache("programs", max_bytes=MAX_CACHE_BYTES)
        path = None if stored is None else stored.find(self._key(shapes))
        if stored is None or path is None:
            return None
        try:
            content = path.read_bytes()
            return self._parse(self._key(shapes), content)
        except (OSError, ValueError, KeyError, TypeError, struct.error, AivmError) as problem:
            log.warning("%s is damaged and will be compiled again: %s", path, problem)
            stored.drop(path.name)
            return None

    def write(self, shapes: Shapes, compiled: CompiledModel) -> None:
        """Keeps a program that was compiled for these shapes."""
        stored = open_cache("programs", max_bytes=MAX_CACHE_BYTES)
        if stored is not None:
            key = self._key(shapes)
            stored.publish(key, lambda file: self._write(file, key, compiled))

    def _key(self, shapes: Shapes) -> str:
        named = json.dumps(sorted((name, list(shape)) for name, shape in shapes.items()))
        text = f"aivm.derived.v1 {self._package.model_id.hex()} {compiler_version()} {named}"
        return sha256(text.encode()).hexdigest()

    def _write(self, file: BinaryIO, key: str, compiled: CompiledModel) -> None:
        records = encode(compiled.program)
        header = json.dumps(
            {
                "root": program_root_of_records(records).hex(),
                "inputs": compiled.input_names,
                "outputs": compiled.output_names,
                "records": len(records),
            }
        ).encode()
        parts = [_LENGTH.pack(len(header)), header, records]
        for constant, array in zip(compiled.program.constants, compiled.constants, strict=True):
            if constant.root not in self._package.constants_by_root:
                parts.append(np.ascontiguousarray(array).tobytes())
        content = b"".join(parts)
        file.write(sha256(key.encode() + content).digest())
        file.write(content)

    def _parse(self, key: str, data: bytes) -> CompiledModel:
        """Raises ValueError, KeyError, struct.error or AivmError for anything that is not whole."""
        content = data[_DIGEST_BYTES:]
        if sha256(key.encode() + content).digest() != data[:_DIGEST_BYTES]:
            raise ValueError("its digest is another")
        (length,) = _LENGTH.unpack_from(content)
        start = _LENGTH.size + length
        header = json.loads(content[_LENGTH.size : start])
        end = start + header["records"]
        records = content[start:end]
        if program_root_of_records(records).hex() != header["root"]:
            raise ValueError("its program has another root")
        program = decode(records)
        constants = []
        for constant in program.constants:
            array = self._package.constants_by_root.get(constant.root)
            if array is None:
                array = _constant(constant, content[end : end + constant.type.size_bytes])
                end += constant.type.size_bytes
            constants.append(array)
        inputs, outputs = tuple(header["inputs"]), tuple(header["outputs"])
        return CompiledModel(program, tuple(constants), inputs, outputs)


def _constant(constant: Constant, data: bytes) -> Array:
    array: Array = np.frombuffer(data, numpy_dtype(constant.type.dtype))
    array = array.reshape(constant.type.shape)
    if tensor_root(array, constant.type.dtype) != constant.root:
        raise ValueError("a constant has another root")
    return array

"""Rebuilding: that a package's programs are what its own model compiles to, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aivm.compiler import compile_model, inspect_model
from aivm.errors import AivmError, MalformedPackage, Mismatch
from aivm.isa.records import encode
from aivm.packages.compiling import compiler_version
from aivm.packages.entries import Interface, Port
from aivm.packages.pack import interfaces_of
from aivm.packages.package import Package
from aivm.packages.programs import load_source


def rebuild(package: Package, compiling: Callable[[str], None] = lambda _entry: None) -> int | None:
    """Compiles every entry again and compares; returns how many, None where there is no source.

    `compiling` is told of each entry. Raises Mismatch, and MalformedPackage for a source that does
    not compile.
    """
    source = load_source(package)
    if source is None:
        return None
    manifest = package.manifest
    for number, entry in enumerate(manifest.entries):
        compiling(entry.name)
        try:
            built = compile_model(source, {port.name: port.shape for port in entry.inputs})
        except AivmError as problem:
            reason = f"the source does not compile for entry {entry.name}: {problem.message}"
            raise MalformedPackage(reason, hint=problem.hint) from problem
        if encode(built.program) != package.read(entry.path):
            raise Mismatch(
                f"the source compiles to another program than {entry.path}", hint=_hint(package)
            )
        names = (built.input_names, built.output_names)
        if names != (_names(entry.inputs), _names(entry.outputs)):
            raise Mismatch(f"the source calls the inputs or outputs of {entry.name} otherwise")
        if number == 0:
            described = interfaces_of(inspect_model(source), built)
            if described != (_bare(manifest.inputs), _bare(manifest.outputs)):
                raise Mismatch("the source has other inputs or outputs than the manifest says")
    return len(manifest.entries)


def _hint(package: Package) -> str:
    made_by, here = package.manifest.compiler, compiler_version()
    if made_by in (None, here):
        return "These programs were not made from this model."
    return f"They were made by compiler {made_by}; this is {here}, which may compile otherwise."


def _names(ports: tuple[Port, ...]) -> tuple[str, ...]:
    return tuple(port.name for port in ports)


def _bare(tensors: tuple[Interface, ...]) -> tuple[Interface, ...]:
    """Without what only the publisher can say."""
    return tuple(replace(tensor, meaning="") for tensor in tensors)

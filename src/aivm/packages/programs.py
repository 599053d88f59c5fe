"""The programs of a package: those that its publisher lists, and those derived from its source.

    programs = Programs(package)
    found = programs.find({"ids": (1, 16), "mask": (1, 16)})
    found.program, found.constants, found.gas, found.derived

A package that carries its model runs any shape that the model allows. The compiler gives the same
program everywhere, so a derived one is known to everybody who has the package; it is kept in memory
and on disk, because compiling takes seconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from aivm.commitments import VerifiedTensors, program_root
from aivm.compiler import CheckedModel, CompiledModel, compile_model, inspect_model, load_model
from aivm.errors import AivmError, MalformedPackage, WrongTensor
from aivm.isa.gas import gas_units
from aivm.isa.instructions import TensorType
from aivm.isa.program import Program
from aivm.packages.beside import files_beside
from aivm.packages.derived import DerivedPrograms
from aivm.packages.entries import ProgramEntry, Role
from aivm.packages.package import Package

Shapes = Mapping[str, tuple[int, ...]]
KEPT_PROGRAMS = 16  # derived ones, in memory: constants that depend on the shape are with them


@dataclass(frozen=True)
class PackageProgram:
    """A program of a package with all that running it takes; `derived`: it is not listed."""

    root: bytes
    program: Program
    constants: VerifiedTensors
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    gas: int
    derived: bool

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        types = self.program.value_types
        return tuple(types[value] for value in self.program.outputs)


class Programs:
    """Finds the program for input shapes. Threads may share one."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self._listed = {
            _key({port.name: port.shape for port in entry.inputs}): entry
            for entry in reversed(package.manifest.entries)
        }
        self._source: CheckedModel | None = None
        self._derived: OrderedDict[object, PackageProgram] = OrderedDict()
        self._stored = DerivedPrograms(package)
        self._lock = threading.Lock()

    @property
    def derives(self) -> bool:
        """Whether the package carries the model that programs can be derived from."""
        return bool(self.package.manifest.paths(Role.SOURCE))

    def is_listed(self, shapes: Shapes) -> bool:
        """Whether the publisher lists a program for these shapes."""
        return _key(shapes) in self._listed

    def find(self, shapes: Shapes) -> PackageProgram:
        """The listed program for these input shapes, or else the derived one.

        Raises WrongTensor (shapes that the model does not allow, or that are not listed where the
        package has no source), UnsupportedModel, TooLarge.
        """
        entry = self._listed.get(_key(shapes))
        return self._of_entry(entry) if entry is not None else self._derive(shapes)

    def listed(self) -> list[PackageProgram]:
        """Every program that the publisher lists, in the manifest's order."""
        return [self._of_entry(entry) for entry in self.package.manifest.entries]

    def _of_entry(self, entry: ProgramEntry) -> PackageProgram:
        return PackageProgram(
            root=entry.program,
            program=self.package.program(entry.name),
            constants=self.package.constants(entry.name),
            input_names=tuple(port.name for port in entry.inputs),
            output_names=tuple(port.name for port in entry.outputs),
            gas=entry.gas_units,
            derived=False,
        )

    def _derive(self, shapes: Shapes) -> PackageProgram:
        key = _key(shapes)
        with self._lock:
            found = self._derived.pop(key, None)
            if found is None:
                found = self._from_compiled(self._stored_or_compiled(shapes))
                while len(self._derived) >= KEPT_PROGRAMS:
                    self._derived.popitem(last=False)
            self._derived[key] = found
            return found

    def _stored_or_compiled(self, shapes: Shapes) -> CompiledModel:
        if not self.derives:
            raise self._not_listed(shapes)
        stored = self._stored.read(shapes)
        if stored is not None:
            return stored
        if self._source is None:
            self._source = load_source(self.package)
        source = self._source
        assert source is not None, "it was there when the package was opened"
        names = [tensor.name for tensor in inspect_model(source).inputs]
        if missing := [name for name in names if name not in shapes]:
            hint = f"Inputs: {', '.join(names)}"
            raise WrongTensor(f"input {missing[0]!r} is missing", hint=hint)
        compiled = compile_model(source, shapes)
        self._stored.write(shapes, compiled)
        return compiled

    def _from_compiled(self, compiled: CompiledModel) -> PackageProgram:
        """The weights of the package take the place of equal constants: they are mapped."""
        mapped = self.package.constants_by_root
        constants = zip(compiled.program.constants, compiled.constants, strict=True)
        return PackageProgram(
            root=program_root(compiled.program),
            program=compiled.program,
            # Their roots are computed by the compiler, or checked when they are read from disk.
            constants=VerifiedTensors(mapped.get(c.root, array) for c, array in constants),
            input_names=compiled.input_names,
            output_names=compiled.output_names,
            gas=gas_units(compiled.program),
            derived=True,
        )

    def _not_listed(self, shapes: Shapes) -> WrongTensor:
        known = "; ".join(
            ", ".join(f"{port.name}{list(port.shape)}" for port in entry.inputs)
            for entry in self.package.manifest.entries
        )
        asked = ", ".join(f"{name}{list(shape)}" for name, shape in sorted(shapes.items()))
        return WrongTensor(
            f"the package has no program for {asked}, and no source to derive one from",
            hint=f"It has: {known}",
        )


def load_source(package: Package) -> CheckedModel | None:
    """The model in a package, its large tensors views of the mapped weights; None without one.

    Raises MalformedPackage for one that cannot be read.
    """
    paths = package.manifest.paths(Role.SOURCE)
    if not paths:
        return None
    try:
        return load_model(package.read(paths[0]), files_beside(package.file(paths[0])))
    except AivmError as problem:
        reason = f"the source {paths[0]!a} cannot be used: {problem.message}"
        raise MalformedPackage(reason, hint=problem.hint) from problem


def _key(shapes: Shapes) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted((name, tuple(shape)) for name, shape in shapes.items()))

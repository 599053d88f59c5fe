"""The modules of a package: how the manifest names them, and how they are opened.

A module is named by its file's SHA-256, with everything else that decides what it gives: how it is
called, the files that it reads, and its limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aivm.errors import BadInput, MalformedPackage, ModuleFailed
from aivm.modules import Limits, Module, Tensor
from aivm.modules.wasi import App
from aivm.packages.paths import check_unique
from aivm.receipts import ModuleInterface, Stage, StageRole

# Of these, a package has at most one: the stages of a job are one before and one after the model.
_FIRST = (StageRole.TOKENIZER, StageRole.PREPROCESS)
TEXT = "text"  # the first input of every tokenizer


@dataclass(frozen=True, slots=True)
class ModuleEntry:
    """One module: `path` is its file, `module` that file's SHA-256.

    The files of `data` are its first inputs, each as U8[size]; then come the job's tensors, named
    `inputs`. What it gives is named `outputs`. Apps have neither: they have arguments and standard
    streams.
    """

    name: str
    role: StageRole
    path: str
    module: bytes
    entry: str
    limits: Limits
    data: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def interface(self) -> ModuleInterface:
        return ModuleInterface.WASI if self.role is StageRole.APP else ModuleInterface.TENSORS

    def stage(self, digests: Mapping[str, bytes]) -> Stage:
        """How a receipt names it; `digests` are the SHA-256 of the package's files by path."""
        return Stage(
            role=self.role,
            interface=self.interface,
            module=self.module,
            entry=self.entry,
            data=tuple(digests[path] for path in self.data),
            inputs=self.inputs,
            outputs=self.outputs,
            fuel=self.limits.fuel,
            memory_bytes=self.limits.memory_bytes,
        )

    def to_document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "role": self.role.value,
            "interface": self.interface.value,
            "path": self.path,
            "module": f"0x{self.module.hex()}",
            "entry": self.entry,
            "data": list(self.data),
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "fuel": self.limits.fuel,
            "memory_bytes": self.limits.memory_bytes,
        }


def module_from_document(item: Mapping[str, Any]) -> ModuleEntry:
    """Reads an entry that fits the schema. Raises MalformedPackage for what that cannot say."""
    try:
        limits = Limits(item["fuel"], item["memory_bytes"])
    except BadInput as problem:
        raise MalformedPackage(f"module {item['name']}: {problem.message}") from None
    entry = ModuleEntry(
        name=item["name"],
        role=StageRole(item["role"]),
        path=item["path"],
        module=bytes.fromhex(item["module"][2:]),
        entry=item["entry"],
        limits=limits,
        data=tuple(item["data"]),
        inputs=tuple(item["inputs"]),
        outputs=tuple(item["outputs"]),
    )
    if item["interface"] != entry.interface.value:
        raise MalformedPackage(
            f"module {entry.name}: a module of role {entry.role} has interface {entry.interface}"
        )
    return entry


def check_modules(modules: Sequence[ModuleEntry], digests: Mapping[str, bytes]) -> None:
    """What must hold among the modules and the package's files (path to SHA-256)."""
    check_unique("module", (module.name for module in modules))
    for roles in (_FIRST, (StageRole.POSTPROCESS,)):
        if sum(module.role in roles for module in modules) > 1:
            raise MalformedPackage(f"there is more than one module of role {' or '.join(roles)}")
    for module in modules:
        _check_module(module, digests)


def _check_module(module: ModuleEntry, digests: Mapping[str, bytes]) -> None:
    where = f"module {module.name}"
    if digests.get(module.path) != module.module:
        raise MalformedPackage(f"{where}: {module.path!a} is not the file 0x{module.module.hex()}")
    for path in module.data:
        if path not in digests:
            raise MalformedPackage(f"{where}: the package has no file {path!a}")
    check_unique(f"input of {where}", module.inputs)
    check_unique(f"output of {where}", module.outputs)
    if module.role is StageRole.APP:
        if module.inputs or module.outputs or module.data:
            raise MalformedPackage(f"{where}: an app has no data, inputs and outputs")
    elif not module.outputs:
        raise MalformedPackage(f"{where} gives nothing")
    if module.role is StageRole.TOKENIZER and module.inputs[:1] != (TEXT,):
        raise MalformedPackage(f"{where}: the first input of a tokenizer is {TEXT!r}")


def load_code(entry: ModuleEntry, wasm: bytes) -> Module | App:
    """The module, ready to run. Raises MalformedModule, TooLarge."""
    kind = App if entry.role is StageRole.APP else Module
    return kind(wasm, entry.entry, entry.limits)


@dataclass(frozen=True)
class LoadedModule:
    """A module of a package: its entry, how receipts name it, its code, and its files of data."""

    entry: ModuleEntry
    stage: Stage
    code: Module
    data: tuple[Tensor, ...]

    def run(self, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """What it makes of a job's tensors, by name. Raises ModuleFailed, OutOfFuel, TooLarge."""
        outputs = self.code.run([*self.data, *inputs]).outputs
        if len(outputs) != len(self.entry.outputs):
            raise ModuleFailed(
                f"module {self.entry.name} gave {len(outputs)} tensors,"
                f" its package says {len(self.entry.outputs)}"
            )
        return dict(zip(self.entry.outputs, outputs, strict=True))


@dataclass(frozen=True)
class LoadedApp:
    """An app of a package: its entry, how receipts name it, and its code."""

    entry: ModuleEntry
    stage: Stage
    code: App

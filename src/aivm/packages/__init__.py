"""Packages: what a publisher ships, signed, and verified to the last byte before it is used."""

from aivm.packages.beside import files_beside
from aivm.packages.claims import Claims
from aivm.packages.compiling import compiler_version
from aivm.packages.entries import ConstantEntry, FileEntry, Interface, Port, ProgramEntry, Role
from aivm.packages.manifest import Manifest, manifest_cid, model_id, parse_manifest
from aivm.packages.modules import ModuleEntry
from aivm.packages.pack import pack_model
from aivm.packages.package import Package, open_package
from aivm.packages.programs import PackageProgram, Programs
from aivm.packages.session import SessionEntry, StatePair
from aivm.packages.writer import (
    Description,
    ExtraFile,
    ModuleSource,
    PackageInfo,
    describe_package,
    wordpiece_module,
    write_package,
)

__all__ = [
    "Claims",
    "ConstantEntry",
    "Description",
    "ExtraFile",
    "FileEntry",
    "Interface",
    "Manifest",
    "ModuleEntry",
    "ModuleSource",
    "Package",
    "PackageInfo",
    "PackageProgram",
    "Port",
    "ProgramEntry",
    "Programs",
    "Role",
    "SessionEntry",
    "StatePair",
    "compiler_version",
    "describe_package",
    "files_beside",
    "manifest_cid",
    "model_id",
    "open_package",
    "pack_model",
    "parse_manifest",
    "wordpiece_module",
    "write_package",
]

"""Builds the kernels for every target with the pinned zig toolchain, byte-reproducibly.

    python kernels/build.py                      all targets -> src/aivm/kernels/artifacts/
    python kernels/build.py --target native-v3   one target, for daily work (repeatable)
    python kernels/build.py --check              rebuild elsewhere and compare with the artifacts

The same sources and the same zig give the same bytes on every machine and in every directory, so
the artifacts are committed, their digests are part of the protocol version, and CI compares them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import wasm_gate

KERNELS = Path(__file__).resolve().parent
ARTIFACTS = KERNELS.parent / "src" / "aivm" / "kernels" / "artifacts"
ZIG_VERSION = "0.17.1"

# -ffp-contract=off: a product and a sum stay two roundings. -s: without it paths reach the bytes.
COMMON = (
    *("-std=c17", "-O3", "-ffp-contract=off", "-fno-sanitize=all", "-fomit-frame-pointer"),
    *("-fvisibility=hidden", "-ffreestanding", "-nostdlib", "-s", "-Iinclude"),
    *("-Wall", "-Wextra", "-Werror"),
)
WASM = (
    *("-mcpu=generic+simd128+relaxed_simd+bulk_memory+sign_ext+nontrapping_fptoint",),
    *("-Wl,--no-entry", "-Wl,--export-memory", "-Wl,--export=__heap_base"),
)
ELF = ("-shared", "-fPIC", "-Wl,-z,defs", "-Wl,--build-id=none")

# One text for the GPU's run-time compiler, nvcc and the emulator, in this order; scalar.cuh stands
# where vector.h stands for CPUs.
CUDA_SOURCES = (
    *("cuda/hardware.cuh", "cuda/scalar.cuh", "include/functions.gen.h", "cuda/integers.cuh"),
    *("cuda/casts.cuh", "cuda/launch.cuh", "cuda/reduce.cuh", "cuda/data.cuh"),
    *("cuda/gemm_f32.cuh", "cuda/gemm_i8.cuh"),
)


@dataclass(frozen=True)
class Target:
    """One artifact: its file name, zig's target triple and the flags of its own.

    The GPU's is a source: its flags are the files that it is put together from.
    """

    file: str
    triple: str
    flags: tuple[str, ...]


TARGETS = {
    "wasm": Target("aivm.wasm", "wasm32-freestanding", WASM),
    "native-v3": Target("libaivm-x86_64-v3.so", "x86_64-linux-gnu", ("-mcpu=x86_64_v3", *ELF)),
    "native-v4": Target(
        "libaivm-x86_64-v4.so",
        "x86_64-linux-gnu",
        ("-mcpu=x86_64_v4", "-mprefer-vector-width=512", *ELF),
    ),
    "native-v4-vnni": Target(
        "libaivm-x86_64-v4-vnni.so",
        "x86_64-linux-gnu",
        ("-mcpu=x86_64_v4+avx512vnni", "-mprefer-vector-width=512", *ELF),
    ),
    "native-aarch64": Target("libaivm-aarch64.so", "aarch64-linux-gnu", ELF),
    "native-macos": Target(
        "libaivm-aarch64.dylib",
        "aarch64-macos",
        ("-shared", "-fPIC", "-Wl,-install_name,@rpath/libaivm-aarch64.dylib"),
    ),
    "cuda": Target("aivm.cu", "compiled at run time", CUDA_SOURCES),
}


def sources_digest() -> str:
    """SHA-256 over everything that decides the bytes: sources, headers, targets, zig's version."""
    digest = hashlib.sha256()
    paths = (path for folder in ("src", "include", "cuda") for path in KERNELS.glob(f"{folder}/*"))
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(KERNELS).as_posix()} {content}\n".encode())
    digest.update(f"{ZIG_VERSION} {COMMON} {TARGETS}\n".encode())
    return digest.hexdigest()


def compile_target(target: Target, folder: Path, zig_cache: Path | None = None) -> Path:
    """Compiles and links one target into `folder`; raises CalledProcessError where clang does."""
    output = folder / target.file
    if target.file.endswith(".cu"):
        output.write_text(joined_source(target.flags), encoding="utf-8")
        return output
    sources = sorted(path.relative_to(KERNELS).as_posix() for path in KERNELS.glob("src/*.c"))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple]
    command += [*COMMON, *target.flags, "-o", str(output), *sources]
    environment = dict(os.environ)
    if zig_cache is not None:
        environment["ZIG_GLOBAL_CACHE_DIR"] = environment["ZIG_LOCAL_CACHE_DIR"] = str(zig_cache)
    subprocess.run(command, cwd=KERNELS, env=environment, check=True)
    if target.file.endswith(".wasm"):
        wasm_gate.check(output.read_bytes())
    return output


def joined_source(files: Sequence[str]) -> str:
    """The files one after the other, without what includes them in one another."""
    texts = []
    for name in files:
        lines = (KERNELS / name).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("#pragma once", '#include "'))]
        texts.append("\n".join([f"// --- {name}", *kept, ""]))
    return "\n".join(texts)


def describe(folder: Path) -> dict[str, object]:
    """The content of artifacts.json for the files in `folder`."""
    files = {}
    for name, target in TARGETS.items():
        content = (folder / target.file).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        files[name] = {"file": target.file, "sha256": digest, "bytes": len(content)}
    return {"zig": ZIG_VERSION, "sources": sources_digest(), "artifacts": files}


def build(names: Sequence[str], folder: Path, zig_cache: Path | None = None) -> None:
    """Builds the named targets into `folder`, and its artifacts.json once all files are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        output = compile_target(TARGETS[name], folder, zig_cache)
        for debris in folder.glob("*.lib"):  # lld's import library, which nothing here links
            debris.unlink()
        output.chmod(0o644)
        sys.stderr.write(f"{name}: {output.stat().st_size} bytes\n")
    if all((folder / target.file).exists() for target in TARGETS.values()):
        text = json.dumps(describe(folder), indent=2, sort_keys=True) + "\n"
        (folder / "artifacts.json").write_text(text)


def check() -> bool:
    """Whether a build in a fresh directory with a fresh cache gives the committed bytes."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        build(list(TARGETS), fresh, fresh / "cache")
        names = [target.file for target in TARGETS.values()] + ["artifacts.json"]
        stale = [n for n in names if (fresh / n).read_bytes() != (ARTIFACTS / n).read_bytes()]
    for name in stale:
        sys.stderr.write(f"{name} is not what the sources give: run kernels/build.py\n")
    return not stale


def zig_version() -> str:
    command = [sys.executable, "-m", "ziglang", "version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the kernels.")
    parser.add_argument("--target", action="append", choices=TARGETS, help="default: all")
    parser.add_argument("--check", action="store_true", help="rebuild elsewhere and compare")
    arguments = parser.parse_args()
    if zig_version() != ZIG_VERSION:
        sys.stderr.write(f"zig {ZIG_VERSION} is needed (pip install ziglang=={ZIG_VERSION})\n")
        return 2
    if arguments.check:
        return 0 if check() else 3
    build(arguments.target or list(TARGETS), ARTIFACTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())

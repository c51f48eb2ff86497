"""Noticing that a city's files were edited: a fingerprint of names, sizes and times of change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

KINDS = ("systems/*.yaml", "tables/*.csv", "layouts/*.yaml", "calendars/*.yaml")
TESTS = ("tests/*.yaml",)

Fingerprint = dict[str, tuple[int, int, int]]  # path → size, time of change in ns, inode


def fingerprint(folder: Path, *, patterns: Iterable[str] = KINDS, also: Iterable[Path] = ()) -> Fingerprint:
    """Return the fingerprint of `hub.yaml`, of the files of the patterns, and of further files; absent ones count too.

    Editors replace a file by renaming another over it, so the inode counts as well.
    """
    paths = [folder / "hub.yaml", *also]
    paths += [path for pattern in patterns for path in folder.glob(pattern) if not path.name.startswith(".")]
    return {str(path): mark for path in paths if (mark := _mark(path)) is not None}


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino

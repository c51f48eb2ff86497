"""What places behind a network share: looking through folders by a pattern, copies to read from, one writer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

from hub.adapters.contract import Site
from hub.adapters.files import make_folder, named, open_locked
from hub.adapters.places import DONE, Found, is_left_alone
from hub.errors import Transient, UsageError

REMEMBERED = 200  # lines, far more than there can be unfinished files at once


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder lists: a name, what it looks like, and whether it is a folder itself."""

    name: str
    mark: list[Any]
    is_folder: bool = False


def matching(
    listing: Callable[[str], Iterable[Entry]], folder: str, parts: tuple[str, ...], label: str, faults: list[Transient]
) -> Iterator[Found]:
    """Yield the files below a folder that the patterns find, in name order, as `files.listing` does for local ones."""
    try:
        entries = sorted(listing(folder), key=lambda entry: entry.name)
    except Transient as fault:
        faults.append(fault)
        return
    for entry in entries:
        if is_left_alone(entry.name) or not fnmatchcase(entry.name, parts[0]):
            continue
        where = f"{folder.rstrip('/')}/{entry.name}" if folder else entry.name
        if len(parts) == 1 and not entry.is_folder:
            yield Found(entry.name, f"{label}{entry.name}", entry.mark, where)
        elif len(parts) > 1 and entry.is_folder and entry.name != DONE:
            yield from matching(listing, where, parts[1:], f"{label}{entry.name}/", faults)


@contextmanager
def copy_of(site: Site, fill: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Give a file without a name in the city's `var/`, filled and at its begin: it is gone with whoever reads it."""
    folder = site.folder / "var"
    with named("write in", folder):
        make_folder(folder)
        stream = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — closed below
    with stream:
        with named("write in", folder):
            fill(stream)
            stream.seek(0)
        yield stream


class Writer:
    """The one writer of a remote folder on this machine: a locked file in `var/places/`.

    Between machines the receiver's lease decides who writes.
    """

    def __init__(self, site: Site) -> None:
        self._path = site.folder / "var" / "places" / f"{site.key}.lock"
        self._descriptor: int | None = None

    def lock(self) -> None:
        """Become the writer, once; raises `Transient` while another process is."""
        if self._descriptor is None:
            with named("lock", self._path):
                self._descriptor = open_locked(self._path)

    def close(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def remembered(memory: bytes | None) -> list[str]:
    """Return the lines of a remembering file; one that a crash cut short is left out."""
    return (memory or b"").decode("utf-8", "replace").split("\n")[:-1]


def remember(lines: list[str], line: str) -> bytes:
    """Return the remembering file with a line more, cut back now and then."""
    kept = lines[-REMEMBERED:] if len(lines) >= 2 * REMEMBERED else lines
    return "".join(f"{each}\n" for each in [*kept, line]).encode()


def not_installed(package: str, extra: str) -> UsageError:
    """Return the error for a package that only this place needs."""
    return UsageError(f"{package} is not installed", mend=f"pip install 'city-hub[{extra}]'", code="not-installed")

"""Folders of this machine, mounted shares too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from hub.adapters.files import (
    listing,
    make_folder,
    move_aside,
    named,
    open_locked,
    sync_folder,
    write_all,
    write_durable,
)
from hub.adapters.places import Found, Gone
from hub.errors import Transient

REMEMBERED = 200  # lines, far more than there can be unfinished files at once


@contextmanager
def _found(what: str, path: Path) -> Iterator[None]:
    """Turn an absent file into `Gone`, any other `OSError` into a `Transient`."""
    try:
        with named(what, path):
            yield
    except Transient as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            raise Gone(str(path)) from fault
        raise


class LocalInbox:
    """The files of a pattern from a folder."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder = folder
        self._pattern = pattern

    def look(self, faults: list[Transient]) -> list[Found]:
        """Return the files in name order; the part of the pattern before its first sign is made where missing."""
        return [self._file(path) for path in listing(self._folder, self._pattern, faults)]

    @contextmanager
    def open(self, found: Found) -> Iterator[BinaryIO]:
        """Open the file itself."""
        with _found("read", found.where), found.where.open("rb") as stream:
            stat = os.fstat(stream.fileno())
            found.mark, found.written = _mark(stat), stat.st_mtime_ns // 1_000_000
            yield stream

    def mark(self, found: Found) -> list[Any] | None:
        """Return its inode, size and time of change."""
        try:
            return _mark(found.where.stat())
        except OSError:  # whatever it is, opening the file will say so
            return None

    def beside(self, found: Found, name: str) -> Found | None:
        """Return the file of that name in the same folder."""
        path = found.where.parent / name
        return self._file(path) if path.is_file() else None

    def move(self, found: Found) -> None:
        """Move the file into `done/`."""
        with _found("move", found.where):
            move_aside(found.where)

    def delete(self, found: Found) -> None:
        """Delete the file."""
        with _found("delete", found.where):
            found.where.unlink()
            sync_folder(found.where.parent)

    def _file(self, path: Path) -> Found:
        label = path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
        found = Found(path.name, str(label), where=path)
        found.mark = self.mark(found) or []
        return found


class LocalOutbox:
    """A folder with a hidden `.<system>.<receiver>.hub`, which is its lock and its memory."""

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._path = folder / f".{key}.hub"
        self._descriptor: int | None = None

    def lock(self) -> None:
        """Lock the memory's file, anew when the folder was replaced."""
        with named("write in", self._folder):
            if self._descriptor is not None:
                with suppress(FileNotFoundError):
                    if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                        return
                self.close()
            make_folder(self._folder)
            self._descriptor = open_locked(self._path)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes."""
        with named("read in", self._folder):
            try:
                return (self._folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file and sync it."""
        with named("write in", self._folder):
            write_durable(self._folder / name, content)
            sync_folder(self._folder)

    def publish(self, hidden: str, visible: str) -> None:
        """Rename the file and sync the folder."""
        with named("write in", self._folder):
            (self._folder / hidden).rename(self._folder / visible)
            sync_folder(self._folder)

    def remove(self, name: str) -> None:
        """Delete the file and sync the folder."""
        with named("write in", self._folder):
            (self._folder / name).unlink(missing_ok=True)
            sync_folder(self._folder)

    def remembered(self) -> list[str]:
        """Return the lines of the memory."""
        with named("read in", self._folder):
            descriptor = self._open()
            return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("utf-8", "replace").split("\n")[:-1]

    def remember(self, line: str) -> None:
        """Append a line to the memory, which is cut back now and then."""
        lines = self.remembered()
        with named("write in", self._folder):
            descriptor = self._open()
            if len(lines) >= 2 * REMEMBERED:
                os.ftruncate(descriptor, 0)
                line = "\n".join([*lines[-REMEMBERED:], line])
            write_all(descriptor, f"{line}\n".encode())
            os.fsync(descriptor)

    def close(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            raise Transient(f"{self._path} is not locked", code="file-locked")
        return self._descriptor


def _mark(stat: os.stat_result) -> list[int]:
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]

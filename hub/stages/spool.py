"""Spools: files under `var/held/` that hold the records of a batch until it may go into Kafka, one CloudEvent a line.

A spool is locked by whoever writes or publishes it, and belongs to a batch once the ledger names it; a spool that
nobody has locked and the ledger does not name is what a crash left behind, and may go. Sealed spools are known by
length and digest, so that what is published is what a person has seen.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from hub.errors import Transient
from hub.events.wire import type_of
from hub.stages.records import Record

CHUNK = 2000  # records
CHUNK_BYTES = 4 * 1024 * 1024
_IDENTITY = ".folder"
_ENDING = ".jsonl"


class SpoolChanged(Exception):  # noqa: N818 - no error of the hub's: it becomes the reason a batch is held again
    """A sealed spool is not there any more, or not what was sealed."""


class _Head(msgspec.Struct):
    subject: str
    type: str


_heads = msgspec.json.Decoder(_Head)


def key_of(value: bytes) -> bytes:
    """Return the Kafka key of an encoded event: its subject."""
    return _heads.decode(value).subject.encode()


def short_type_of(value: bytes) -> str:
    """Return the short type of an encoded event."""
    return type_of(_heads.decode(value).type)[0]


class Spool:
    """One spool, open and locked; closing it lets go of the lock."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._records = 0
        self._bytes = 0

    def add(self, records: Sequence[Record]) -> None:
        """Append records. Raises `Transient` when the disk does not take them."""
        data = b"".join([value + b"\n" for _, value in records])
        with _named(self.path):
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        self._digest.update(data)
        self._records += len(records)
        self._bytes += len(data)

    def clear(self) -> None:
        """Take out what was added, to begin anew."""
        with _named(self.path):
            os.ftruncate(self._descriptor, 0)
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0

    def seal(self) -> dict[str, Any]:
        """Make it durable and return what the ledger is to remember of it."""
        with _named(self.path):
            os.fsync(self._descriptor)
            _sync(self.path.parent)
            folder = _identity(self.path.parent)
        return {
            "folder": folder,
            "file": self.path.name,
            "records": self._records,
            "bytes": self._bytes,
            "sha256": self._digest.hexdigest(),
        }

    def chunks(self) -> Iterator[list[Record]]:
        """Yield its records in order, some thousand at a time."""
        chunk: list[Record] = []
        size = 0
        with self.path.open("rb") as lines:
            for line in lines:
                value = line[:-1]
                chunk.append((key_of(value), value))
                size += len(value)
                if len(chunk) >= CHUNK or size >= CHUNK_BYTES:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete it and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()


def create(folder: Path, stem: str) -> Spool:
    """Open a new spool. Raises `Transient` when the folder cannot be written."""
    with _named(folder):
        _make(folder)
        while True:
            path = folder / f"{stem}.{secrets.token_hex(8)}{_ENDING}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_there(path, descriptor):  # a sweep may have met it before it was locked
                return Spool(path, descriptor)
            os.close(descriptor)


def open_sealed(folder: Path, token: dict[str, Any]) -> Spool | None:
    """Open the spool of a held batch, which is in this folder; None while another process has it.

    Raises `SpoolChanged` when it is gone or not what was sealed.
    """
    path = folder / token["file"]
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise SpoolChanged(f"{path} is gone") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except BlockingIOError:
        os.close(descriptor)
        return None
    except FileNotFoundError:
        os.close(descriptor)
        raise SpoolChanged(f"{path} is gone") from None
    except BaseException:
        os.close(descriptor)
        raise
    if digest != token["sha256"]:
        os.close(descriptor)
        raise SpoolChanged(f"{path} has been changed")
    return Spool(path, descriptor)


def is_here(folder: Path, token: dict[str, Any]) -> bool:
    """Tell whether a spool was sealed in this folder, and not in that of another machine."""
    return bool(token.get("folder") == _identity(folder))


def sweep(folder: Path, named: Callable[[], set[str]]) -> list[Path]:
    """Delete what a crash left behind and return it; `named` asks the ledger which spools belong to a batch."""
    left = []
    for path in sorted(folder.glob(f"*{_ENDING}")) if folder.is_dir() else ():
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.name not in named():  # asked under the lock: whoever wrote it is done with the ledger
                path.unlink(missing_ok=True)
                left.append(path)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return left


def _identity(folder: Path) -> str:
    """Return the folder's own name, made at first: two machines may share a ledger, but not this folder."""
    path = folder / _IDENTITY
    if not path.exists():
        _make(folder)
        made = folder / f"{_IDENTITY}.{secrets.token_hex(8)}"
        made.write_text(secrets.token_hex(16))
        _sync(made)
        try:
            os.link(made, path)  # whole or not at all, and never over another one
        except FileExistsError:
            pass
        finally:
            made.unlink()
        _sync(folder)
    return path.read_text()


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Transient(f"a batch cannot be kept in {path}: {error.strerror or error}", code="held") from error

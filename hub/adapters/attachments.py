"""Attachments, kept beside Kafka in the city's `var/attachments/`: each once, under the digest of its content.

A file's name is its SHA-256; events carry name, digest and size. What is here was synced before anybody is told of it,
and is for the hub's own user alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple

from hub.adapters.files import make_folder, named, sync_folder, write_all
from hub.errors import Malformed

FOLDER = Path("var/attachments")


class Kept(NamedTuple):
    """A file that is kept: the SHA-256 of its content in hex, and its bytes."""

    digest: str
    size: int


class Attachments:
    """The folder of a city."""

    def __init__(self, city: Path) -> None:
        self._folder = city / FOLDER

    def keep(self, parts: Iterable[bytes], largest: int) -> Kept:
        """Write a file, durably, and say what it is known by; one that is there already is left as it is.

        Raises `Malformed` (`attachment-too-large`) for one of more than `largest` bytes, and `Transient` when the disk
        does not take it.
        """
        with named("keep an attachment in", self._folder):
            make_folder(self._folder)
            descriptor, temporary = mkstemp(prefix=".part-", dir=self._folder)  # 0600
            try:
                kept = _copy(parts, descriptor, largest)
                self._place(Path(temporary), descriptor, kept)
            finally:
                os.close(descriptor)
                Path(temporary).unlink(missing_ok=True)
        return kept

    def path(self, digest: str) -> Path:
        """Return where the file of a digest is."""
        return self._folder / digest[:2] / digest

    def _place(self, temporary: Path, descriptor: int, kept: Kept) -> None:
        target = self.path(kept.digest)
        if not target.exists():
            os.fsync(descriptor)
            make_folder(target.parent)
            temporary.replace(target)
        sync_folder(target.parent)  # also of one that was there: who brought it may have been killed before this


def _copy(parts: Iterable[bytes], descriptor: int, largest: int) -> Kept:
    digest, size = hashlib.sha256(), 0
    for part in parts:
        size += len(part)
        if size > largest:
            raise Malformed(f"an attachment has more than {largest} bytes", code="attachment-too-large")
        digest.update(part)
        write_all(descriptor, part)
    return Kept(digest.hexdigest(), size)

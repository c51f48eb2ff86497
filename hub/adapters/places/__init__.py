"""Where files lie: a folder of this machine, an SFTP server, an object storage. One file per kind of place.

The file formats read through an `Inbox` and write through an `Outbox`, and so work on every place alike. `path` says
which it is: `in/juki/*.csv`, `sftp://user@host/dir/*.csv`, `s3://bucket/prefix/*.csv`. Whatever goes wrong with a place
is a `Transient` naming it; a file that its owner has taken away is `Gone`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from hub.errors import Transient

DONE = "done"
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")  # names writers use until a file is whole


class Gone(Exception):  # noqa: N818 — an answer about one file
    """The file is not there any more: its owner has taken it away."""


@dataclass(slots=True)
class Found:
    """A file: `label` is its path for people and positions, `mark` (plain JSON) what it looked like.

    A file whose mark is the same has not been written to. `where` is the place's own, `written` when the file was
    written last by the place's clock (milliseconds since 1970), as far as it says.
    """

    name: str
    label: str
    mark: list[Any] = field(default_factory=list)
    where: Any = None
    written: int | None = None


class Inbox(Protocol):
    """The files a pattern finds in one place. Called by one thread at a time."""

    def look(self, faults: list[Transient]) -> list[Found]:
        """Return the files in name order; what cannot be looked into goes into `faults`.

        Hidden files, `done/` and names that writers use until a file is whole are left alone.
        """
        ...

    def open(self, found: Found) -> AbstractContextManager[BinaryIO]:
        """Give the file's bytes as a stream that can be sought, and set its mark anew; raises `Gone`."""
        ...

    def mark(self, found: Found) -> list[Any] | None:
        """Return what the file looks like now, None when it is gone."""
        ...

    def beside(self, found: Found, name: str) -> Found | None:
        """Return the file of that name beside it, None when there is none."""
        ...

    def move(self, found: Found) -> None:
        """Put the file into `done/` beside it, never over another one."""
        ...

    def delete(self, found: Found) -> None:
        """Remove the file."""
        ...


class Outbox(Protocol):
    """One folder of a place, with one writer. Called by one thread at a time."""

    def lock(self) -> None:
        """Become the folder's only writer, once; raises `Transient` while another process is."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None when there is none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a hidden file anew; its bytes are durable as far as the place can promise it."""
        ...

    def publish(self, hidden: str, visible: str) -> None:
        """Give a hidden file its visible name, which no file has, whole or not at all, and durably."""
        ...

    def remove(self, name: str) -> None:
        """Remove a hidden file if it is there."""
        ...

    def remembered(self) -> list[str]:
        """Return the lines remembered last, old ones first."""
        ...

    def remember(self, line: str) -> None:
        """Remember a line with the files, durably."""
        ...

    def close(self) -> None:
        """Let go of the lock and of connections."""
        ...


def is_left_alone(name: str) -> bool:
    """Say whether a file's name is hidden, or one that a writer uses until the file is whole."""
    return name.startswith(".") or name.lower().endswith(UNFINISHED)


def numbered(name: str, number: int) -> str:
    """Return the n-th name for a file whose name is taken, as in `a.csv`, `a.2.csv`, `a.3.csv`."""
    stem, dot, suffix = name.rpartition(".")
    if number == 1:
        return name
    return f"{stem}.{number}.{suffix}" if dot and stem else f"{name}.{number}"

"""What one full extract needs beside memory while it is compared: the keys it has, and how it differs.

A SQLite file of its own in the city's `var/`, for this user alone, gone when it is closed. It is as large as the
extract has keys and differences, so that memory stays the same whatever its size.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

Json = dict[str, Any]
_PAGE = 200


class Scratch:
    """The notes of one extract."""

    def __init__(self, folder: Path, name: str) -> None:
        self._db, self._path = open_notes(
            folder,
            name,
            [
                "CREATE TABLE seen(key BLOB PRIMARY KEY, whole BLOB NOT NULL) WITHOUT ROWID",
                "CREATE TABLE note(no INTEGER PRIMARY KEY, change TEXT NOT NULL, body BLOB NOT NULL)",
            ],
        )

    def seen(self, rows: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """Note keys with their contents; return for each what the key had before in this extract, None if nothing."""
        found: list[bytes | None] = []
        self._db.execute("BEGIN")
        for key, whole in rows:
            fresh = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, whole)).rowcount
            row = None if fresh else self._db.execute("SELECT whole FROM seen WHERE key = ?", (key,)).fetchone()
            found.append(row[0] if row else None)
        self._db.execute("COMMIT")
        return found

    def keys(self) -> Iterator[bytes]:
        """Yield the keys the extract has, sorted."""
        for (key,) in self._db.execute("SELECT key FROM seen ORDER BY key"):
            yield key

    def note(self, notes: Sequence[Json]) -> None:
        """Note differences, in order; each says its `change`."""
        if not notes:
            return
        self._db.execute("BEGIN")
        packed = ((note["change"], orjson.dumps(note)) for note in notes)
        self._db.executemany("INSERT INTO note(change, body) VALUES (?, ?)", packed)
        self._db.execute("COMMIT")

    def drop(self, changes: Sequence[str]) -> None:
        """Forget the notes of these changes."""
        self._db.executemany("DELETE FROM note WHERE change = ?", [(change,) for change in changes])

    def notes(self) -> Iterator[list[Json]]:
        """Yield the differences in order, some hundreds at a time."""
        after = 0
        while True:
            query = "SELECT no, body FROM note WHERE no > ? ORDER BY no LIMIT ?"
            rows = self._db.execute(query, (after, _PAGE)).fetchall()
            if rows:
                yield [orjson.loads(body) for _, body in rows]
                after = rows[-1][0]
            if len(rows) < _PAGE:
                return

    def close(self) -> None:
        """Let go of it; nothing of it stays."""
        self._db.close()
        self._path.unlink(missing_ok=True)


def open_notes(folder: Path, name: str, tables: Sequence[str]) -> tuple[sqlite3.Connection, Path]:
    """Return a SQLite file of one's own in a folder, with these tables, where nothing has to survive."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob(f"{name}.*.scratch"):
        _sweep(left)
    path = folder / f"{name}.{os.getpid()}.{secrets.token_hex(4)}.scratch"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-8192", *tables):
        db.execute(statement)
    return db, path


def _sweep(left: Path) -> None:
    """Remove what a process left that is there no more."""
    try:
        os.kill(int(left.name.split(".")[-3]), 0)
    except (ProcessLookupError, ValueError):
        left.unlink(missing_ok=True)
    except PermissionError:
        return

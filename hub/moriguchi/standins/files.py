"""How legacy systems hand over files: written under a name nobody reads, then renamed, so that no half file is seen."""

from __future__ import annotations

import csv
import io
import sqlite3
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def write_csv(path: Path, rows: Sequence[Mapping[str, str]], encoding: str = "cp932") -> Path:
    """Write rows with the header of the first one. Raises UnicodeEncodeError for signs the encoding lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return part.rename(path)


def csv_bytes(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return rows as UTF-8 CSV with the header of the first one."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a ZIP of files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return part.rename(path)


def read_csv(path: Path, encoding: str = "cp932") -> list[dict[str, str]]:
    """Read a CSV file into rows."""
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def unused(folder: Path, stem: str, suffix: str = ".csv") -> Path:
    """Return a path `<stem>_001<suffix>` that was used neither in the folder nor in `done/` beside it."""
    number = 1
    while (path := folder / f"{stem}_{number:03d}{suffix}").exists() or (folder / "done" / path.name).exists():
        number += 1
    return path


@contextmanager
def opened(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Open a stand-in's SQLite file as one transaction, with its tables there.

    A write lock is waited for, since the hub reads and writes some of these files too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, schema.split(";")):
            connection.execute(statement)
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """Insert a row, replacing the one with the same key."""
    marks = ", ".join("?" for _ in row)
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(f'INSERT OR REPLACE INTO "{table}" ({names}) VALUES ({marks})', tuple(row.values()))

"""Reads CSV files in name order, from where it was left, without ever losing a row or a file.

The position names the file being read by name, content and inode, with the offset of the next record, so that a crash
resumes in mid-file, while the same name with new content is read from its start. With `after: keep` it also holds what
each kept file looked like when it had been read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from hub.adapters.contract import Row, SourceBatch
from hub.adapters.csv_records import LIMIT, Header, Record, header, records
from hub.adapters.files import listing, move_aside, named, sync_folder
from hub.errors import Malformed, Transient

ROWS = 2000  # of one batch
BYTES = 4 * 1024 * 1024  # of one batch


@dataclass(slots=True)
class _File:
    """A file as it was when its reading began."""

    path: Path
    label: str  # its path from the city folder
    mark: list[int]  # inode, size, modified at
    digest: str

    def is_unchanged(self) -> bool:
        """Say whether the file is still the one that was read."""
        try:
            return _mark(self.path.stat()) == self.mark
        except FileNotFoundError:
            return False


class CsvSource:
    """The files of one pattern."""

    def __init__(self, folder: Path, pattern: str, *, encoding: str, delimiter: str, after: str) -> None:
        self._folder = folder
        self._pattern = pattern
        self._encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        self._delimiter = delimiter
        self._after = after
        self._same: dict[str, list[int]] = {}  # kept files touched since, with the content they had

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the rows of every file that is there. Raises `Transient` at the end for what could not be read."""
        faults: list[Transient] = []
        paths = list(listing(self._folder, self._pattern, faults))
        kept = self._still_there((after or {}).get("kept", {}), paths, certain=not faults)
        for path in paths:
            try:
                with named("read", path):
                    yield from self._read_file(path, after or {}, kept)
            except Transient as fault:
                if not isinstance(fault.__cause__, FileNotFoundError):  # taken away by its owner
                    faults.append(fault)
        if faults:
            raise Transient("; ".join(fault.message for fault in faults), code="unreadable")

    def acknowledge(self, batch: SourceBatch) -> None:
        """Move or delete a file whose rows are all durable; one that has changed meanwhile stays to be read."""
        file: _File | None = batch.token
        if file is None or self._after == "keep" or not file.is_unchanged():
            return
        with named(self._after, file.path):
            if self._after == "move":
                move_aside(file.path)
            else:
                file.path.unlink()
                sync_folder(file.path.parent)

    def _read_file(self, path: Path, after: dict[str, Any], kept: dict[str, list[Any]]) -> Iterator[SourceBatch]:
        with path.open("rb") as stream:
            label, mark = self._label(path), _mark(os.fstat(stream.fileno()))
            known = kept.get(label) if self._after == "keep" else None
            if known is not None and mark in (known[1:], self._same.get(label)):
                return
            file = _File(path, label, mark, _digest(stream))
            if known is not None and known[0] == file.digest:
                self._same[label] = mark
                return
            yield from self._batches(stream, file, after, kept)

    def _batches(
        self, stream: BufferedReader, file: _File, after: dict[str, Any], kept: dict[str, list[Any]]
    ) -> Iterator[SourceBatch]:
        position = {"file": file.label, "digest": file.digest, "mark": file.mark}
        batch_id = f"{file.path.name}@{file.digest[:16]}"
        resumed = all(after.get(name) == value for name, value in position.items())
        offset, line = (after["offset"], after["line"]) if resumed else (0, 1)

        def batch(rows: list[Row], offset: int, line: int, *, last: bool) -> SourceBatch:
            if last and self._after == "keep":
                kept[file.label] = [file.digest, *file.mark]
            where = {**position, "offset": offset, "line": line, **({"kept": dict(kept)} if kept else {})}
            return SourceBatch(rows, where, file.label, batch_id, last, token=file if last else None)

        rows: list[Row] = []
        size = 0
        for row, after_row, line_after in self._rows(stream, file, offset, line):
            rows.append(row)
            size += len(row.raw)
            offset, line = after_row, line_after
            if len(rows) >= ROWS or size >= BYTES:
                yield batch(rows, offset, line, last=False)
                rows, size = [], 0
        yield batch(rows, offset, line, last=file.is_unchanged())

    def _rows(self, stream: BufferedReader, file: _File, offset: int, line: int) -> Iterator[tuple[Row, int, int]]:
        """Yield each row with the offset and line after it; a file without a usable header is one error row."""
        size = file.mark[1]
        if size and offset >= size:
            return
        try:
            head = header(stream, self._encoding, self._delimiter)
        except Malformed as error:
            if not (offset or line > 1):
                stream.seek(0)
                yield Row({}, file.label, stream.read(LIMIT), error), size, 2
            return
        if offset < head.end:
            offset, line = head.end, head.next_line
        for record in records(stream, self._encoding, self._delimiter, offset=offset, line=line):
            yield self._row(record, head, file), record.end, record.next_line

    def _row(self, record: Record, head: Header, file: _File) -> Row:
        place = f"{file.label}:{record.line}"
        error = record.error
        if error is None:
            if len(record.cells) == len(head.names):
                return Row(dict(zip(head.names, record.cells, strict=True)), place, record.raw)
            error = Malformed(
                f"{len(record.cells)} columns where the header has {len(head.names)}", place=place, code="csv-columns"
            )
        error.place = place
        return Row({}, place, record.raw, error)

    def _still_there(self, kept: dict[str, list[Any]], paths: list[Path], *, certain: bool) -> dict[str, list[Any]]:
        """Return what is known of kept files without those that are gone, as far as that is certain."""
        labels = {self._label(path) for path in paths}
        return {label: known for label, known in kept.items() if label in labels or not certain}

    def _label(self, path: Path) -> str:
        return str(path.relative_to(self._folder) if path.is_relative_to(self._folder) else path)


def _mark(stat: os.stat_result) -> list[int]:
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _digest(stream: BufferedReader) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()[:32]

"""Reads files in name order, from where it was left, without ever losing a row or a file. Any format, any place.

The position names the file being read by name, content and mark, with the offset of the next record, so that a crash
resumes in mid-file, while the same name with new content is read from its start. With `after: keep` it also holds what
each kept file looked like when it had been read; where files carry a number, also the last numbers.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Protocol

from hub.adapters.contract import Row, SourceBatch
from hub.adapters.file_numbers import Numbers
from hub.adapters.places import Found, Gone, Inbox
from hub.errors import Malformed, Transient, UsageError

ROWS = 2000  # of one batch
BYTES = 4 * 1024 * 1024  # of one batch
PART = 1024 * 1024  # bytes of one row of a file that cannot be read at all


class Spot(NamedTuple):
    """A place between two records: the offset (or what the format counts instead) and the line after it."""

    offset: int = 0
    line: int = 1


class Format(Protocol):
    """How a file becomes rows."""

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield the rows from a spot with the spot after each; raises `Malformed` at once for a file as a whole.

        The rows and spots of the same bytes are always the same.
        """
        ...

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:
        """Yield the rows of a record, of several, or of a whole file, as `contract.Rereadable` says."""
        ...

    def number(self, stream: BinaryIO) -> tuple[int, int] | None:
        """Return the number the file carries among its source's files and the highest there is, if it has one."""
        ...


@dataclass(frozen=True, slots=True)
class Care:
    """How files are taken: `after` reading, when they are whole, and what a gap in their numbers means."""

    after: str = "move"
    trigger: str | None = None
    settle: float = 0
    gaps: str = "wait"


@dataclass(slots=True)
class _Taken:
    """What to acknowledge: a file, and the trigger that goes with it."""

    found: Found
    trigger: Found | None


class FileSource:
    """The files of one pattern."""

    def __init__(self, inbox: Inbox, format_: Format, care: Care) -> None:
        self._inbox = inbox
        self._format = format_
        self._care = care
        self._same: dict[str, list[Any]] = {}  # kept files touched since, with the mark of the content they had
        self._looks: dict[str, tuple[list[Any], float]] = {}  # what files looked like, and since when
        self.seen_again: list[str] = []  # batch ids of kept files that came again with the content they had
        self.settling = 0.0  # seconds until all that was left alone may be taken; 0: nothing was

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the rows of every file that is there. Raises `Transient` at the end for what could not be read."""
        begun = after or {}
        self.seen_again, self.settling = [], 0.0
        faults: list[Transient] = []
        found = self._inbox.look(faults)
        kept = _still_there(begun.get("kept", {}), found, certain=not faults)
        numbers = Numbers.load(begun.get("numbers"), self._care.gaps)
        for file, trigger in self._ready(found, begun, kept):
            try:
                yield from self._read_file(_Taken(file, trigger), begun, kept, numbers)
            except Gone:
                continue
            except Transient as fault:
                faults.append(fault)
        if faults:
            raise Transient("; ".join(fault.message for fault in faults), code="unreadable")

    def acknowledge(self, batch: SourceBatch) -> None:
        """Move or delete a file whose rows are all durable; one that has changed meanwhile stays to be read."""
        taken: _Taken | None = batch.token
        if taken is None or self._care.after == "keep" or self._inbox.mark(taken.found) != taken.found.mark:
            return
        if taken.trigger is not None:  # first: a trigger left behind would announce the next file too early
            self._put_away(taken.trigger)
        self._put_away(taken.found)

    def rewound(self, position: dict[str, Any] | None, to: str) -> dict[str, Any] | None:
        """Return the position in which the kept files from the name `to` on were not read yet."""
        if self._care.after != "keep":
            raise UsageError(f"read files are not kept (`after: {self._care.after}`)", mend="put the file back instead")
        kept = {label: known for label, known in (position or {}).get("kept", {}).items() if _name(label) < to}
        return {"kept": kept} if kept else None

    def _put_away(self, found: Found) -> None:
        try:
            self._inbox.move(found) if self._care.after == "move" else self._inbox.delete(found)
        except Gone:
            return

    def again(self, raw: bytes, head: bytes) -> list[Row]:
        """Return the rows of what was handed out before: a record, several, or a whole file."""
        return [row for row, _ in self._format.again(raw, head, "resubmitted")]

    # --- which files -------------------------------------------------------------------------------------------

    def _ready(
        self, found: list[Found], begun: dict[str, Any], kept: dict[str, list[Any]]
    ) -> Iterator[tuple[Found, Found | None]]:
        """Yield the files that are whole, each with the trigger to put away with it."""
        if self._care.settle:
            known = [file for file in found if self._is_read(file, kept) or _is_begun(file, begun)]
            found = [file for file in found if file in known or self._is_settled(file)]
        if self._care.trigger is None:
            yield from ((file, None) for file in found)
            return
        shared = "{" not in self._care.trigger
        names = [_trigger(self._care.trigger, file.name) for file in found]
        pairs = [(file, name) for file, name in zip(found, names, strict=True) if file.name not in names]
        for file, name in pairs:
            trigger = self._inbox.beside(file, name)
            if trigger is not None or _is_begun(file, begun):
                yield file, None if shared and file is not pairs[-1][0] else trigger

    def _is_settled(self, file: Found) -> bool:
        """Say whether two looks, `settle` seconds apart, have found the file the same."""
        now = time.monotonic()
        mark, since = self._looks.get(file.label, ([], now))
        if mark != file.mark:
            since = now
        self._looks[file.label] = (file.mark, since)
        left = since + self._care.settle - now
        self.settling = max(self.settling, left)
        return left <= 0

    def _is_read(self, file: Found, kept: dict[str, list[Any]]) -> bool:
        """Say whether a file that is kept was read as it stands there."""
        known = kept.get(file.label) if self._care.after == "keep" else None
        return known is not None and file.mark in (known[1:], self._same.get(file.label))

    # --- one file ----------------------------------------------------------------------------------------------

    def _read_file(
        self, taken: _Taken, begun: dict[str, Any], kept: dict[str, list[Any]], numbers: Numbers
    ) -> Iterator[SourceBatch]:
        file = taken.found
        if self._is_read(file, kept):
            return
        known = kept.get(file.label) if self._care.after == "keep" else None
        with self._inbox.open(file) as stream:
            digest = _digest(stream)
            if known is not None and known[0] == digest:
                self._same[file.label] = file.mark
                self.seen_again.append(_batch_id(file, digest))
                return
            yield from self._batches(stream, taken, digest, begun, kept, numbers)

    def _batches(
        self,
        stream: BinaryIO,
        taken: _Taken,
        digest: str,
        begun: dict[str, Any],
        kept: dict[str, list[Any]],
        numbers: Numbers,
    ) -> Iterator[SourceBatch]:
        file = taken.found
        position = {"file": file.label, "digest": digest, "mark": file.mark}
        batch_id = _batch_id(file, digest)
        resumed = all(begun.get(name) == value for name, value in position.items())
        spot = Spot(begun["offset"], begun["line"]) if resumed else Spot()
        error = self._number(stream, file, digest, numbers)

        def batch(rows: list[Row], spot: Spot, *, last: bool) -> SourceBatch:
            if last and self._care.after == "keep":
                kept[file.label] = [digest, *file.mark]
            where = {**position, "offset": spot.offset, "line": spot.line}
            where |= {"kept": dict(kept)} if kept else {}
            where |= {"numbers": numbers.dump()} if numbers.seen else {}
            return SourceBatch(rows, where, file.label, batch_id, last, taken if last else None, file.written)

        rows: list[Row] = []
        size = 0
        for row, after_row in self._rows(stream, file, spot, error, partial(numbers.refuse, digest)):
            rows.append(row)
            size += len(row.raw)
            spot = after_row
            if len(rows) >= ROWS or size >= BYTES:
                yield batch(rows, spot, last=False)
                rows, size = [], 0
        yield batch(rows, spot, last=self._inbox.mark(file) == file.mark)

    def _number(self, stream: BinaryIO, file: Found, digest: str, numbers: Numbers) -> Malformed | None:
        """Note the file's number; return why the file is refused for it."""
        try:
            found = self._format.number(stream)
        except Malformed:
            return None  # reading its rows will say so
        return None if found is None else numbers.note(*found, digest, file.label)

    def _rows(
        self, stream: BinaryIO, file: Found, spot: Spot, error: Malformed | None, refuse: Callable[[], None]
    ) -> Iterator[tuple[Row, Spot]]:
        """Yield the rows; those of a file that cannot be read at all are its bytes in parts, every one of them."""
        if error is None:
            try:
                yield from self._format.rows(stream, file.label, spot)
            except Malformed as whole:
                error = whole
                refuse()
        if error is None:
            return
        stream.seek(spot.offset)
        while part := stream.read(PART):
            spot = Spot(spot.offset + len(part), spot.line + 1)
            yield Row({}, file.label, part, error), spot
        if spot == Spot():
            yield Row({}, file.label, b"", error), Spot(0, 2)


def _name(label: str) -> str:
    return label.rpartition("/")[2]


def _batch_id(file: Found, digest: str) -> str:
    return f"{file.name}@{digest[:16]}"


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while part := stream.read(1024 * 1024):
        digest.update(part)
    return digest.hexdigest()[:32]


def _trigger(pattern: str, name: str) -> str:
    stem = name.rpartition(".")[0] or name
    return pattern.replace("{stem}", stem).replace("{name}", name)


def _is_begun(file: Found, begun: dict[str, Any]) -> bool:
    """Say whether the file was being read already: then nothing needs to announce it any more."""
    return bool(begun.get("file") == file.label and begun.get("mark") == file.mark)


def _still_there(kept: dict[str, list[Any]], found: list[Found], *, certain: bool) -> dict[str, list[Any]]:
    """Return what is known of kept files without those that are gone, as far as that is certain."""
    labels = {file.label for file in found}
    return {label: known for label, known in kept.items() if label in labels or not certain}

"""One full extract while it is read: each row compared with what is known of it, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from hub.adapters.contract import Row, SourceBatch
from hub.errors import HubError, Malformed, Transient
from hub.ledger import extracts
from hub.ledger.extracts import DEPARTED, DIFFERENCE, FRESH, GONE, MISSING, Known
from hub.ledger.quarantine import Entry
from hub.routing.mapping import Difference
from hub.stages.clock import timestamp
from hub.stages.comparing import Book, Comparer
from hub.stages.differing import Differences, Note, forgotten, refreshed
from hub.stages.extract_guard import Found
from hub.stages.moments import date_of, moment_at_ms, moment_in, name_of, older
from hub.stages.records import UNSURE, Origin, fault
from hub.stages.scratch import Scratch
from hub.stages.services import Services

_LOOKED = 500  # missing rows looked up at once


class _Keyed(NamedTuple):
    """A row with its key, the hash of that, and the hash of its content."""

    row: Row
    value: Any
    key: bytes
    whole: bytes


class Unit:
    """An extract; `found` is how it differs as a whole, `scratch` has the notes of its differences."""

    def __init__(
        self, batch: SourceBatch, comparer: Comparer, differences: Differences, services: Services, scratch: Scratch
    ) -> None:
        self.batch_id = batch.batch_id
        self.label = batch.label
        self.scratch = scratch
        self.found = Found()
        self.counts = {"same": 0, "newer": 0, "shown": 0}
        self.as_of = ""
        self.asked = False  # `as_of` said so
        self.ended = True
        self.named = moment_in(batch.label)
        self.book: Book = comparer.open()
        self.began = services.now
        self._began = comparer.now()
        self._comparer = comparer
        self._differences = differences
        self._services = services
        self._settings = comparer.settings
        self._dated = False
        self._digest = sha256()

    @property
    def id(self) -> str:
        """Return the id under which the extract is listed: of a query one of what it gave so far."""
        return self.batch_id if self._settings.files else f"{self.label}@{self._digest.hexdigest()[:16]}"

    @property
    def stale(self) -> bool:
        """Say whether an extract that was made later has been taken already."""
        state = self.book.state
        if self._settings.baseline:
            return False
        return older(self.as_of, state.as_of) if self.asked else older(self.named, state.named)

    @property
    def silent_new(self) -> bool:
        """Say whether new rows are only learned: in the very first extract, where new ones are reported."""
        return self._settings.baseline or (not self.book.state.id and self._settings.on["new"] == "report")

    # --- its rows --------------------------------------------------------------------------------------------------

    def add(self, rows: Sequence[Row], origin: Origin) -> list[Entry]:
        """Compare rows with what is known of them and return what is quarantined.

        Raises `Unavailable` before anything is noted, and `Transient` when the extract lacks a column.
        """
        entries: list[Entry] = []
        keyed = []
        for row in rows:
            try:
                keyed.append(self._keyed(row))
            except Malformed as error:
                entries.append(origin.entry(row, error))
        with self._services.ledger.read() as connection:
            known = extracts.lookup(connection, self.book.number, [each.key for each in keyed])
        self._count(rows, len(entries))
        notes: list[Note] = []
        before = self.scratch.seen([(each.key, each.whole) for each in keyed])
        for each, twice in zip(keyed, before, strict=True):
            if twice is not None and twice != each.whole:
                again = Malformed("another row of this extract has the same key", code="row-twice")
                entries.append(origin.entry(each.row, again))
            if twice is None:
                self._digest.update(each.key + each.whole)
                notes += [] if self.stale else self._judged(each, known.get(each.key))
        self.scratch.note(notes)
        return entries

    def _keyed(self, row: Row) -> _Keyed:
        if row.error is not None:
            raise row.error
        if row.doubt:  # what is known of the row would be what was misread
            raise Malformed(row.doubt, code=UNSURE)
        lacking = [name for name in self.book.marks.columns if name not in row.values]
        if lacking:
            raise Transient(f"`compare` names {lacking[0]}, a column that {row.place} does not have", code="column")
        try:
            self._date(row)
            value = self._comparer.needed_key(row.values)
            key = self.book.marks.key(value)
            return _Keyed(row, value, key, self.book.marks.whole(key, row.values))
        except HubError:
            raise
        except Exception as error:
            raise fault("extract", error) from error

    def _date(self, row: Row) -> None:
        """Note at the first row of which moment the extract is.

        Without `as_of`, a file is certainly newer than the last one was when that was read; a query is of now.
        """
        if self._dated:
            return
        beside = {"batch": {"name": name_of(self.label)}}
        said = self._comparer.as_of(Difference(row.values, beside, []))
        former = moment_at_ms(self.book.state.taken_at, self._services.timezone)
        self.as_of = said or (former if self._settings.files else self._began)
        self.asked = said is not None
        self._dated = True

    def _count(self, rows: Sequence[Row], illegible: int) -> None:
        self.found.rows += len(rows)
        self.found.illegible += illegible
        if rows:
            last, state = rows[-1], self.book.state
            self.ended = not last.raw or last.raw.endswith(b"\n")
            self.found.torn = last.error is not None or (bool(state.id) and state.ended and not self.ended)

    def _judged(self, each: _Keyed, known: Known | None) -> list[Note]:
        """Return the note of a row that differs, or of what is to be known anew of one that is the same."""
        marks, values = self.book.marks, each.row.values
        number = self._comparer.sequence(values)
        if known is None or known.flags & FRESH:
            return self._differs(each, "new", [], known, number)
        newer = bool(known.flags & DIFFERENCE) and not older(known.as_of, self.as_of)
        same = marks.same(known.mark, each.whole)
        changed = [] if same or not known.mark else marks.changed(each.key, known.mark, values)
        if newer and (changed or not known.mark):
            self.counts["newer"] += 1
            return []
        if not newer and number is not None and known.sequence is not None and number < known.sequence:
            self.found.set_back += 1
        if known.flags & GONE:
            return self._differs(each, "new", [], known, number)
        if changed:
            return self._differs(each, "changed", changed, known, number)
        self.counts["same"] += 1
        return [] if newer else self._same(each, known, number, same=same)

    def _same(self, each: _Keyed, known: Known, number: int | None, *, same: bool) -> list[Note]:
        now = known._replace(
            mark=known.mark if same else self.book.marks.mark(each.key, each.row.values),
            plain=self._comparer.plain(each.row.values),
            sequence=known.sequence if number is None else number,
            flags=known.flags & DEPARTED,
            shown=None,
        )
        return [] if now == known else [refreshed(now._replace(as_of=self.as_of), known)]

    def _differs(
        self, each: _Keyed, change: str, changed: Sequence[str], known: Known | None, number: int | None
    ) -> list[Note]:
        if known is not None and known.shown == each.whole and not self._settings.baseline:
            self.counts["shown"] += 1
            return []
        values = each.row.values
        told = Known(
            each.key,
            self.book.marks.mark(each.key, values),
            self._comparer.plain(values),
            self.as_of,
            number,
            known.revision + 1 if known is not None else 1,
        )
        return [self._noted(each.row, each.value, change, known, told, changed)]

    # --- its end ---------------------------------------------------------------------------------------------------

    def look_for_missing(self) -> None:
        """Note the known rows that the extract does not have; raises `Unavailable`, and may be repeated."""
        self.scratch.drop(("missing", "forgotten"))
        self.found.differ["missing"] = 0
        if self.found.illegible:
            return  # one of the rows that could not be read may be theirs
        keys = self.scratch.keys()
        seen = next(keys, None)
        for page in extracts.pages(self._services.ledger, self.book.number):
            absent = []
            for key in page:
                while seen is not None and seen < key:
                    seen = next(keys, None)
                if seen != key:
                    absent.append(key)
            for start in range(0, len(absent), _LOOKED):
                with self._services.ledger.read() as connection:
                    known = extracts.lookup(connection, self.book.number, absent[start : start + _LOOKED])
                self.scratch.note([note for each in known.values() for note in self._absent(each)])

    def _absent(self, known: Known) -> list[Note]:
        if known.flags & DIFFERENCE and not older(known.as_of, self.as_of):
            return []
        if self._settings.baseline or known.flags & FRESH:
            return [forgotten(known)]
        if known.flags & (DEPARTED | GONE):
            return []
        if known.shown == MISSING:
            self.counts["shown"] += 1
            return []
        row = Row(orjson.loads(known.plain), f"{self.label}: missing", known.plain)
        flags = known.flags & ~DIFFERENCE | GONE
        told = known._replace(revision=known.revision + 1, as_of=self.as_of, flags=flags, shown=None)
        return [self._noted(row, None, "missing", known, told)]

    def _noted(
        self, row: Row, key: Any, change: str, known: Known | None, told: Known, changed: Sequence[str] = ()
    ) -> Note:
        self.found.differ[change] += 1
        learn = self._settings.baseline or (change == "new" and self.silent_new)
        action = "learn" if learn else self._settings.on[change]
        now = timestamp(self._services.clock())
        batch = self._batch()
        note = self._differences.note(
            row, key, change, known, told, action=action, batch=batch, now=now, changed=changed
        )
        for _, type_, _ in note.get("events", ()):
            self.found.events[type_] = self.found.events.get(type_, 0) + 1
        return note

    def _batch(self) -> Mapping[str, Any]:
        """Return what expressions know of the extract."""
        as_of = self.as_of if self.asked else self.named or self._began
        id_ = self.batch_id if self._settings.files else f"{self.label}@{self._began}"
        return {"id": id_, "name": name_of(self.label), "as_of": as_of, "date": date_of(as_of)}

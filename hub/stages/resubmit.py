"""Taking up again what was quarantined: the input as it was, or as a person put it right, the way it came at first.

Everything of one entry is checked before any of it is in Kafka. What was resubmitted is kept with the entry.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from hub.adapters.contract import Rereadable, Row, Source
from hub.errors import HubError, UsageError
from hub.events.codec import HEADERS
from hub.events.documents import read_documents
from hub.events.envelope import Event, event_from
from hub.events.text import parse
from hub.events.wire import source_of
from hub.ledger import quarantine
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.names import Names
from hub.ledger.quarantine import Item
from hub.stages import residue
from hub.stages.acquaintance import Acquaintances
from hub.stages.clock import new_batch_id, timestamp, utc_now
from hub.stages.identifying import origin_of
from hub.stages.ports import Producer, RowMapper
from hub.stages.records import Inward, Origin, Prepared, as_sent, map_row, put_in_doubt, record_in, refuse_own

LONGEST_HEAD = 64 * 1024  # bytes of a file's first line

Reopen = Callable[[str, str, Path], tuple[Source | None, Sequence[RowMapper]]]


@dataclass(frozen=True, slots=True)
class Resubmission:
    """What one entry became: the ids of its events, and the batch they travel in.

    `items` are the events' names, types and subjects, each with the `name` it reports, whether its resident was heard
    of before (`known`), and the `known_name`. `changes` has what a replacement changes as `[was, is]`, by column or by
    path of a JSON document, or the whole of it as `raw` where the parts cannot be told. `waiting` counts what is to be
    linked, `unsure` what a person is to look at. `stage` is the entry's; `again` says that dispatch has refused it once
    more meanwhile: it stays open.
    """

    no: int
    events: list[str]
    batch: str
    items: list[dict[str, Any]]
    stage: str
    waiting: int = 0
    unsure: int = 0
    again: bool = False
    changes: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who resubmits, and why; `encoding` is of the replacement, as it is kept for people to read."""

    by: str = ""
    reason: str = ""
    encoding: str = "utf-8"


UNSAID = Decision()


@dataclass(frozen=True, slots=True)
class Resubmitter:
    """Resubmits entries of one city; `reopen(system, source, file)` opens a source on one file, with its mappers.

    The source is None where it reads no files: its rows are then JSON objects. `inward` puts an event's data into the
    city's characters.
    """

    city: str
    folder: Path
    ledger: Ledger
    producer: Producer
    topic: str
    reopen: Reopen
    inward: Inward = as_sent

    async def resubmit(
        self, no: int, replacement: bytes | None = None, decision: Decision = UNSAID, *, dry_run: bool = False
    ) -> Resubmission:
        """Publish the entry's input, or its replacement, and close it; with `dry_run` only say what it would become.

        Raises NotFound, UsageError for an entry that is closed or cannot be taken up, or whose replacement was reported
        before, and the first `Malformed` of the input, which changes nothing.
        """
        item = await asyncio.to_thread(quarantine.show, self.ledger, no)
        quarantine.refuse_unless(item, "open")
        now = utc_now()
        batch = new_batch_id("quarantine", now)
        prepared = Prepared()
        events = await asyncio.to_thread(self._events, item, replacement, timestamp(now), prepared, batch)
        beside = prepared.waiting or prepared.learned or prepared.drafts
        if not (events or beside):
            raise UsageError("there is no event in it", mend=f"hub quarantine discard {no}")
        if replacement is not None and not beside:
            await asyncio.to_thread(self._refuse_known, events)
        for event in events:
            event.extensions.setdefault("batchid", batch)
        records = [record_in(event, self.city, self.inward)[0] for event in events]
        items = await asyncio.to_thread(self._items, events)
        changes = await asyncio.to_thread(self._changes, item, replacement, decision.encoding)
        ids = [event.id for event in events]
        waiting, unsure = prepared.waiting, len(prepared.drafts)
        done = Resubmission(no, ids, batch, items, item.stage, waiting, unsure, changes=changes)
        if dry_run:
            return done
        await self.producer.publish(self.topic, records, HEADERS)
        note: dict[str, Any] = {"events": ids, "batch": batch}
        kept = (("by", decision.by), ("reason", decision.reason), ("before", item.before))
        note |= {name: value for name, value in kept if value}
        if replacement is not None:
            note["replacement"] = replacement.decode(decision.encoding, "backslashreplace")
        if any(value == item.raw for _, value in records):
            note[quarantine.AS_IT_WAS] = True  # dispatch, if it refuses it once more, opens the entry
        if prepared.waiting:
            note["waiting"] = prepared.waiting
        if prepared.drafts:
            note["unsure"] = len(prepared.drafts)
        text = json.dumps(note, ensure_ascii=False)
        await asyncio.to_thread(self._keep, item, prepared)
        seen = item.seen if item.stage == "dispatch" else None  # else nobody but a second reading sees it again
        closed = await asyncio.to_thread(quarantine.resolve, self.ledger, no, "resubmitted", text, seen=seen)
        return done if closed else replace(done, again=True)

    def _refuse_known(self, events: Sequence[Event]) -> None:
        """Raise UsageError for a replacement that the ledger has: it is another row than the one that was refused."""
        names = Names(self.ledger, "source")
        keys = {(each.id, names.find(source_of(each.system))): each for each in events}
        known = EventLog(self.ledger).known((id_, number) for id_, number in keys if number is not None)
        if keys and len(known) == len(keys):
            named = ", ".join(f"{each.system}/{each.id}" for each in keys.values())
            mend = "see with `hub events show` what it says; put the entry's own row right, or discard the entry"
            raise UsageError(f"this was reported before: {named}", code="reported-before", mend=mend)

    def _items(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        """Return what people are told of events, with what is known of whom they are about."""
        heard = Acquaintances(self.ledger)
        items = []
        for each in events:
            known = heard.of(each.subject)
            event = {"event": f"{each.system}/{each.id}", "type": each.type, "subject": each.subject}
            whom = {"known": known is not None, "known_name": (known or {}).get("name")}
            items.append({**event, "name": each.data.get("name"), **whom})
        return items

    def _changes(self, item: Item, replacement: bytes | None, encoding: str) -> dict[str, list[Any]]:
        """Return what a replacement changes, as `Resubmission` says."""
        if replacement is None:
            return {}
        was, is_ = (self._parts(item, raw) for raw in (item.raw, replacement))
        if was is None or is_ is None:
            texts = [raw.decode(encoding, "backslashreplace").strip() for raw in (item.raw, replacement)]
            return {"raw": texts} if texts[0] != texts[1] else {}
        return {name: [was.get(name), is_.get(name)] for name in {**was, **is_} if was.get(name) != is_.get(name)}

    def _parts(self, item: Item, raw: bytes) -> dict[str, Any] | None:
        """Return the columns of one row, or the values of one document by their paths; None when it is none."""
        try:
            if item.stage != "intake":
                return dict(_leaves(parse(raw)))
            (row,) = self._rows(item, raw)[0]
        except (HubError, ValueError):
            return None
        return None if row.error is not None else dict(row.values)

    def _keep(self, item: Item, prepared: Prepared) -> None:
        with self.ledger.write() as connection:
            residue.record(
                connection, Origin(item.system, item.source, self.city), prepared, self.ledger.now(connection)
            )

    def _events(self, item: Item, replacement: bytes | None, now: str, prepared: Prepared, batch: str) -> list[Event]:
        if item.stage == "intake":
            return self._mapped(item, replacement, now, prepared, batch)
        found = self._read(item, item.raw if replacement is None else replacement, now)
        if item.code == "id-reused" and {(each.system, each.id) for each in found} & self._taken(item, now):
            mend = "give it an id of its own with `hub quarantine fix`, or discard it"
            raise UsageError("its id belongs to another event", mend=mend)
        return found

    def _read(self, item: Item, raw: bytes, now: str) -> list[Event]:
        events = []
        sender = item.system if item.stage != "dispatch" else ""  # what dispatch refused names its source itself
        for document in read_documents(BytesIO(raw)):
            if document.error is not None:
                raise document.error
            event = event_from(document.value, city=self.city, system=sender or None, now=now)
            if item.stage != "dispatch":
                refuse_own(event)
            events.append(event)
        return events

    def _taken(self, item: Item, now: str) -> set[tuple[str, str]]:
        return {(event.system, event.id) for event in self._read(item, item.raw, now)}

    # --- rows --------------------------------------------------------------------------------------------------

    def _mapped(self, item: Item, replacement: bytes | None, now: str, prepared: Prepared, batch: str) -> list[Event]:
        rows, mappers = self._rows(item, item.raw if replacement is None else replacement)
        origin = origin_of(item.system, item.source, self.city, mappers, self.ledger)
        return list(map_rows(rows, mappers, now, origin, prepared, batch))

    def _rows(self, item: Item, raw: bytes) -> tuple[Sequence[Row], Sequence[RowMapper]]:
        """Return the rows that bytes hold, as the entry's source reads them, and what makes events of them."""
        var = self.folder / "var"
        var.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=var, prefix="resubmit-") as scratch:
            file = Path(scratch) / f"quarantine-{item.no}"
            source, mappers = self.reopen(item.system, item.source, file)
            if source is None:
                return [_object(raw, item.place)], mappers
            if isinstance(source, Rereadable):
                return source.again(raw, self._head(item)), mappers
            file.write_bytes(raw)
            return [row for batch in source.read(None) for row in batch.rows], mappers

    def _head(self, item: Item) -> bytes:
        """Return the first line of the file an entry came from, nothing when the file is gone."""
        name, _, _ = item.place.partition(":")
        beside = Path(name).parent / "done" / Path(name).name
        for path in (self.folder / name, self.folder / beside):
            if path.is_file():
                with path.open("rb") as file:
                    return file.readline(LONGEST_HEAD)
        return b""


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a JSON document that are no objects, with their paths; raises ValueError for a list."""
    if not isinstance(value, dict):
        if not path:
            raise ValueError("not one document")
        yield path, value
        return
    for name, inner in value.items():
        yield from _leaves(inner, f"{path}.{name}" if path else name)


def _object(raw: bytes, place: str) -> Row:
    values = parse(raw)
    if not isinstance(values, dict):
        raise UsageError("the row must be a JSON object of its columns")
    return Row(values, place, raw)


def map_rows(
    rows: Iterable[Row], mappers: Sequence[RowMapper], now: str, origin: Origin, prepared: Prepared, batch: str
) -> Iterable[Event]:
    """Yield the events of rows, and note what else they bring; those in doubt wait. Raises the first `Malformed`."""
    for row in rows:
        if row.error is not None:
            raise row.error
        if row.doubt:
            put_in_doubt(prepared, row, mappers, origin, (batch, now))
            continue
        for mapper in mappers:
            event = map_row(prepared, row, mapper, origin, now)
            if event is not None:
                yield event

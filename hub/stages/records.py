"""From rows to Kafka records, and putting records into Kafka whatever one of them may do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.adapters.contract import Row, SourceBatch
from hub.errors import HubError, Malformed, Unavailable
from hub.events.codec import HEADERS
from hub.events.envelope import Event, encode
from hub.events.text import LARGEST_EVENT
from hub.ledger.quarantine import Entry
from hub.ledger.reviews import Draft
from hub.ledger.sources import Tally
from hub.routing.identity import Unidentified, is_provisional
from hub.routing.mapping import Ignored
from hub.stages.ports import Producer, RowMapper

# U+E000 to U+F8FF, and planes 15 and 16, as UTF-8 begins them.
_PRIVATE = re.compile(rb"\xee|\xef[\x80-\xa3]|\xf3[\xb0-\xbf]|\xf4[\x80-\x8f]")
Record = tuple[bytes, bytes]
Inward = Callable[[str, Any], Any]
UNSURE = "unsure"  # of reviews: what a source was not sure of
FACTS_ONLY = "hubfactsonly"  # an attribute: the event is learned from, and nobody is told
REPLACES = "hubreplaces"  # an attribute: the event of the same source that was about the wrong person
IDENTIFIES = "hubidentifies"  # an attribute: the event of the same source that was told of somebody not identified
OWN = {FACTS_ONLY: bool, REPLACES: str, IDENTIFIES: str}


@dataclass(slots=True)
class Prepared:
    """A batch ready for Kafka: records in order, the row and type of each, and what is quarantined instead."""

    records: list[Record] = field(default_factory=list)
    origins: list[Row] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    rows: int = 0
    ignored: int = 0
    waiting: int = 0  # for a person to say who they are about
    learned: list[tuple[str, str, Row]] = field(default_factory=list)  # the system's number, the resident, the row
    kept: list[tuple[str, bytes]] = field(default_factory=list)  # event id, bytes that its text cannot give back
    drafts: list[Draft] = field(default_factory=list)  # of rows in doubt: for a person to confirm

    @property
    def tally(self) -> Tally:
        """Return the counts."""
        return Tally(self.rows, len(self.records), self.ignored, len(self.entries), self.waiting, len(self.drafts))

    def drop(self, indexes: Container[int]) -> None:
        """Leave out the records at these places."""
        kept = [number for number in range(len(self.records)) if number not in indexes]
        self.records = [self.records[number] for number in kept]
        self.origins = [self.origins[number] for number in kept]
        self.types = [self.types[number] for number in kept]


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose rows these are, for quarantine; `city` goes into the events' types.

    `park` keeps what nobody is identified in and returns its event if it is told all the same; `is_parked(system, id)`
    says whether an event was kept so before. Both are lent where a source asks who its rows are about.
    """

    system: str
    source: str
    city: str
    park: Callable[[Origin, Unidentified, Row], Event | None] | None = None
    is_parked: Callable[[str, str], bool] | None = None

    def entry(self, row: Row, error: HubError) -> Entry:
        """Return the quarantine entry of one row."""
        place = f"{row.place} {error.place}".strip() if error.place != row.place else row.place
        return Entry("intake", self.system, self.source, place, error.code, wording(error), row.raw)


def wording(error: HubError) -> str:
    """Return what is wrong and how to mend it, without the place."""
    return error.message + (f" ({error.mend})" if error.mend else "")


def fault(step: str, error: Exception) -> Malformed:
    """Return the error of one record, in the hub's words if it came in others."""
    if isinstance(error, Malformed):
        return error
    return Malformed(f"{step}: {type(error).__name__}: {error}", code="fault")


def prepare(batch: SourceBatch, mappers: Sequence[RowMapper], origin: Origin, *, now: str) -> Prepared:
    """Map and encode every row; whatever a row does wrong quarantines that row alone. Raises `Unavailable`."""
    prepared = Prepared(rows=len(batch.rows))
    for row in batch.rows:
        if row.error is not None:
            prepared.entries.append(origin.entry(row, row.error))
            continue
        if row.doubt:
            put_in_doubt(prepared, row, mappers, origin, (batch.batch_id, now))
            continue
        for mapper in mappers:
            _prepare_row(prepared, row, mapper, origin, (batch.batch_id, now))
    return prepared


def _prepare_row(prepared: Prepared, row: Row, mapper: RowMapper, origin: Origin, stamp: tuple[str, str]) -> None:
    batch_id, now = stamp
    try:
        event = map_row(prepared, row, mapper, origin, now)
        if event is None:
            return
        if batch_id:
            event.extensions.setdefault("batchid", batch_id)
        prepared.records.append(record_of(event, origin.city))
        prepared.origins.append(row)
        prepared.types.append(event.type)
    except Malformed as error:
        prepared.entries.append(origin.entry(row, error))
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of the hub's own must not hold up the rows behind it
        prepared.entries.append(origin.entry(row, fault("intake", error)))


def put_in_doubt(
    prepared: Prepared, row: Row, mappers: Sequence[RowMapper], origin: Origin, stamp: tuple[str, str]
) -> None:
    """Put a row that its source is not sure of before a person, with the events it would be as it was read.

    Nothing is learned of it, and nobody is asked who it is about, before it is confirmed.
    """
    batch_id, now = stamp
    subject, events, errors, ignored = "", [], [], 0
    for mapper in mappers:
        try:
            event = mapper.map(row.values, as_of_time=now)
            if isinstance(event, Event):
                if batch_id:
                    event.extensions.setdefault("batchid", batch_id)
                events.append(record_of(event, origin.city)[1].decode())
                subject = subject or event.subject
            elif isinstance(event, Unidentified):
                errors.append({"code": f"identity-{event.reason}", "message": "nobody is identified in it"})
            else:
                ignored += 1
        except Malformed as error:
            errors.append({"code": error.code, "message": f"{error.place}: {wording(error)}".removeprefix(": ")})
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a person looks at the row anyway
            errors.append({"code": "fault", "message": wording(fault("intake", error))})
    if ignored == len(mappers):
        prepared.ignored += 1
        return
    digest = hashlib.sha256(row.raw).hexdigest()[:32]
    payload = {"place": row.place, "row": row.values, "errors": errors, "raw": row.raw.hex()}
    standing = f"{UNSURE}:{origin.system}.{origin.source}:{digest}"
    prepared.drafts.append(
        Draft(standing, UNSURE, origin.system, origin.source, subject, row.doubt, payload, tuple(events), batch_id)
    )


def map_row(prepared: Prepared, row: Row, mapper: RowMapper, origin: Origin, now: str) -> Event | None:
    """Return a row's event, None when it makes none; note what else it brings. Raises `Malformed`."""
    event = _identified(mapper.map(row.values, as_of_time=now), row, origin)
    _learn(prepared, row, mapper, now)
    if isinstance(event, Event):
        if row.keep:
            prepared.kept.append((event.id, row.raw))
        return event
    prepared.waiting += event is None
    prepared.ignored += event is not None
    return None


def _identified(event: Event | Ignored | Unidentified, row: Row, origin: Origin) -> Event | Ignored | None:
    """Return the event under the subject it is told by; None when it waits for a person, also since an earlier time."""
    if isinstance(event, Unidentified):
        if origin.park is None:
            raise Malformed("there is no queue for what nobody is identified in", code="identity-unknown")
        return origin.park(origin, event, row)
    if isinstance(event, Event) and origin.is_parked is not None and origin.is_parked(origin.system, event.id):
        return None
    return event


def _learn(prepared: Prepared, row: Row, mapper: RowMapper, now: str) -> None:
    """Note the system's own number that a row tells of a resident."""
    tell = getattr(mapper, "local_id", None)
    pair = tell(row.values, as_of_time=now) if tell is not None else None
    if pair is not None:
        prepared.learned.append((*pair, row))


def refuse_own(event: Event) -> None:
    """Raise `Malformed` if a system's event carries an attribute, or a subject, that only the hub may set."""
    for name in OWN:
        if name in event.extensions:
            raise Malformed(f"{name} is the hub's own attribute", code="attribute", mend="leave it out")
    if is_provisional(event.subject):
        mend = "name the resident, or let the source ask who it is (`identify`)"
        raise Malformed("a subject that begins with ~ is the hub's own", code="subject", mend=mend)


def record_of(event: Event, city: str) -> Record:
    """Return an event's key and value.

    Raises `Malformed`: `too-large` above 256 KiB, `gaiji` for a private-use character, `attribute` for an attribute of
    the hub's that it cannot read.
    """
    extensions = event.extensions
    if not isinstance(extensions.get("batchid", ""), str):
        raise Malformed("batchid must be text", code="attribute", mend="write it in quotes")
    for name, kind in OWN.items():
        if name in extensions and not isinstance(extensions[name], kind):
            raise Malformed(f"{name} must be {'text' if kind is str else 'true or false'}", code="attribute")
    value = encode(event, city)
    if found := _PRIVATE.search(value):
        sign = value[found.start() :].decode("utf-8", "ignore")[0]
        mend = "read it from a source whose `text: {gaiji: tables/…}` says which character it is"
        raise Malformed(f"U+{ord(sign):04X} is a character of one system alone (外字)", code="gaiji", mend=mend)
    if len(value) > LARGEST_EVENT:
        mend = f"at most {LARGEST_EVENT} bytes are taken"
        raise Malformed(f"the event has {len(value)} bytes", code="too-large", mend=mend)
    return event.subject.encode(), value


def record_in(event: Event, city: str, inward: Inward) -> tuple[Record, bool]:
    """Return an event's key and value, and whether its data was put into the city's characters.

    `inward` does that for a system that has characters of its own. Raises as `record_of` does.
    """
    try:
        return record_of(event, city), False
    except Malformed as error:
        if error.code != "gaiji":
            raise
        mapped = inward(event.system, event.data)
        if mapped == event.data:
            raise
        event.data = mapped
        return record_of(event, city), True


def as_sent(_system: str, data: Any) -> Any:
    """Return data as it came: no system has characters of its own."""
    return data


async def publish_sound(producer: Producer, topic: str, records: Sequence[Record]) -> dict[int, Exception]:
    """Publish in order; return the records that no call could publish (index → why), found by halving.

    Raises `Unavailable`, and the error itself when none of several records could be published: it is not theirs.
    """
    refused: dict[int, Exception] = {}
    spans = [(0, len(records))] if records else []
    while spans:
        start, end = spans.pop()
        try:
            await producer.publish(topic, records[start:end], HEADERS)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - bisected down to its record
            if end - start == 1:
                refused[start] = error
            else:
                middle = (start + end) // 2
                spans += [(middle, end), (start, middle)]
    if len(refused) == len(records) > 1:
        raise next(iter(refused.values()))
    return refused

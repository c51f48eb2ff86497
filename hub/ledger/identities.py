"""The identity queue: reports of somebody whose number is unknown or does not fit, and who a person says it is.

An entry is known by its event's system and id, so that reading a file again counts it once more. What a person decided
(`deed`) is kept for ever; it is in the ledger before it is in Kafka, and published again until Kafka has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.errors import NotFound, UsageError
from hub.events.wire import source_of
from hub.ledger.engine import Ledger, storable
from hub.ledger.quarantine import RAW_LIMIT
from hub.ledger.status import event_code
from hub.ledger.tables import event, identity, identity_deed, name

OPEN, LINKED, DISCARDED = "open", "linked", "discarded"
STATUSES = (OPEN, LINKED, DISCARDED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One report that waits: `body` is its event as it would stand in Kafka, its subject `~<system>`."""

    system: str
    source: str
    place: str
    event_id: str
    type: str
    reason: str
    given: str
    found: str
    checked: dict[str, str]
    provisional: bool
    body: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """One entry as stored. Times are in milliseconds since 1970; `subject` is whom it is linked to, empty: nobody."""

    no: int
    at: int
    status: str
    system: str
    source: str
    place: str
    event_id: str
    type: str
    reason: str
    given: str
    found: str
    checked: dict[str, str]
    provisional: bool
    body: bytes
    raw: bytes
    seen: int
    subject: str
    links: int


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person decided of an entry: `link`, `unlink` or `discard`; `event_id` is that of the event it tells by."""

    no: int
    entry: int
    at: int
    what: str
    subject: str
    event_id: str
    by: str
    reason: str
    done_at: int | None


def park(ledger: Ledger, entry: Entry) -> tuple[int, bool]:
    """Keep a report durably; return its number and whether it is provisional. One that is there is counted again."""
    values = {
        "status": OPEN,
        "system": entry.system,
        "source": entry.source,
        "place": storable(entry.place),
        "event_id": entry.event_id,
        "type": entry.type,
        "reason": entry.reason,
        "given": storable(entry.given),
        "found": entry.found,
        "checked": orjson.dumps(entry.checked).decode(),
        "provisional": int(entry.provisional),
        "body": entry.body,
        "raw": entry.raw[:RAW_LIMIT],
        "seen": 1,
        "subject": "",
        "links": 0,
    }
    with ledger.write() as connection:
        insert: Any = (sqlite if ledger.sqlite else postgresql).insert(identity)
        insert = insert.values(at=ledger.now(connection), **values)
        statement = insert.on_conflict_do_update(
            index_elements=[identity.c.system, identity.c.event_id], set_={"seen": identity.c.seen + 1}
        ).returning(identity.c.no, identity.c.provisional)
        row = connection.execute(statement).one()
        return int(row.no), bool(row.provisional)


def is_parked(ledger: Ledger, system: str, event_id: str) -> bool:
    """Say whether a report came before and could not be told whose it is."""
    query = sa.select(identity.c.no).where(identity.c.system == system, identity.c.event_id == event_id)
    with ledger.read() as connection:
        return connection.execute(query).first() is not None


def listing(
    ledger: Ledger,
    *,
    statuses: Sequence[str] = (OPEN,),
    system: str | None = None,
    subject: str | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[Item], str | None]:
    """Return the newest entries first and the cursor of what follows (None: that was all); raises `UsageError`."""
    query = sa.select(identity).order_by(identity.c.no.desc()).limit(limit + 1)
    if statuses:
        query = query.where(identity.c.status.in_(statuses))
    if system is not None:
        query = query.where(identity.c.system == system)
    if subject is not None:
        query = query.where(identity.c.subject == subject)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()):
            raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
        query = query.where(identity.c.no < int(cursor))
    with ledger.read() as connection:
        items = [_item(row) for row in connection.execute(query).mappings()]
    return items[:limit], str(items[limit - 1].no) if len(items) > limit else None


def show(ledger: Ledger, no: int) -> Item:
    """Return one entry; raises `NotFound`."""
    with ledger.read() as connection:
        return _get(connection, no)


def by_event(ledger: Ledger, system: str | None, event_id: str) -> list[Item]:
    """Return the entries of an event, of one system if given."""
    query = sa.select(identity).where(identity.c.event_id == event_id)
    if system is not None:
        query = query.where(identity.c.system == system)
    with ledger.read() as connection:
        return [_item(row) for row in connection.execute(query).mappings()]


def deeds(ledger: Ledger, no: int) -> list[Deed]:
    """Return what was decided of an entry, the oldest first."""
    query = sa.select(identity_deed).where(identity_deed.c.entry == no).order_by(identity_deed.c.no)
    with ledger.read() as connection:
        return [Deed(**row) for row in connection.execute(query).mappings()]


def decide(ledger: Ledger, item: Item, what: str, *, subject: str, event_id: str, by: str, reason: str) -> Deed:
    """Record what a person decided, in one transaction with the entry's new status; `item` is the entry as it was seen.

    Of two who decide at once the second is refused. Raises `NotFound`, and `UsageError` for an entry whose status does
    not let it.
    """
    start, end = {"link": (OPEN, LINKED), "unlink": (LINKED, OPEN), "discard": (OPEN, DISCARDED)}[what]
    now_subject, no = subject if what == "link" else "", item.no
    with ledger.write() as connection:
        at = ledger.now(connection)
        changed = connection.execute(
            sa.update(identity)
            .where(identity.c.no == no, identity.c.status == start, identity.c.links == item.links)
            .values(status=end, subject=now_subject, links=identity.c.links + int(what == "link"))
        ).rowcount
        if not changed:
            entry = _get(connection, no)
            mend = f"hub identity unlink {no} --reason …" if entry.status == LINKED else "hub identity show " + str(no)
            raise UsageError(f"the entry {no} is {entry.status}, not {start}", mend=mend)
        if item.provisional:
            _stand(connection, item, waiting=end == OPEN)
        done = at if what == "discard" else None
        values = {"entry": no, "at": at, "what": what, "subject": subject, "event_id": event_id, "done_at": done}
        made = connection.execute(
            sa.insert(identity_deed).values(by=storable(by), reason=storable(reason), **values).returning(identity_deed)
        )
        return Deed(**made.mappings().one())


def _stand(connection: Connection, item: Item, *, waiting: bool) -> None:
    """Let the provisional event wait to be linked, or no more."""
    source = sa.select(name.c.no).where(name.c.kind == "source", name.c.name == source_of(item.system))
    mine = sa.and_(event.c.id == item.event_id, event.c.source == source.scalar_subquery())
    status = event_code("awaiting-identity" if waiting else "accepted")
    connection.execute(sa.update(event).where(mine).values(status=status))


def undone(ledger: Ledger, limit: int = 100) -> list[tuple[Deed, Item]]:
    """Return the decisions that Kafka has not been told of, in the order they were made."""
    query = sa.select(identity_deed).where(identity_deed.c.done_at.is_(None)).order_by(identity_deed.c.no).limit(limit)
    with ledger.read() as connection:
        found = [Deed(**row) for row in connection.execute(query).mappings()]
        return [(deed, _get(connection, deed.entry)) for deed in found]


def done(ledger: Ledger, deed: int) -> None:
    """Record that Kafka has a decision."""
    with ledger.write() as connection:
        at = ledger.now(connection)
        connection.execute(sa.update(identity_deed).where(identity_deed.c.no == deed).values(done_at=at))


def count(ledger: Ledger) -> int:
    """Return how many entries wait for a person."""
    with ledger.read() as connection:
        query = sa.select(sa.func.count()).select_from(identity).where(identity.c.status == OPEN)
        return int(connection.execute(query).scalar_one())


def _get(connection: Connection, no: int) -> Item:
    row = connection.execute(sa.select(identity).where(identity.c.no == no)).mappings().first()
    if row is None:
        raise NotFound(f"no entry {no} in the identity queue", mend="hub identity list --status all")
    return _item(row)


def _item(row: Any) -> Item:
    more = {"checked": orjson.loads(row["checked"]), "provisional": bool(row["provisional"])}
    return Item(**{**row, **more, "body": bytes(row["body"]), "raw": bytes(row["raw"])})

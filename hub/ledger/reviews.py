"""What waits for a person: one queue, whoever puts items there.

    waiting ──▶ accepted           a person said so: its events, if it has any, are published once
    waiting ──▶ rejected           nothing of it is published
    reported ──▶ accepted | rejected   it was listed for people to know; they took note
    waiting, reported ──▶ gone     what it was about is not so any more

A `kind` says who put the item there and knows what accepting it means. `standing` names the thing an item is about
while it is open, without personal data: put again, the same thing is one item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.errors import NotFound, UsageError
from hub.ledger.engine import Ledger, storable
from hub.ledger.tables import review

OPEN = ("waiting", "reported")
STATUSES = (*OPEN, "accepted", "rejected", "gone")
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """What is put into the queue. `events` are CloudEvents as texts, published when it is accepted, in order."""

    standing: str
    kind: str
    system: str
    source: str
    subject: str
    summary: str
    payload: dict[str, Any]
    events: tuple[str, ...] = ()
    batch_id: str = ""
    status: str = "waiting"


@dataclass(frozen=True, slots=True)
class Item:
    """One item as stored; times are in milliseconds since 1970. `payload` is empty in listings."""

    no: int
    kind: str
    system: str
    source: str
    batch_id: str
    subject: str
    summary: str
    events: int
    at: int
    status: str
    decided_at: int | None
    decided_by: str | None
    note: str | None
    published_at: int | None
    payload: dict[str, Any] | None = None
    standing: str | None = None


def put(connection: Connection, drafts: Sequence[Draft], at: int, *, anew: bool = True) -> None:
    """Put items into the queue in the caller's transaction.

    An open one of the same thing is replaced by the new, or stays (`anew=False`), as does one that was `decide`d for
    good.
    """
    if anew:
        close(connection, [draft.standing for draft in drafts], at)
    for start in range(0, len(drafts), _CHUNK):
        rows = [_columns(draft, at) for draft in drafts[start : start + _CHUNK]]
        insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(review)
        connection.execute(insert.values(rows).on_conflict_do_nothing(index_elements=["standing"]))


def close(connection: Connection, standings: Sequence[str], at: int) -> int:
    """Close in the caller's transaction what is open of these things: it is not so any more. Return how many."""
    closed = 0
    for start in range(0, len(standings), _CHUNK):
        chosen = review.c.standing.in_(standings[start : start + _CHUNK])
        closed += connection.execute(sa.update(review).where(chosen).values({**_GONE, "decided_at": at})).rowcount
    return closed


def close_all(connection: Connection, kind: str, system: str, source: str, at: int) -> int:
    """Close in the caller's transaction what is open of a source. Return how many."""
    mine = (review.c.kind == kind, review.c.system == system, review.c.source == source, review.c.status.in_(OPEN))
    return connection.execute(sa.update(review).where(*mine).values({**_GONE, "decided_at": at})).rowcount


_GONE = {"status": "gone", "standing": None}


def decide(
    connection: Connection, item: Item, status: str, *, who: str, why: str, at: int, for_good: bool = False
) -> bool:
    """Record a person's decision in the caller's transaction; False when the item is not open any more.

    `for_good`: the same thing is not put there again (`put` with `anew=False`).
    """
    decision = {"decided_at": at, "decided_by": storable(who), "note": storable(why) or None}
    chosen = (review.c.no == item.no, review.c.status.in_(OPEN))
    standing = item.standing if for_good else None
    changed = connection.execute(
        sa.update(review).where(*chosen).values(status=status, standing=standing, **decision)
    ).rowcount
    return bool(changed)


def fill(connection: Connection, item: Item, events: Sequence[str], beside: Mapping[str, Any]) -> None:
    """Put other events into an item, and what else its payload is to hold, in the caller's transaction."""
    payload = {**(item.payload or {}), **beside, "events": list(events)}
    changed = {"payload": orjson.dumps(payload), "events": len(events)}
    connection.execute(sa.update(review).where(review.c.no == item.no).values(changed))


def to_publish(ledger: Ledger, limit: int = 100) -> list[Item]:
    """Return what was accepted and whose events are not known to be in Kafka, the oldest first."""
    query = sa.select(review).where(review.c.status == "accepted", review.c.events > 0, review.c.published_at.is_(None))
    with ledger.read() as connection:
        return [_item(row) for row in connection.execute(query.order_by(review.c.no).limit(limit)).mappings()]


def published(ledger: Ledger, no: int) -> None:
    """Say that an item's events are in Kafka."""
    with ledger.write() as connection:
        connection.execute(sa.update(review).where(review.c.no == no).values(published_at=ledger.now(connection)))


def listing(
    ledger: Ledger,
    *,
    kinds: Sequence[str] = (),
    system: str | None = None,
    source: str | None = None,
    statuses: Sequence[str] = OPEN,
    subject: str | None = None,
    batch: str | None = None,
    ranges: Sequence[tuple[int, int]] = (),
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[Item], str | None]:
    """Return the newest items first and the cursor of what follows (None: that was all).

    `batch` is the id of what they came in; `ranges` are of numbers, the first and the last of each. Raises `UsageError`
    for an unknown status or a cursor that is none.
    """
    if unknown := sorted(set(statuses) - set(STATUSES)):
        raise UsageError(f"no such status: {', '.join(unknown)}", mend="one of " + ", ".join(STATUSES))
    equal = {"system": system, "source": source, "subject": subject, "batch_id": batch}
    conditions = [review.c[name] == value for name, value in equal.items() if value is not None]
    conditions += [review.c[name].in_(values) for name, values in {"kind": kinds, "status": statuses}.items() if values]
    if ranges:
        conditions.append(sa.or_(*(review.c.no.between(first, last) for first, last in ranges)))
    if since is not None:
        conditions.append(review.c.at >= since)
    if until is not None:
        conditions.append(review.c.at < until)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()):
            raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
        conditions.append(review.c.no < int(cursor))
    columns = [column for column in review.c if column.name not in {"payload", "standing"}]
    query = sa.select(*columns).where(*conditions).order_by(review.c.no.desc()).limit(limit + 1)
    with ledger.read() as connection:
        items = [Item(**row) for row in connection.execute(query).mappings()]
    return items[:limit], str(items[limit - 1].no) if len(items) > limit else None


def show(ledger: Ledger, no: int) -> Item:
    """Return one item with its payload. Raises `NotFound`."""
    with ledger.read() as connection:
        row = connection.execute(sa.select(review).where(review.c.no == no)).mappings().first()
    if row is None:
        raise NotFound(f"there is no review {no}", mend="hub review list")
    return _item(row)


def waiting(ledger: Ledger) -> list[tuple[str, str, str, str, int, int]]:
    """Return `(kind, system, source, status, how many, since)` of what is open."""
    group = (review.c.kind, review.c.system, review.c.source, review.c.status)
    query = sa.select(*group, sa.func.count(), sa.func.min(review.c.at)).where(review.c.status.in_(OPEN))
    with ledger.read() as connection:
        return [tuple(row) for row in connection.execute(query.group_by(*group).order_by(*group))]


def _columns(draft: Draft, at: int) -> dict[str, Any]:
    return {
        "standing": storable(draft.standing),
        "kind": draft.kind,
        "system": draft.system,
        "source": draft.source,
        "batch_id": storable(draft.batch_id),
        "subject": storable(draft.subject),
        "summary": storable(draft.summary),
        "payload": orjson.dumps({**draft.payload, "events": list(draft.events)}),
        "events": len(draft.events),
        "at": at,
        "status": draft.status,
    }


def _item(row: Any) -> Item:
    return Item(**{**row, "payload": orjson.loads(row["payload"])})

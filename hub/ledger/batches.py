"""Batches: what arrived together, how much of what it held, and what a person decided of one that was held.

    open ──▶ done                  read without a guard, or published from a stream or over HTTP; a sender's own id
                                   stays open, since more may come under it
    held ──▶ released ──▶ done     a person let it go; intake publishes it, and only then it is done
    held ──▶ rejected              nothing of it is published
    released ──▶ held              its records are gone or changed: a person must look
    missing ──▶ done | rejected    no file had come by its time; it came later, or a person took note

An id is unique within its source. The same unit read again is the same batch; its counts are those of the last reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.errors import AmbiguousId, NotFound, UsageError
from hub.ledger.commands import parts
from hub.ledger.engine import Ledger
from hub.ledger.tables import batch

STATUSES = ("open", "held", "released", "rejected", "done", "missing")
UNPUBLISHED = ("held", "released")
_MISSING = "missing/"  # begins the id of what did not come; no file's name has a slash
UNSPOOLED = {"file": ""}  # the spool of a held batch that is read again where it lies
_CHUNK = 400


@dataclass(slots=True)
class Arrival:
    """What one reading of a batch has brought so far; `events` counts by short type, `whole` says it was the last."""

    system: str
    source: str
    id: str
    label: str = ""
    rows: int = 0
    events: Counter[str] = field(default_factory=Counter)
    quarantined: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A batch as stored; times are in milliseconds since 1970.

    `reason` says why it is held or missing, `note` what the person said who decided; `spool` names the file of a held
    batch's records.
    """

    no: int
    system: str
    source: str
    id: str
    label: str
    first_seen: int
    last_seen: int
    rows: int
    events: dict[str, int]
    quarantined: int
    status: str
    reason: str
    decided_at: int | None
    decided_by: str | None
    note: str | None
    spool: dict[str, Any] | None


# --- intake -----------------------------------------------------------------------------------------------------------


def record(connection: Connection, arrivals: Sequence[Arrival], at: int) -> None:
    """Add in the caller's transaction what of one source is in Kafka or quarantine.

    What was read to its end before begins anew; a batch that waits for a person is left as it is.
    """
    for start in range(0, len(arrivals), _CHUNK):
        part = {_key(each): each for each in arrivals[start : start + _CHUNK]}
        rows = _locked(connection, list(part.values()), at)
        changed = [_added(rows[key], arrival, at) for key, arrival in part.items()]
        connection.execute(_UPDATE, changed)


def _added(row: Any, arrival: Arrival, at: int) -> dict[str, Any]:
    status, events = row["status"], Counter(orjson.loads(row["events"]))
    counts = {"rows": row["rows"], "quarantined": row["quarantined"]}
    if status == "open":
        counts = {"rows": row["rows"] + arrival.rows, "quarantined": row["quarantined"] + arrival.quarantined}
        events += arrival.events
    elif arrival.rows and status not in UNPUBLISHED:
        status, events = "open", arrival.events
        counts = {"rows": arrival.rows, "quarantined": arrival.quarantined}
    if arrival.whole and status == "open":
        status = "done"
    return {"b_no": row["no"], "status": status, "events": _json(events), "last_seen": at, **counts}


def hold(connection: Connection, arrival: Arrival, at: int, *, reason: str, spool: Mapping[str, Any]) -> bool:
    """Hold a whole batch in the caller's transaction; False when it waits already, with another reading's records."""
    row = _locked(connection, [arrival], at)[_key(arrival)]
    if row["status"] in UNPUBLISHED:
        connection.execute(sa.update(batch).where(batch.c.no == row["no"]).values(last_seen=at))
        return bool(orjson.loads(row["spool"])["file"] == spool["file"])
    if row["status"] == "rejected":
        reason += f"; rejected before by {row['decided_by']}: {row['note']}"
    values = {
        "last_seen": at,
        "rows": arrival.rows,
        "events": _json(arrival.events),
        "quarantined": arrival.quarantined,
        "status": "held",
        "reason": _storable(reason),
        "decided_at": None,
        "decided_by": None,
        "note": None,
        "spool": _json(spool),
    }
    connection.execute(sa.update(batch).where(batch.c.no == row["no"]).values(**values))
    return True


def unpublished(ledger: Ledger, system: str, source: str) -> str | None:
    """Return the id of the oldest batch of a source that is held, or released and not yet in Kafka."""
    query = (
        sa.select(batch.c.id)
        .where(batch.c.system == system, batch.c.source == source, batch.c.status.in_(UNPUBLISHED))
        .order_by(batch.c.no)
        .limit(1)
    )
    with ledger.read() as connection:
        found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def held(ledger: Ledger, system: str, source: str) -> str | None:
    """Return the id of the oldest batch of a source that waits for a person's decision."""
    mine = (batch.c.system == system, batch.c.source == source, batch.c.status == "held")
    with ledger.read() as connection:
        found: str | None = connection.execute(
            sa.select(batch.c.id).where(*mine).order_by(batch.c.no).limit(1)
        ).scalar_one_or_none()
    return found


def settle(connection: Connection, system: str, source: str, *, besides: str, note: str) -> int:
    """Close in the caller's transaction what waits of a source, `besides` one id: it counts no more. Return how many.

    Only for sources whose batches have no spool.
    """
    mine = (batch.c.system == system, batch.c.source == source, batch.c.status.in_(UNPUBLISHED))
    closed = sa.update(batch).where(*mine, batch.c.id != _storable(besides))
    return connection.execute(closed.values(status="rejected", note=note, spool=None)).rowcount


def take(connection: Connection, arrival: Arrival, at: int) -> None:
    """Enter in the caller's transaction that a batch without a spool was taken whole, whatever it was before."""
    row = _locked(connection, [arrival], at)[_key(arrival)]
    values = {"status": "open", "rows": 0, "quarantined": 0, "events": "{}", "spool": None}
    connection.execute(sa.update(batch).where(batch.c.no == row["no"]).values(**values))
    record(connection, [arrival], at)


def remark(connection: Connection, system: str, source: str, id_: str, note: str) -> None:
    """Write in the caller's transaction what came of a batch."""
    mine = (batch.c.system == system, batch.c.source == source, batch.c.id == _storable(id_))
    connection.execute(sa.update(batch).where(*mine).values(note=note))


def find(ledger: Ledger, system: str, source: str, id_: str) -> Item | None:
    """Return the batch of a source with this id."""
    query = sa.select(batch).where(batch.c.system == system, batch.c.source == source, batch.c.id == _storable(id_))
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _item(row)


def labels(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the labels of batches by their ids as stored, as far as they are recorded: Kafka may be a moment ahead."""
    found: dict[str, str] = {}
    for part in parts(sorted({_storable(id_) for id_ in ids})):
        query = sa.select(batch.c.id, batch.c.label).where(batch.c.id.in_(part)).order_by(batch.c.no)
        found.update((row.id, row.label) for row in connection.execute(query))
    return found


def sizes(ledger: Ledger, system: str, source: str, *, besides: str, limit: int) -> list[int]:
    """Return how many rows the last finished batches of a source had, `besides` one id; the newest first."""
    query = (
        sa.select(batch.c.rows)
        .where(
            batch.c.system == system,
            batch.c.source == source,
            batch.c.status == "done",
            batch.c.id != _storable(besides),
        )
        .where(sa.not_(batch.c.id.startswith(_MISSING, autoescape=True)))
        .order_by(batch.c.no.desc())
        .limit(limit)
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def released(ledger: Ledger) -> list[Item]:
    """Return the spooled batches that a person let go and that are not in Kafka yet, the oldest first."""
    query = sa.select(batch).where(batch.c.status == "released", batch.c.spool != _json(UNSPOOLED)).order_by(batch.c.no)
    with ledger.read() as connection:
        return [_item(row) for row in connection.execute(query).mappings()]


def published(connection: Connection, no: int, *, refused: Mapping[str, int]) -> bool:
    """Say in the caller's transaction that a released batch is in Kafka; False when that was said before.

    `refused` counts by type the events that went to quarantine instead.
    """
    query = sa.select(batch).where(batch.c.no == no, batch.c.status == "released").with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        return False
    events = Counter(orjson.loads(row["events"]))
    events.subtract(refused)
    quarantined = row["quarantined"] + sum(refused.values())
    values = {"status": "done", "events": _json(+events), "quarantined": quarantined, "spool": None}
    connection.execute(sa.update(batch).where(batch.c.no == no).values(**values))
    return True


def hold_again(ledger: Ledger, no: int, reason: str) -> None:
    """Hold a released batch that cannot be published, so that a person sees it."""
    with ledger.write() as connection:
        connection.execute(
            sa.update(batch)
            .where(batch.c.no == no, batch.c.status == "released")
            .values(status="held", reason=_storable(reason))
        )


def spooled(ledger: Ledger) -> set[str]:
    """Return the names of the files that hold a batch's records."""
    with ledger.read() as connection:
        found = connection.execute(sa.select(batch.c.spool).where(batch.c.spool.is_not(None))).scalars()
        return {orjson.loads(text)["file"] for text in found}


# --- files that do not come -------------------------------------------------------------------------------------------


def arrived(ledger: Ledger, system: str, source: str, since: int) -> bool:
    """Tell whether anything of a source was read since a moment (milliseconds)."""
    query = sa.select(
        sa.exists().where(
            batch.c.system == system, batch.c.source == source, batch.c.status != "missing", batch.c.last_seen >= since
        )
    )
    with ledger.read() as connection:
        return bool(connection.execute(query).scalar_one())


def miss(ledger: Ledger, system: str, source: str, *, day: str, reason: str, at: int) -> None:
    """Enter that nothing of a source came on a day; once, however often it is said."""
    with ledger.write() as connection:
        arrival = Arrival(system, source, f"{_MISSING}{day}")
        connection.execute(_inserted(connection, [arrival], at, status="missing", reason=reason))


def come(connection: Connection, system: str, source: str) -> None:
    """Close in the caller's transaction the entries of what was missing: it has come."""
    connection.execute(
        sa.update(batch)
        .where(batch.c.system == system, batch.c.source == source, batch.c.status == "missing")
        .values(status="done", note="it came later")
    )


# --- people -----------------------------------------------------------------------------------------------------------


def listing(
    ledger: Ledger,
    *,
    systems: Sequence[str] = (),
    source: str | None = None,
    statuses: Sequence[str] = (),
    since: int | None = None,
    until: int | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[Item], str | None]:
    """Return the newest batches first and the cursor of what follows (None: that was all).

    `since` and `until` bound when a batch was first seen (milliseconds, `until` excluded). Raises `UsageError` for an
    unknown status or a cursor that is none.
    """
    if unknown := sorted(set(statuses) - set(STATUSES)):
        raise UsageError(f"no such status: {', '.join(unknown)}", mend="one of " + ", ".join(STATUSES))
    query = sa.select(batch).order_by(batch.c.no.desc()).limit(limit + 1)
    if systems:
        query = query.where(batch.c.system.in_(systems))
    if source is not None:
        query = query.where(batch.c.source == source)
    if statuses:
        query = query.where(batch.c.status.in_(statuses))
    if since is not None:
        query = query.where(batch.c.first_seen >= since)
    if until is not None:
        query = query.where(batch.c.first_seen < until)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()):
            raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
        query = query.where(batch.c.no < int(cursor))
    with ledger.read() as connection:
        items = [_item(row) for row in connection.execute(query).mappings()]
    return items[:limit], str(items[limit - 1].no) if len(items) > limit else None


def show(ledger: Ledger, reference: str) -> Item:
    """Return the batch `<id>`, `<system>/<id>` or `<system>.<source>/<id>`. Raises `NotFound`, `AmbiguousId`."""
    with ledger.read() as connection:
        return _find(connection, reference)


def release(ledger: Ledger, reference: str, *, who: str, why: str, dry_run: bool = False) -> Item:
    """Let a held batch go: intake publishes it. Saying it again changes nothing, nor does a `dry_run`.

    Raises `NotFound`, `AmbiguousId`, and `UsageError` for a batch that is not held.
    """
    return _decide(ledger, reference, "released", who, why, dry_run=dry_run)


def reject(ledger: Ledger, reference: str, *, who: str, why: str, dry_run: bool = False) -> Item:
    """Refuse a held batch: nothing of it is published; or take note of a missing one. Saying it again changes nothing.

    Nor does a `dry_run`. Raises `NotFound`, `AmbiguousId`, and `UsageError` for a batch that is neither.
    """
    return _decide(ledger, reference, "rejected", who, why, dry_run=dry_run)


_DECISIONS = {"released": ("held",), "rejected": ("held", "missing")}


def _decide(ledger: Ledger, reference: str, status: str, who: str, why: str, *, dry_run: bool) -> Item:
    with ledger.write() as connection:
        item = _find(connection, reference)
        decision = {"decided_at": ledger.now(connection), "decided_by": _storable(who), "note": _storable(why) or None}
        chosen = (batch.c.no == item.no, batch.c.status.in_(_DECISIONS[status]))
        if not dry_run:
            connection.execute(sa.update(batch).where(*chosen).values(status=status, **decision))
        found = _find(connection, reference)
    open_ = dry_run and found.status in _DECISIONS[status]
    again = found.status == status or (status == "released" and found.status == "done" and found.decided_by)
    if not (open_ or again):
        raise UsageError(f"the batch {item.id} is {found.status}: only a held one can be {status}")
    return found


def _find(connection: Connection, reference: str) -> Item:
    found = _named(connection, reference, None)
    cuts = [index for index, letter in enumerate(reference) if letter == "/"]
    while not found and cuts:
        cut = cuts.pop(0)
        found = _named(connection, reference[cut + 1 :], reference[:cut])
    if not found:
        raise NotFound(f"there is no batch {reference}", mend="hub batches list")
    if len(found) > 1:
        raise AmbiguousId(reference, [f"{item.system}.{item.source}/{item.id}" for item in found])
    return found[0]


def _named(connection: Connection, id_: str, origin: str | None) -> list[Item]:
    query = sa.select(batch).where(batch.c.id == _storable(id_)).order_by(batch.c.no)
    items = [_item(row) for row in connection.execute(query).mappings()]
    return [item for item in items if origin in (None, item.system, f"{item.system}.{item.source}")]


# --- rows -------------------------------------------------------------------------------------------------------------

_UPDATE = sa.update(batch).where(batch.c.no == sa.bindparam("b_no"))  # sets the columns it is given


def _key(arrival: Arrival) -> tuple[str, str, str]:
    return arrival.system, arrival.source, _storable(arrival.id)


def _locked(connection: Connection, arrivals: Sequence[Arrival], at: int) -> dict[tuple[str, str, str], Any]:
    """Return the rows of the arrivals, made where missing, locked until the transaction ends."""
    connection.execute(_inserted(connection, arrivals, at, status="open", reason=""))
    first = arrivals[0]
    query = sa.select(batch).where(batch.c.id.in_([_storable(each.id) for each in arrivals]))
    query = query.where(batch.c.system == first.system, batch.c.source == first.source).order_by(batch.c.no)
    query = query.with_for_update()
    return {(row["system"], row["source"], row["id"]): row for row in connection.execute(query).mappings()}


def _inserted(connection: Connection, arrivals: Sequence[Arrival], at: int, *, status: str, reason: str) -> sa.Insert:
    insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(batch)
    rows = [
        {
            "system": each.system,
            "source": each.source,
            "id": _storable(each.id),
            "label": _storable(each.label),
            "first_seen": at,
            "last_seen": at,
            "rows": 0,
            "events": "{}",
            "quarantined": 0,
            "status": status,
            "reason": _storable(reason),
        }
        for each in arrivals
    ]
    statement: sa.Insert = insert.values(rows).on_conflict_do_nothing(index_elements=["system", "source", "id"])
    return statement


def _item(row: Any) -> Item:
    spool = None if row["spool"] is None else orjson.loads(row["spool"])
    return Item(**{**row, "events": orjson.loads(row["events"]), "spool": spool})


def _json(value: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(value), option=orjson.OPT_SORT_KEYS).decode()


def _storable(text: str) -> str:
    # PostgreSQL refuses U+0000, and no database takes a lone surrogate; a file's name may hold one.
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()

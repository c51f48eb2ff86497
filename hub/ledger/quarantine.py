"""The quarantine: input that cannot become an event, whole, with the place it came from and why.

An entry is known by the digest of its stage, system, source, code and raw bytes (or what of them counts), so that
reading a file again after a crash counts the entry once more instead of doubling it. A repeat never opens what a person
has closed, but for what was resubmitted as it was and is refused once more by dispatch, which alone looks at it later.
A person may take a discard back; what came meanwhile was counted, and is still this one entry.

The note is JSON of the last decision: `by`, `reason`, and more of what was resubmitted. `before` has the decisions that
do not stand any more, the oldest first: `{"what": "discard" or "reopen", "by", "reason", "at"}` (milliseconds).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.errors import NotFound, UsageError
from hub.ledger.engine import Ledger, storable
from hub.ledger.tables import quarantine

RAW_LIMIT = 1 << 20  # bytes of raw input kept of one entry
STATUSES = ("open", "resubmitted", "discarded")
AS_IT_WAS = "as_it_was"  # true in the note (JSON) of an entry that was resubmitted without a change
_CHUNK_ROWS = 250
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One refused input: `stage` is intake, publish, http or dispatch; `place` is `file:line` or an offset.

    `same` is what makes it the same input as another; None means all of `raw`.
    """

    stage: str
    system: str
    source: str
    place: str
    code: str
    message: str
    raw: bytes
    same: bytes | None = None

    @property
    def digest(self) -> bytes:
        """Return what makes two entries the same one (32 bytes)."""
        parts = [part.encode("utf-8", "surrogatepass") for part in (self.stage, self.system, self.source, self.code)]
        digest = hashlib.sha256()
        for part in (*parts, self.raw if self.same is None else self.same):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.digest()


@dataclass(frozen=True, slots=True)
class Item:
    """One entry as stored. Times are in milliseconds since 1970; `raw` is empty in listings."""

    no: int
    at: int
    status: str
    stage: str
    system: str
    source: str
    place: str
    code: str
    message: str
    seen: int
    resolved_at: int | None
    note: str | None
    raw: bytes = b""

    @property
    def kept(self) -> dict[str, Any]:
        """Return what the note has by name; that of an older hub may be a reason in words, which has none."""
        try:
            kept = json.loads(self.note or "{}")
        except ValueError:
            return {}
        return kept if isinstance(kept, dict) else {}

    @property
    def before(self) -> list[dict[str, Any]]:
        """Return the decisions that do not stand any more, the oldest first."""
        return list(self.kept.get("before", ()))


def add(ledger: Ledger, entries: Sequence[Entry]) -> list[int]:
    """Store the entries in one transaction and return their numbers, in order. Raises `LedgerUnavailable`."""
    if not entries:
        return []
    with ledger.write() as connection:
        return record(connection, entries, ledger.now(connection))


def record(connection: Connection, entries: Sequence[Entry], at: int) -> list[int]:
    """Store the entries in the caller's transaction and return their numbers, in order; `at` is in milliseconds."""
    if not entries:
        return []
    digests = [entry.digest for entry in entries]
    first: dict[bytes, dict[str, Any]] = {}
    for entry, digest in zip(entries, digests, strict=True):
        known = first.get(digest)
        if known is None:
            first[digest] = _columns(entry, digest, at)
        else:
            known["seen"] += 1
    numbers: dict[bytes, int] = {}
    for chunk in _chunks(list(first.values())):
        numbers.update(_upsert(connection, chunk))
    return [numbers[digest] for digest in digests]


def _columns(entry: Entry, digest: bytes, at: int) -> dict[str, Any]:
    message = entry.message
    if len(entry.raw) > RAW_LIMIT:
        message += f" (the first {RAW_LIMIT:,} of {len(entry.raw):,} bytes are kept)"
    return {
        "at": at,
        "status": "open",
        "stage": entry.stage,
        "system": storable(entry.system),
        "source": storable(entry.source),
        "place": storable(entry.place),
        "code": entry.code,
        "message": storable(message),
        "raw": entry.raw[:RAW_LIMIT],
        "digest": digest,
        "seen": 1,
    }


def _chunks(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if chunk and (len(chunk) == _CHUNK_ROWS or size + len(row["raw"]) > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(row["raw"])
    yield chunk


def _upsert(connection: Connection, rows: list[dict[str, Any]]) -> dict[bytes, int]:
    insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(quarantine).values(rows)
    again = sa.and_(
        quarantine.c.stage == "dispatch",
        quarantine.c.status == "resubmitted",
        quarantine.c.note.like(f'%"{AS_IT_WAS}": true%'),
    )
    changes = {
        "seen": quarantine.c.seen + insert.excluded.seen,
        "status": sa.case((again, "open"), else_=quarantine.c.status),
        "resolved_at": sa.case((again, sa.null()), else_=quarantine.c.resolved_at),
    }
    statement = insert.on_conflict_do_update(index_elements=[quarantine.c.digest], set_=changes).returning(
        quarantine.c.digest, quarantine.c.no
    )
    return {bytes(digest): int(no) for digest, no in connection.execute(statement)}


def listing(
    ledger: Ledger,
    *,
    system: str | None = None,
    source: str | None = None,
    stage: str | None = None,
    status: str | None = "open",
    code: str | None = None,
    since: int | None = None,
    until: int | None = None,
    limit: int = 100,
    cursor: str | None = None,
) -> tuple[list[Item], str | None]:
    """Return the newest entries first and the cursor of what follows (None: that was all).

    `status` None lists every status; `since` and `until` are milliseconds, `until` excluded. Raises `UsageError` for a
    cursor that is none.
    """
    columns = [column for column in quarantine.c if column.name not in {"raw", "digest"}]
    query = sa.select(*columns).order_by(quarantine.c.no.desc()).limit(limit + 1)
    wanted = {"system": system, "source": source, "stage": stage, "status": status, "code": code}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(quarantine.c[name] == value)
    if since is not None:
        query = query.where(quarantine.c.at >= since)
    if until is not None:
        query = query.where(quarantine.c.at < until)
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()):
            raise UsageError(f"not a cursor of this list: {cursor}", mend="use the value of `next`")
        query = query.where(quarantine.c.no < int(cursor))
    with ledger.read() as connection:
        items = [Item(**row) for row in connection.execute(query).mappings()]
    return items[:limit], str(items[limit - 1].no) if len(items) > limit else None


def show(ledger: Ledger, no: int) -> Item:
    """Return one entry with its raw bytes. Raises `NotFound`."""
    columns = [column for column in quarantine.c if column.name != "digest"]
    with ledger.read() as connection:
        row = connection.execute(sa.select(*columns).where(quarantine.c.no == no)).mappings().first()
    if row is None:
        raise NotFound(f"no quarantine entry {no}", mend="hub quarantine list")
    return Item(**{**row, "raw": bytes(row["raw"])})


def discard(ledger: Ledger, no: int, *, who: str, why: str) -> None:
    """Close an open entry without an event. Raises `NotFound`, and `UsageError` when it is not open."""
    item = show(ledger, no)
    refuse_unless(item, "open")
    note = {"by": who, "reason": why} | ({"before": item.before} if item.before else {})
    _decide(ledger, item, "discarded", note)


def reopen(ledger: Ledger, no: int, *, who: str, why: str) -> None:
    """Take a discard back: the entry is open again. Raises `NotFound`, and `UsageError` when it is not discarded."""
    item = show(ledger, no)
    refuse_unless(item, "discarded")
    with ledger.read() as connection:
        at = ledger.now(connection)
    closed = {"what": "discard", "by": item.kept.get("by"), "at": item.resolved_at}
    closed["reason"] = item.kept.get("reason") if item.kept else item.note
    again = {"what": "reopen", "by": who, "at": at, "reason": why}
    _decide(ledger, item, "open", {"before": [*item.before, closed, again]})


def refuse_unless(item: Item, status: str) -> None:
    """Raise `UsageError` for an entry that does not stand so, with what can be done of one that was discarded."""
    if item.status != status:
        mend = f"hub quarantine reopen {item.no} --reason TEXT" if item.status == "discarded" else ""
        raise UsageError(f"the quarantine entry {item.no} is {item.status} already", mend=mend)


def _decide(ledger: Ledger, item: Item, status: str, note: dict[str, Any]) -> None:
    """Record a decision; raises `UsageError` when another one was made since the entry was looked at."""
    with ledger.write() as connection:
        at = None if status == "open" else ledger.now(connection)
        values = {"status": status, "resolved_at": at, "note": storable(json.dumps(note, ensure_ascii=False))}
        as_seen = (quarantine.c.no == item.no, quarantine.c.status == item.status)
        changed = connection.execute(sa.update(quarantine).where(*as_seen).values(values)).rowcount
    if not changed:
        refuse_unless(show(ledger, item.no), item.status)


def resolve(ledger: Ledger, no: int, status: str, note: str = "", *, seen: int | None = None) -> bool:
    """Say of an entry that it is `resubmitted`, or how else it stands. Raises `NotFound`, `UsageError`.

    With `seen` only if it was seen that often, no more: else it stays as it is, and False is returned.
    """
    if status not in STATUSES:
        raise UsageError(f"no quarantine status {status}", mend="one of: " + ", ".join(STATUSES))
    with ledger.write() as connection:
        at = None if status == "open" else ledger.now(connection)
        conditions = [quarantine.c.no == no, *([quarantine.c.seen == seen] if seen is not None else [])]
        values = {"status": status, "resolved_at": at, "note": storable(note) or None}
        changed = connection.execute(sa.update(quarantine).where(*conditions).values(values)).rowcount
    if not changed:
        show(ledger, no)  # raises NotFound
    return bool(changed)


def count(ledger: Ledger, status: str = "open") -> int:
    """Return how many entries have the status."""
    query = sa.select(sa.func.count()).select_from(quarantine).where(quarantine.c.status == status)
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def waiting(ledger: Ledger) -> list[tuple[str, str, str, int, int]]:
    """Return `(system, source, code, how many, since)` of what is open; `since` in milliseconds since 1970."""
    group = (quarantine.c.system, quarantine.c.source, quarantine.c.code)
    query = sa.select(*group, sa.func.count(), sa.func.min(quarantine.c.at)).where(quarantine.c.status == "open")
    with ledger.read() as connection:
        return [tuple(row) for row in connection.execute(query.group_by(*group).order_by(*group))]

"""The event log: what dispatch writes in one transaction, and what delivery reads back.

One poll is one transaction: new events with their plans, the facts learned, and the positions, compared and set. A
dispatcher that has lost its partition fails there with `Fenced` and nothing of it is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import ConfigurationError, Fenced, Problem
from hub.ledger.bulk import Insertion, array, arrays, unnested
from hub.ledger.engine import Ledger
from hub.ledger.places import OFFSET_BITS, partition_of, stream_of
from hub.ledger.tables import generation, position

FEW = 200  # events of a poll, at most, that go to PostgreSQL as values of statements; more are copied
_NUL = b"\\u0000"  # at which SQLite's JSON ends a text
FETCHED = 200  # events brought from the database at once: they may be large
EventRow = tuple[int, str, int, int, str, int, int, int, str | None, bytes, bytes]
_EVENT_COLUMNS = "pos, id, source, type, subject, recorded_at, status, ruleset, batch_id, plan, body"
_EVENT_TYPES = ["int8", "text", "int4", "int4", "text", "int8", "int2", "int4", "text", "bytea", "bytea"]


class IdTaken(Exception):  # noqa: N818 - not an error of the hub: the batch is planned again with what is known now
    """Another dispatcher recorded one of the batch's ids, or what it `begun`, between the look-up and the insert."""


@dataclass(slots=True)
class DispatchBatch:
    """What one poll adds. `positions` maps stream → (expected, next) offsets."""

    positions: dict[int, tuple[int, int]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    ids: list[tuple[str, int, int, bytes, int]] = field(default_factory=list)  # id, source, pos, digest, seen
    repeats: list[tuple[int, str, int]] = field(default_factory=list)  # times, id, source
    facts: list[tuple[str, int, str, int, bytes]] = field(
        default_factory=list
    )  # subject, pos, valid_from, place, delta
    voids: list[tuple[int, str, int]] = field(default_factory=list)  # voided by, subject, pos
    standing: dict[tuple[str, str], tuple[int, str | None]] = field(default_factory=dict)  # → pos, sequence (JSON)
    begun: set[tuple[str, str]] = field(default_factory=set)  # of these: what the ledger has nothing of
    relations: list[tuple[int, int, str]] = field(default_factory=list)  # pos, target, kind
    tombstones: list[tuple[str, str, int]] = field(default_factory=list)  # subject, target, pos
    buried: list[tuple[str, str]] = field(default_factory=list)  # tombstones that have met their target
    protection: dict[str, list[tuple[str, str, str, int]]] = field(
        default_factory=dict
    )  # declarer → subject, declarer, kind, active: all that the declarer's events say
    days: dict[int, str] = field(default_factory=dict)  # partition → day up to which, inclusive, its residents moved
    arrived: list[tuple[str]] = field(default_factory=list)  # reports of protections that dispatch has now
    households: list[tuple[str, str, int]] = field(default_factory=list)  # subject, no, head


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as delivery reads it."""

    pos: int
    ruleset: int
    plan: bytes
    body: bytes


class EventLog:
    """The event log of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    # --- the topic ---------------------------------------------------------------------------------------------

    def open_generation(self, topic: str, uuid: str, partitions: int, *, adopt: bool = False) -> int:
        """Return the generation of a topic; one that was recreated, or given more partitions, is refused until `adopt`.

        Raises ConfigurationError naming `hub kafka adopt` when the ledger knows the topic under another UUID, or with
        another count of partitions. Of the same topic a new generation goes on where the one before it was.
        """
        with self.ledger.write() as connection:
            if not self.ledger.sqlite:  # two processes may meet a new topic at the same moment
                connection.exec_driver_sql("LOCK TABLE generation IN SHARE ROW EXCLUSIVE MODE")
            known = connection.execute(sa.select(generation).order_by(generation.c.no.desc())).all()
            for row in known:
                if row.uuid == uuid and row.partitions == partitions:
                    return int(row.no)
                if row.uuid == uuid and adopt:
                    known_at = self._next_offsets(connection, row.no, row.partitions)
                    return _begin(connection, topic, uuid, {at: known_at.get(at, 0) for at in range(partitions)})
                if row.uuid == uuid:
                    raise ConfigurationError([_repartitioned(topic, row.partitions, partitions)])
            if known and not adopt:
                raise ConfigurationError(
                    [
                        Problem(
                            f"kafka topic {topic}",
                            "this topic is not the one the ledger has been reading: it was deleted and made anew, or "
                            "HUB_KAFKA names another broker",
                            "name the right broker, or run `hub kafka adopt` to go on with this topic",
                        )
                    ]
                )
            return _begin(connection, topic, uuid, dict.fromkeys(range(partitions), 0))

    @staticmethod
    def _next_offsets(connection: Connection, number: int, partitions: int) -> dict[int, int]:
        streams = {stream_of(number, part): part for part in range(partitions)}
        known = sa.select(position.c.stream, position.c.next_offset).where(position.c.stream.in_(streams))
        return {streams[stream]: offset for stream, offset in connection.execute(known)}

    def positions(self) -> dict[int, int]:
        """Return the next offset of every stream."""
        with self.ledger.read() as connection:
            rows = connection.execute(sa.select(position.c.stream, position.c.next_offset)).all()
        return {row.stream: row.next_offset for row in rows}

    def adopt(self, number: int, held: dict[int, tuple[int, int]]) -> tuple[int, dict[int, int]]:
        """Go on with what the log of a generation still holds, by decision of a person (`hub kafka adopt`).

        `held` maps partition → (begin, end). A log that ends before a position was cut or made anew: its offsets will
        stand for other records, so that a new generation reads it from its begin; what is known of it is a repeat.
        Returns the generation and the places that were set, partition → offset.
        """
        with self.ledger.write() as connection:
            rows = connection.execute(sa.select(position.c.stream, position.c.next_offset))
            known = {row.stream: row.next_offset for row in rows}
            places = {part: known[stream_of(number, part)] for part in held}
            begins = {part: begin for part, (begin, _) in held.items()}
            if any(places[part] > end for part, (_, end) in held.items()):
                topic = connection.execute(sa.select(generation).where(generation.c.no == number)).one()
                return _begin(connection, topic.topic, topic.uuid, begins), begins
            moved = {part: begin for part, begin in begins.items() if places[part] < begin}
            for part, offset in moved.items():
                at = position.c.stream == stream_of(number, part)
                connection.execute(sa.update(position).where(at).values(next_offset=offset))
            return number, moved

    # --- dispatch ----------------------------------------------------------------------------------------------

    def known(self, ids: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, bytes]]:
        """Return `(pos, digest)` of those `(id, source)` that the ledger has."""
        wanted = list({event_id for event_id, _ in ids})
        found: dict[tuple[str, int], tuple[int, bytes]] = {}
        with self.ledger.read() as connection:
            for event_id, source, pos, digest in select_in(
                connection, self.ledger.sqlite, "SELECT id, source, pos, digest FROM dedup WHERE id", wanted
            ):
                found[event_id, source] = (pos, bytes(digest))
        return found

    def body(self, pos: int) -> bytes:
        """Return an event's body; raises KeyError."""
        with self.ledger.read() as connection:
            row = connection.execute(sa.text("SELECT body FROM event WHERE pos = :pos"), {"pos": pos}).first()
        if row is None:
            raise KeyError(pos)
        return bytes(row[0])

    def facts(self, subjects: Sequence[str]) -> list[tuple[str, int, str, int, bytes]]:
        """Return the standing fact rows `(subject, pos, valid_from, place, delta)` of residents, in event order."""
        query = "SELECT subject, pos, valid_from, place, delta FROM fact WHERE voided_by IS NULL AND subject"
        with self.ledger.read() as connection:
            rows = select_in(connection, self.ledger.sqlite, query, list(subjects))
        return sorted(rows, key=lambda row: row[1])

    def standing(self, subjects: Sequence[str]) -> list[tuple[str, str, int, str | None]]:
        """Return `(subject, kind, pos, sequence)` of residents: their newest events and history numbers."""
        query = "SELECT subject, kind, pos, sequence FROM standing WHERE subject"
        with self.ledger.read() as connection:
            return select_in(connection, self.ledger.sqlite, query, list(subjects))

    def sources(self, positions: Sequence[int]) -> dict[int, int]:
        """Return the source numbers of events."""
        with self.ledger.read() as connection:
            return dict(
                select_in(connection, self.ledger.sqlite, "SELECT pos, source FROM event WHERE pos", list(positions))
            )

    def of_residents(self, subjects: Sequence[str]) -> tuple[list[Any], list[tuple[int, int, str]]]:
        """Return residents' events `(pos, source, ruleset, plan, body, subject)`, each resident's in order.

        And the relations `(pos, target, kind)` to them.
        """
        query = "SELECT pos, source, ruleset, plan, body, subject FROM event WHERE subject"
        with self.ledger.read() as connection:
            events = select_in(connection, self.ledger.sqlite, query, list(subjects))
            positions = [row[0] for row in events]
            query = "SELECT pos, target, kind FROM relation WHERE target"
            links = select_in(connection, self.ledger.sqlite, query, positions)
        return sorted(events, key=lambda row: row[0]), links

    def tombstones(self) -> dict[tuple[str, str], int]:
        """Return the cancellations that have not met their target: `(subject, target)` → position."""
        with self.ledger.read() as connection:
            rows = connection.execute(sa.text("SELECT subject, target, pos FROM tombstone"))
            return {(row[0], row[1]): row[2] for row in rows}

    def households(self, numbers: Sequence[str]) -> list[tuple[str, str, int]]:
        """Return `(household, subject, is head)` of the members of households, by resident."""
        query = "SELECT no, subject, head FROM household WHERE no"
        with self.ledger.read() as connection:
            return sorted(select_in(connection, self.ledger.sqlite, query, list(numbers)))

    def households_days(self, partitions: Iterable[int]) -> dict[int, str]:
        """Return up to which day the dated changes of each partition's residents are taken in; empty before the first.

        Older hubs kept one day for all.
        """
        with self.ledger.read() as connection:
            query = sa.text("SELECT key, value FROM meta WHERE key = :key OR key LIKE :each")
            rows = connection.execute(query, {"key": _HOUSEHOLDS, "each": f"{_HOUSEHOLDS}:%"})
            known: dict[str, str] = {row.key: row.value for row in rows}
        first = known.get(_HOUSEHOLDS, "")
        return {each: known.get(f"{_HOUSEHOLDS}:{each}", first) for each in partitions}

    def dated(self, after: str, upto: str) -> list[tuple[str, int]]:
        """Return `(resident, partition)` of whom something holds from a day on, `after < day <= upto`."""
        query = sa.text(
            "SELECT subject, max(pos) FROM fact WHERE voided_by IS NULL AND valid_from > :after "
            "AND valid_from <= :upto GROUP BY subject ORDER BY subject"
        )
        with self.ledger.read() as connection:
            rows = connection.execute(query, {"after": after, "upto": upto})
            return [(subject, partition_of(pos >> OFFSET_BITS)) for subject, pos in rows]

    def commit(self, batch: DispatchBatch, beside: Callable[[Connection], None] | None = None) -> None:
        """Write one poll in one transaction, with what `beside` writes in it.

        Raises Fenced when a position has moved, IdTaken when an id has.
        """
        with self.ledger.write() as connection:
            for partition, day in sorted(batch.days.items()):
                connection.execute(_DAY, {"key": f"{_HOUSEHOLDS}:{partition}", "value": day})
            raw: Any = connection.connection.driver_connection
            moved = None
            try:
                if self.ledger.sqlite:
                    _move(raw, batch.positions)
                    _insert_sqlite(raw, batch)
                elif len(batch.events) > FEW:
                    _has_moved(_move_postgres(raw, batch.positions), batch.positions)
                    _insert_postgres(raw, batch)
                else:  # all of it goes to the server and back once
                    with raw.pipeline():
                        moved = _move_postgres(raw, batch.positions)
                        _insert_few(raw, batch)
                    _has_moved(moved, batch.positions)
            except self.ledger.engine.dialect.dbapi.IntegrityError as error:  # type: ignore[union-attr]
                if moved is not None and moved.rowcount >= 0:
                    _has_moved(moved, batch.positions)  # of a partition that is another's all has been written already
                if not _is_of_another(error):
                    raise
                raise IdTaken(str(error)) from error
            if beside is not None:
                beside(connection)

    # --- delivery ----------------------------------------------------------------------------------------------

    def read(self, stream: int, after: int, upto: int, limit: int, size: int) -> list[Logged]:
        """Return up to `limit` events of a stream with `after < pos <= upto`, in order, no more after `size` bytes."""
        found: list[Logged] = []
        after = max(after, (stream << OFFSET_BITS) - 1)
        with self.ledger.read() as connection:
            while size > 0 and len(found) < limit and after < upto:
                asked = min(FETCHED, limit - len(found))
                rows = _behind(connection, self.ledger.sqlite, after, upto, asked)
                for row in rows:
                    found.append(Logged(row[0], row[1], bytes(row[2]), bytes(row[3])))
                    size -= len(row[3])
                    if size <= 0:
                        break
                after = rows[-1][0] if len(rows) == asked else upto
        return found

    def fetch(self, positions: Sequence[int]) -> dict[int, Logged]:
        """Return events by their positions."""
        with self.ledger.read() as connection:
            rows = select_in(
                connection, self.ledger.sqlite, "SELECT pos, ruleset, plan, body FROM event WHERE pos", list(positions)
            )
            return {row[0]: Logged(row[0], row[1], bytes(row[2]), bytes(row[3])) for row in rows}


def _repartitioned(topic: str, recorded: int, found: int) -> Problem:
    return Problem(
        f"kafka topic {topic}",
        f"it has {found} partitions, and the ledger recorded {recorded}: a resident's reports may lie in two of them, "
        "out of order",
        "let no more be reported, and run `hub kafka adopt` to go on with it",
    )


def _begin(connection: Connection, topic: str, uuid: str, starts: dict[int, int]) -> int:
    """Open the next generation, which begins at `starts` (partition → offset), and return its number."""
    number = (connection.execute(sa.select(sa.func.max(generation.c.no))).scalar() or 0) + 1
    now = int(time.time() * 1000)
    connection.execute(
        sa.insert(generation).values(no=number, topic=topic, uuid=uuid, partitions=len(starts), adopted_at=now)
    )
    rows = [{"stream": stream_of(number, part), "next_offset": offset} for part, offset in starts.items()]
    connection.execute(sa.insert(position), rows)
    return number


def _is_of_another(error: Any) -> bool:
    """Tell whether an integrity error of SQLite or of psycopg is of an id, or of what begins with a resident's event.

    SQLite is never told that something begins.
    """
    told = getattr(error, "diag", None)
    if told is None:
        return str(error).startswith("UNIQUE constraint failed: dedup.")
    return told.table_name in {"dedup", "standing"}


def select_in(connection: Connection, sqlite: bool, query: str, values: list[Any]) -> list[Any]:
    """Run `query` + ` IN values`, whatever their number."""
    if not values:
        return []
    raw: Any = connection.connection.driver_connection
    if not sqlite:
        kind = "bigint" if isinstance(values[0], int) else "text"
        return _rows(raw, f"{query} = ANY(%t::{kind}[])", (array(values),), sqlite=False)
    # One statement for any number: the driver keeps those it has prepared, and one of 900 marks takes 200 KB.
    listed = orjson.dumps(values)
    if _NUL not in listed:
        return _rows(raw, f"{query} IN (SELECT value FROM json_each(?))", (listed.decode(),), sqlite=True)
    each = dict.fromkeys(values)
    return [row for value in each for row in _rows(raw, f"{query} IN (?)", (value,), sqlite=True)]


def _rows(raw: Any, statement: str, values: Sequence[Any], *, sqlite: bool) -> list[Any]:
    """Return the rows of a statement with the driver's own marks."""
    if sqlite:
        return list(raw.execute(statement, values).fetchall())
    with raw.cursor(binary=True) as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _behind(connection: Connection, sqlite: bool, after: int, upto: int, limit: int) -> list[Any]:
    query = "SELECT pos, ruleset, plan, body FROM event WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?"
    raw: Any = connection.connection.driver_connection
    return _rows(raw, query if sqlite else query.replace("?", "%s"), (after, upto, limit), sqlite=sqlite)


def _move(raw: Any, positions: dict[int, tuple[int, int]]) -> None:
    for stream, (expected, following) in sorted(positions.items()):
        moved = "UPDATE position SET next_offset = ? WHERE stream = ? AND next_offset = ?"
        if raw.execute(moved, (following, stream, expected)).rowcount != 1:
            raise Fenced(f"stream {stream} is no longer at offset {expected}: another dispatcher has it")


def _move_postgres(raw: Any, positions: dict[int, tuple[int, int]]) -> Any:
    rows = [(stream, *offsets) for stream, offsets in sorted(positions.items())]
    return raw.execute(_MOVED, arrays(rows) or ["{}"] * 3)


def _has_moved(cursor: Any, positions: dict[int, tuple[int, int]]) -> None:
    if cursor.rowcount != len(positions):
        streams = ", ".join(map(str, sorted(positions)))
        raise Fenced(f"a stream of {streams} is no longer where it was: another dispatcher has it")


def _insert_sqlite(raw: Any, batch: DispatchBatch) -> None:
    raw.executemany(f"INSERT INTO event({_EVENT_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", batch.events)
    raw.executemany("INSERT INTO dedup(id, source, pos, digest, seen) VALUES (?,?,?,?,?)", batch.ids)
    if batch.repeats:
        raw.executemany("UPDATE dedup SET seen = seen + ? WHERE id = ? AND source = ?", batch.repeats)
    raw.executemany("INSERT INTO fact(subject, pos, valid_from, place, delta) VALUES (?,?,?,?,?)", batch.facts)
    _STANDING.run(raw, _standing(batch, batch.standing), sqlite=True)
    for statement, rows in _rare(batch):
        raw.executemany(statement, rows)


def _rare(batch: DispatchBatch) -> Iterator[tuple[str, Sequence[tuple[Any, ...]]]]:
    """Yield the statements that few events need, with their rows; marks are `?`."""
    if batch.voids:
        yield "UPDATE fact SET voided_by = ? WHERE subject = ? AND pos = ? AND voided_by IS NULL", batch.voids
    if batch.relations:
        yield "INSERT INTO relation(pos, target, kind) VALUES (?,?,?)", batch.relations
    if batch.tombstones:
        yield "INSERT INTO tombstone(subject, target, pos) VALUES (?,?,?) ON CONFLICT DO NOTHING", batch.tombstones
    if batch.buried:
        yield "DELETE FROM tombstone WHERE subject = ? AND target = ?", batch.buried
    if batch.protection:
        yield "DELETE FROM protection WHERE declarer = ?", [(declarer,) for declarer in batch.protection]
        yield _PROTECTION, [row for rows in batch.protection.values() for row in rows]
    if batch.arrived:
        yield "DELETE FROM protection_early WHERE report = ?", batch.arrived
    if batch.households:
        homes = Homes().move(batch.households)
        yield _NO_HEAD, [(no, subject) for subject, (no, head) in homes.items() if head]
        yield _HOUSEHOLD, [(subject, no, head) for subject, (no, head) in homes.items()]


class Homes(dict[str, tuple[str, int]]):
    """Who lives where after some moves: subject → (household, is head). The head is the last who was named."""

    def __init__(self) -> None:
        self._heads: dict[str, str] = {}

    def move(self, moves: Iterable[tuple[str, str, int]]) -> Homes:
        """Lay moves `(subject, household, is head)` over what is known, in order."""
        for subject, number, head in moves:
            if head:
                former = self._heads.get(number)
                if former is not None and self[former][0] == number:
                    self[former] = (number, 0)
                self._heads[number] = subject
            self[subject] = (number, head)
        return self

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self._heads.clear()


_STANDING = Insertion(
    "standing(subject, kind, pos, sequence)",
    ("text", "text", "int8", "text"),
    "ON CONFLICT (subject, kind) DO UPDATE SET pos = excluded.pos, sequence = excluded.sequence",
)
_PROTECTION = "INSERT INTO protection(subject, declarer, kind, active) VALUES (?,?,?,?)"
_HOUSEHOLDS = "households-day"
_DAY = sa.text(
    "INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
# Rows are locked in the order of their streams: two dispatchers that move the same would meet in a deadlock otherwise.
_MOVED = (
    f"WITH given AS MATERIALIZED (SELECT * FROM {unnested(('bigint', 'bigint', 'bigint'))} "
    "AS g(stream, expected, following)), "
    "held AS MATERIALIZED (SELECT p.stream FROM position AS p JOIN given AS g "
    "ON p.stream = g.stream AND p.next_offset = g.expected ORDER BY p.stream FOR UPDATE OF p) "
    "UPDATE position AS p SET next_offset = g.following FROM given AS g JOIN held USING (stream) "
    "WHERE p.stream = g.stream"
)
_NO_HEAD = "UPDATE household SET head = 0 WHERE no = ? AND subject <> ?"
_HOUSEHOLD = (
    "INSERT INTO household(subject, no, head) VALUES (?,?,?) "
    "ON CONFLICT (subject) DO UPDATE SET no = excluded.no, head = excluded.head"
)


def _insert_postgres(raw: Any, batch: DispatchBatch) -> None:
    with raw.cursor() as cursor:
        for what, rows in _plain(batch):
            _copy(cursor, what, rows)
        _copy(cursor, _STANDING, _standing(batch, batch.begun))
        _insert_rest(cursor, batch, [key for key in batch.standing if key not in batch.begun])


def _insert_few(raw: Any, batch: DispatchBatch) -> None:
    with raw.cursor() as cursor:
        for what, rows in _plain(batch):
            what.run(cursor, rows, sqlite=False)
        _insert_rest(cursor, batch, batch.standing)


def _standing(batch: DispatchBatch, keys: Iterable[tuple[str, str]]) -> list[tuple[Any, ...]]:
    """Return the rows of some of what stands."""
    return [(*key, *batch.standing[key]) for key in keys]


def _insert_rest(cursor: Any, batch: DispatchBatch, merged: Iterable[tuple[str, str]]) -> None:
    if batch.repeats:
        cursor.executemany("UPDATE dedup SET seen = seen + %s WHERE id = %s AND source = %s", batch.repeats)
    _STANDING.run(cursor, _standing(batch, merged), sqlite=False)
    for statement, rows in _rare(batch):
        cursor.executemany(statement.replace("?", "%s"), rows)


_EVENT = Insertion(f"event({_EVENT_COLUMNS})", _EVENT_TYPES)
_DEDUP = Insertion("dedup(id, source, pos, digest, seen)", ("text", "int4", "int8", "bytea", "int4"))
_FACT = Insertion("fact(subject, pos, valid_from, place, delta)", ("text", "int8", "text", "int8", "bytea"))


def _plain(batch: DispatchBatch) -> tuple[tuple[Insertion, Sequence[tuple[Any, ...]]], ...]:
    """Return what is only added: what every event brings."""
    return (_EVENT, batch.events), (_DEDUP, batch.ids), (_FACT, batch.facts)


def _copy(cursor: Any, what: Insertion, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    with cursor.copy(f"COPY {what.into} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(what.types)
        for row in rows:
            copy.write_row(row)

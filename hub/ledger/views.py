"""Reading the ledger for people and programs: events and what became of their deliveries. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import AmbiguousId, NotFound
from hub.events.wire import system_of
from hub.ledger import delivered, glance
from hub.ledger.commands import parts, payloads
from hub.ledger.desk import Hold, hold_of, members_of
from hub.ledger.engine import Ledger
from hub.ledger.status import DEATHS, DELIVERED, EARLIER_WAITING, UNANSWERED
from hub.ledger.tables import (
    attempt,
    dedup,
    event,
    fact,
    generation,
    name,
    outcome,
    pending,
    receiver,
    relation,
    tombstone,
)

EventRow = Any
At = tuple[int, int, int]  # receiver, pos, job


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: `since` and `until` are recorded times in milliseconds, `until` excluded."""

    source_systems: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    subject: str | None = None
    batch: str | None = None
    since: int | None = None
    until: int | None = None
    after: tuple[int, int] | None = None  # (recorded_at, pos): older than this


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished delivery: `status` as stored, `at` in milliseconds."""

    status: int
    at: int
    no: int
    batch: int


@dataclass(frozen=True, slots=True)
class States:
    """What the ledger says of some events' deliveries, by `(receiver, pos, job)`."""

    ended: dict[At, Ended]
    holds: dict[At, Hold]
    failures: dict[At, list[dict[str, Any]]]  # in order of attempts
    sending: set[At]
    doing: dict[int, dict[str, Any]]  # why a receiver stands still, by its number
    payloads: dict[At, bytes]  # what was sent in the place of what was planned
    jobs: dict[int, set[tuple[int, int]]]  # what jobs have sent besides what was planned: pos → receiver, job
    awaited: dict[tuple[int, str], str]  # receiver, resident → the first event whose delivery is not confirmed


@dataclass(frozen=True, slots=True)
class Party:
    """A system as the ledger counts it: the numbers of its sources and of its receivers."""

    sources: frozenset[int]
    receivers: frozenset[int]


class Views:
    """Questions to a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    # --- events ------------------------------------------------------------------------------------------------

    def find(self, reference: str, by: str | None = None) -> int:
        """Return the position of an event by `<id>` or `<source system>/<id>`; only of those reported `by` a system.

        Raises NotFound, and AmbiguousId with the candidates when several sources used a bare id.
        """
        with self.ledger.read() as connection:
            found = self._positions(connection, [reference], by)
            if not found:
                cuts = [index for index, letter in enumerate(reference) if letter == "/"]
                for cut in (cut for cut in cuts if by in (None, reference[:cut])):
                    found = self._positions(connection, [reference[cut + 1 :]], reference[:cut])
                    if found:
                        break
        if not found:
            raise NotFound(f"there is no event {reference}", mend="hub events list")
        if len(found) > 1:
            raise AmbiguousId(reference, sorted(f"{system}/{reference}" for system in found))
        return next(iter(found.values()))

    def at(self, source: str, event_id: str) -> int | None:
        """Return the position of a source's event."""
        query = sa.select(dedup.c.pos).join(name, name.c.no == dedup.c.source)
        with self.ledger.read() as connection:
            found = connection.execute(query.where(dedup.c.id == event_id, *_of_source(source))).scalar()
        return None if found is None else int(found)

    def longer(self, length: int, source: str | None) -> list[tuple[str, str, int]]:
        """Return `(source, id, position)` of the events whose id is longer, of one source if given."""
        query = sa.select(name.c.name, dedup.c.id, dedup.c.pos).join(name, name.c.no == dedup.c.source)
        conditions = [sa.func.length(dedup.c.id) > length, *(_of_source(source) if source is not None else ())]
        with self.ledger.read() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(query.where(*conditions))]

    @staticmethod
    def _positions(connection: Connection, ids: Sequence[str], system: str | None) -> dict[str, int]:
        query = sa.select(name.c.name, dedup.c.pos).join(name, name.c.no == dedup.c.source).where(dedup.c.id.in_(ids))
        rows = [(system_of(source), pos) for source, pos in connection.execute(query)]
        return {found: pos for found, pos in rows if system is None or found == system}

    def subjects(self) -> list[str]:
        """Return every resident of whom there is an event."""
        with self.ledger.read() as connection:
            return list(connection.execute(sa.select(event.c.subject).distinct()).scalars())

    def event(self, pos: int) -> EventRow:
        """Return an event's row with `seen`; raises NotFound."""
        query = (
            sa.select(event, dedup.c.seen)
            .join(dedup, sa.and_(dedup.c.id == event.c.id, dedup.c.source == event.c.source))
            .where(event.c.pos == pos)
        )
        with self.ledger.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"there is no event at {pos}")
        return row

    def untargeted(self, since: int, until: int) -> list[tuple[str, str, int]]:
        """Return cancellations and corrections recorded in a span whose report has not come: `(system, id, at)`."""
        query = (
            sa.select(name.c.name, event.c.id, event.c.recorded_at, event.c.pos)
            .select_from(tombstone)
            .join(event, event.c.pos == tombstone.c.pos)
            .join(name, name.c.no == event.c.source)
            .where(event.c.recorded_at >= since, event.c.recorded_at < until)
            .order_by(event.c.recorded_at, event.c.pos)
            .distinct()
        )
        with self.ledger.read() as connection:
            return [(system_of(row.name), row.id, row.recorded_at) for row in connection.execute(query)]

    def relations(self, positions: Iterable[int]) -> dict[int, list[tuple[str, str, bool]]]:
        """Return by position `(kind, <source system>/<id> of the other event, whether this one acts on it)`.

        Of each event the oldest first; of one that has none, nothing.
        """
        wanted = list(positions)
        found: dict[int, list[tuple[str, str, bool]]] = {pos: [] for pos in wanted}
        rows: set[tuple[int, str, int]] = set()
        with self.ledger.read() as connection:
            for part in _parts(wanted):
                touched = sa.or_(relation.c.pos.in_(part), relation.c.target.in_(part))
                query = sa.select(relation.c.pos, relation.c.kind, relation.c.target).where(touched)
                rows.update((row.pos, row.kind, row.target) for row in connection.execute(query))
            named = self._names(connection, {pos for acting, _, target in rows for pos in (acting, target)})
        for acting, kind, target in sorted(rows):
            if acting in found and target in named:
                found[acting].append((kind, named[target], True))
            if target in found and acting in named:
                found[target].append((kind, named[acting], False))
        return found

    @staticmethod
    def _names(connection: Connection, positions: Iterable[int]) -> dict[int, str]:
        """Return `<source system>/<id>` of events by position."""
        query = sa.select(event.c.pos, event.c.id, name.c.name).join(name, name.c.no == event.c.source)
        return {
            row.pos: f"{system_of(row.name)}/{row.id}"
            for part in _parts(sorted(positions))
            for row in connection.execute(query.where(event.c.pos.in_(part)))
        }

    def events(self, wanted: EventFilter, limit: int) -> list[EventRow]:
        """Return events, the newest first."""
        query = sa.select(event).order_by(event.c.recorded_at.desc(), event.c.pos.desc()).limit(limit)
        with self.ledger.read() as connection:
            conditions = self._conditions(connection, wanted)
            return list(connection.execute(query.where(*conditions)))

    def _conditions(self, connection: Connection, wanted: EventFilter) -> list[Any]:
        conditions: list[Any] = []
        if wanted.subject is not None:
            conditions.append(event.c.subject == wanted.subject)
        if wanted.batch is not None:
            conditions.append(event.c.batch_id == wanted.batch)
        if wanted.since is not None:
            conditions.append(event.c.recorded_at >= wanted.since)
        if wanted.until is not None:
            conditions.append(event.c.recorded_at < wanted.until)
        if wanted.statuses:
            conditions.append(event.c.status.in_(wanted.statuses))
        if wanted.after is not None:
            conditions.append(sa.tuple_(event.c.recorded_at, event.c.pos) < sa.tuple_(*wanted.after))
        if wanted.types:
            conditions.append(event.c.type.in_(self._numbers(connection, "type", lambda text: text in wanted.types)))
        if wanted.source_systems:
            numbers = self._numbers(connection, "source", lambda text: system_of(text) in wanted.source_systems)
            conditions.append(event.c.source.in_(numbers))
        return conditions

    @staticmethod
    def _numbers(connection: Connection, kind: str, wanted: Any) -> list[int]:
        rows = connection.execute(sa.select(name.c.no, name.c.name).where(name.c.kind == kind))
        return [no for no, text in rows if wanted(text)]

    def named(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the types of the events there ever were (short), and the systems they came from or were to go to."""
        with self.ledger.read() as connection:
            rows = list(connection.execute(sa.select(name.c.kind, name.c.name)))
            keys = connection.execute(sa.select(receiver.c.key)).scalars().all()
        types = frozenset(text for kind, text in rows if kind == "type")
        sources = (system_of(text) for kind, text in rows if kind == "source")
        return types, frozenset((*sources, *(key.partition(".")[0] for key in keys)))

    def party(self, system: str) -> Party:
        """Return the numbers by which events and deliveries name a system."""
        with self.ledger.read() as connection:
            sources = self._numbers(connection, "source", lambda text: system_of(text) == system)
            receivers = connection.execute(sa.select(receiver.c.no, receiver.c.key))
            return Party(frozenset(sources), frozenset(no for no, key in receivers if key.partition(".")[0] == system))

    # --- deliveries --------------------------------------------------------------------------------------------

    def told_besides(self, mine: Party, positions: Iterable[int]) -> set[int]:
        """Return those of some events of which jobs have told a system besides what was planned."""
        found: set[int] = set()
        with self.ledger.read() as connection:
            for part in _parts(list(positions)):
                for table in (outcome, pending):
                    query = sa.select(table.c.pos).where(table.c.receiver.in_(mine.receivers), table.c.pos.in_(part))
                    found.update(connection.execute(query.where(table.c.job > 0)).scalars())
        return found

    def states(self, positions: Iterable[int]) -> States:
        """Return what became of the deliveries of these events."""
        wanted = list(positions)
        ended: dict[At, Ended] = {}
        holds: dict[At, Hold] = {}
        failures: dict[At, list[dict[str, Any]]] = {}
        instead: dict[At, bytes] = {}
        with self.ledger.read() as connection:
            # A delivery goes from an intent to what waits to what ended: read in that order, none slips through.
            intents = connection.execute(
                sa.select(receiver.c.no, receiver.c.intent_members).where(receiver.c.intent_members.is_not(None))
            )
            sending = {(no, pos, job) for no, members in intents for pos, job, *_ in members_of(members)}
            for part in _parts(wanted):
                receivers = connection.execute(sa.select(receiver.c.no)).scalars().all()
                for row in connection.execute(_of(pending, receivers, part)):
                    holds[row.receiver, row.pos, row.job] = hold_of(row)
                for (number, pos), at in delivered.holding(connection, receivers, part).items():
                    ended[number, pos, 0] = Ended(DELIVERED, at.at, at.no, at.batch)
                for row in connection.execute(_of(outcome, receivers, part)):
                    ended[row.receiver, row.pos, row.job] = Ended(row.status, row.at, row.no, row.batch)
                for row in connection.execute(_of(attempt, receivers, part).order_by(attempt.c.n, attempt.c.at)):
                    failures.setdefault((row.receiver, row.pos, row.job), []).append(
                        {"n": row.n, "at": row.at, "kind": row.kind, "code": row.code, "message": row.message}
                    )
                instead |= payloads(connection, part)
            following = {hold.subject for hold in holds.values() if hold.status == EARLIER_WAITING}
            awaited = self._awaited(connection, sorted(following)) if following else {}
            said = connection.execute(sa.select(receiver.c.no, receiver.c.state).where(receiver.c.state != "{}"))
            doing = {row.no: orjson.loads(row.state) for row in said}
        jobs: dict[int, set[tuple[int, int]]] = {}
        for number, pos, job in (*ended, *holds):
            if job:
                jobs.setdefault(pos, set()).add((number, job))
        return States(ended, holds, failures, sending, doing, instead, jobs, awaited)

    @staticmethod
    def _awaited(connection: Connection, subjects: Sequence[str]) -> dict[tuple[int, str], str]:
        """Return `<source system>/<id>` of the first event of each resident that a receiver has not confirmed."""
        found: dict[tuple[int, str], str] = {}
        for part in parts(subjects):
            query = (
                sa.select(pending.c.receiver, pending.c.subject, event.c.id, name.c.name)
                .join(event, event.c.pos == pending.c.pos)
                .join(name, name.c.no == event.c.source)
                .where(pending.c.status.in_(UNANSWERED), pending.c.subject.in_(part))
                .order_by(pending.c.pos.desc())
            )
            for row in connection.execute(query):
                found[row.receiver, row.subject] = f"{system_of(row.name)}/{row.id}"
        return found

    def pending_positions(
        self, statuses: Sequence[int], receivers: Sequence[int], limit: int, before: int
    ) -> list[int]:
        """Return the positions of deliveries that wait in one of these states, the newest first."""
        return self._newest(pending, receivers, limit, before, pending.c.status.in_(statuses))

    def rejected_positions(self, receivers: Sequence[int], limit: int, before: int) -> list[int]:
        """Return the positions of deliveries that were refused for good, the newest first."""
        return self._newest(attempt, receivers, limit, before, attempt.c.kind.in_(DEATHS))

    def _newest(
        self, table: sa.Table, receivers: Sequence[int], limit: int, before: int, condition: sa.ColumnElement[bool]
    ) -> list[int]:
        found: set[int] = set()
        with self.ledger.read() as connection:
            for number in receivers:  # one after another: each has its own in order
                mine = (table.c.receiver == number, table.c.pos < before, condition)
                query = sa.select(table.c.pos).where(*mine).distinct().order_by(table.c.pos.desc()).limit(limit)
                found.update(connection.execute(query).scalars())
        return sorted(found, reverse=True)[:limit]

    def by_position(self, positions: Sequence[int]) -> list[EventRow]:
        """Return events by position, the newest first."""
        with self.ledger.read() as connection:
            rows = connection.execute(sa.select(event).where(event.c.pos.in_(positions)).order_by(event.c.pos.desc()))
            return list(rows)

    def counts(self) -> list[tuple[int, int, int, int | None]]:
        """Return `(receiver, status, how many, since)` of everything that waits; `since` in milliseconds."""
        query = sa.select(pending.c.receiver, pending.c.status, sa.func.count(), sa.func.min(pending.c.since)).group_by(
            pending.c.receiver, pending.c.status
        )
        with self.ledger.read() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

    def receivers(self) -> list[Any]:
        """Return the receivers' rows."""
        with self.ledger.read() as connection:
            return list(connection.execute(sa.select(receiver).order_by(receiver.c.key)))

    def dead(self) -> list[tuple[int, int, int, int]]:
        """Return `(receiver, status, how many, since)` of the dead letters that nobody has sent again or dropped."""
        with self.ledger.read() as connection:
            rows = connection.exec_driver_sql(glance.OPEN_DEAD)
            return [(row[0], row[1], row[2], row[3]) for row in rows]

    def died(self, since: int) -> dict[int, int]:
        """Return how many deliveries of each receiver were refused for good since a moment (milliseconds)."""
        query = (
            sa.select(attempt.c.receiver, sa.func.count())
            .where(attempt.c.kind.in_(DEATHS), attempt.c.at >= since)
            .group_by(attempt.c.receiver)
        )
        with self.ledger.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def topics(self) -> dict[str, int]:
        """Return the UUIDs of the topics this ledger has read or adopted, with their partitions as last recorded."""
        recorded = sa.select(generation.c.uuid, generation.c.partitions).order_by(generation.c.no)
        with self.ledger.read() as connection:
            return {row.uuid: row.partitions for row in connection.execute(recorded)}

    def facts_before(self, subject: str, pos: int) -> list[tuple[str, int, dict[str, Any]]]:
        """Return the fact rows `(valid_from, pos, delta)` of a resident as they stood just before an event."""
        query = (
            sa.select(fact.c.valid_from, fact.c.pos, fact.c.delta)
            .where(
                fact.c.subject == subject,
                fact.c.pos < pos,
                sa.or_(fact.c.voided_by.is_(None), fact.c.voided_by > pos),
            )
            .order_by(fact.c.valid_from, fact.c.pos)
        )
        with self.ledger.read() as connection:
            return [(row[0], row[1], orjson.loads(bytes(row[2]))) for row in connection.execute(query)]


def _of(table: sa.Table, receivers: Sequence[int], positions: Sequence[int]) -> sa.Select[Any]:
    return sa.select(table).where(table.c.receiver.in_(receivers), table.c.pos.in_(positions))


def _of_source(source: str) -> tuple[sa.ColumnElement[bool], ...]:
    return name.c.kind == "source", name.c.name == source


def _parts(values: Sequence[int], size: int = 400) -> Iterable[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]

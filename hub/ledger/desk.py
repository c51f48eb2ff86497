"""The delivery desk: leases, cursors, intents, outcomes and pending deliveries of receivers.

A receiver's row is its lease. Every settlement begins with one conditional update of that row: it takes the row's lock,
checks the epoch, and moves the cursor; when the epoch has moved, nothing of that receiver is written and the others of
the same transaction go through.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ledger import bulk, delivered
from hub.ledger.bulk import Insertion
from hub.ledger.delivered import Stretch, stretches, unfold
from hub.ledger.engine import Ledger, storable
from hub.ledger.log import EventLog, Logged, select_in
from hub.ledger.places import OFFSET_BITS
from hub.ledger.revision import OLDEST
from hub.ledger.states import answers_over
from hub.ledger.status import ANSWERS, BREAKER, CONFIRMED, EARLIER_WAITING, REPLACEABLE, UNANSWERED, WARNING
from hub.ledger.tables import meta, outcome, position, receiver

K = TypeVar("K")
Member = tuple[int, int, int, bool]
LEASE = 10_000  # milliseconds
_FOLLOWING = frozenset({EARLIER_WAITING, BREAKER})


@dataclass(frozen=True, slots=True)
class Hold:
    """A delivery that is neither finished nor merely next. `due` is in milliseconds (None: not waiting for time)."""

    pos: int
    job: int
    subject: str
    status: int
    detail: str
    since: int
    due: int | None
    attempts: int
    no: int
    payload: bytes | None = None  # what is sent instead of what was planned (`hub.stages.entries.pack_made`)
    put_by: int | None = None  # the job that put it here, or that tries it again

    @property
    def answered(self) -> bool:
        """Tell whether it is delivered, and kept only until its system has answered (`order_until: confirmed`)."""
        return self.status in UNANSWERED

    @property
    def follows(self) -> bool:
        """Tell whether it waits only for an earlier one or for its receiver, not for a person or a time."""
        return self.due is None and self.status in _FOLLOWING


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, kept for ever."""

    pos: int
    job: int
    n: int
    at: int
    kind: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Deliveries that ended alike at one moment: positions and their `no`s, side by side.

    `first` says that none of them can have ended before: they came from the log and never waited.
    `answer`: the system, or a person for it, says this of what was delivered; nothing else may replace that.
    `together`: they are in order and numbered without a gap, and a row may stand for many (`hub.ledger.delivered`).
    """

    status: int
    job: int
    at: int
    batch: int
    positions: Sequence[int]
    numbers: Sequence[int]
    first: bool = False
    answer: bool = False
    together: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """A command that is carried out as it is written: what a job's one command came to, item by item."""

    job: int
    kind: str
    pos: int
    target: int
    payload: bytes | None
    at: int
    result: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A batch handed to the sink whose outcome is not recorded yet: `members` are `(pos, job, no, cut)`.

    Of a batch that came straight from the log they are recorded as `stretches`, in order, between those that are cut.
    `date` is the batch's own, so that it can be rebuilt on another day.
    """

    batch: int
    token: dict[str, Any] | None
    members: Sequence[Member] = ()
    date: str = ""
    stretches: Sequence[Stretch | Member] = ()


@dataclass(slots=True)
class Settlement:
    """What one receiver's owner writes at once. `intent`: None leaves it, False clears it, an Intent records it."""

    receiver: int
    owner: str
    epoch: int
    cursor: dict[int, int]
    next_no: int
    next_batch: int
    state: str = "{}"
    intent: Intent | bool | None = None
    finished: list[Finished] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    released: list[tuple[int, int]] = field(default_factory=list)  # (pos, job) that leave `pending`
    failures: list[Failure] = field(default_factory=list)
    obeyed: list[tuple[int, str]] = field(default_factory=list)  # commands carried out: number, result
    noted: list[Noted] = field(default_factory=list)
    pause: str = ""  # why the receiver is paused with this, until a person resumes it


@dataclass(slots=True)
class Lease:
    """A receiver as its owner takes it over."""

    no: int
    key: str
    epoch: int
    cursor: dict[int, int]
    next_no: int
    next_batch: int
    intent: Intent | None
    state: str


class Desk:
    """The delivery side of a ledger. Synchronous: stages call it in worker threads."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.folds = False  # whether a row may stand for many deliveries: no older program is at work

    # --- receivers and leases ----------------------------------------------------------------------------------

    def register(self, keys: Sequence[str]) -> dict[str, int]:
        """Return the numbers of receivers, adding new ones, whose cursor stands at the end of the log."""
        with self.ledger.write() as connection:
            known = self._numbers(connection)
            fresh = [key for key in keys if key not in known]
            if fresh:
                cursor = self._ends(connection)
                for key in fresh:
                    connection.execute(
                        sa.text(
                            "INSERT INTO receiver(key, owner, epoch, until, cursor, next_no, next_batch, state) "
                            "VALUES (:key, '', 0, 0, :cursor, 1, 1, '{}') ON CONFLICT (key) DO NOTHING"
                        ),
                        {"key": key, "cursor": cursor},
                    )
                known = self._numbers(connection)
        return {key: known[key] for key in keys}

    @staticmethod
    def _numbers(connection: Connection) -> dict[str, int]:
        return {row.key: row.no for row in connection.execute(sa.select(receiver.c.key, receiver.c.no))}

    @staticmethod
    def _ends(connection: Connection) -> str:
        rows = connection.execute(sa.select(position.c.stream, position.c.next_offset)).all()
        return _cursor_text({stream: (stream << 40) + offset - 1 for stream, offset in rows})

    def renew(self, owner: str, wanted: Sequence[int], *, acquire: bool = True) -> tuple[dict[int, int], list[Lease]]:
        """Renew the owner's leases and take over those that are free.

        Returns `(receiver → epoch of every lease held now, leases newly taken)`.
        """
        if not wanted:
            return {}, []
        clock = self.ledger.clock
        numbers = ",".join(str(int(no)) for no in wanted)
        with self.ledger.write() as connection:
            if not self.folds:
                oldest = connection.execute(sa.select(meta.c.value).where(meta.c.key == OLDEST)).scalar()
                self.folds = oldest is not None and oldest >= delivered.SINCE
            if not self.ledger.sqlite:  # in the order of settlements, which would otherwise meet in a deadlock
                connection.exec_driver_sql(f"SELECT no FROM receiver WHERE no IN ({numbers}) ORDER BY no FOR UPDATE")
            connection.exec_driver_sql(
                f"UPDATE receiver SET until = {clock} + {LEASE} "
                f"WHERE no IN ({numbers}) AND owner = {_quoted(owner)} AND until > {clock}"
            )
            taken: list[int] = []
            if acquire:
                rows = connection.exec_driver_sql(
                    f"UPDATE receiver SET owner = {_quoted(owner)}, epoch = epoch + 1, until = {clock} + {LEASE} "
                    f"WHERE no IN ({numbers}) AND until <= {clock} RETURNING no"
                )
                taken = [row[0] for row in rows]
            held = connection.execute(
                sa.select(receiver).where(
                    receiver.c.owner == owner, receiver.c.no.in_(list(wanted)), receiver.c.until > sa.text(clock)
                )
            ).all()
        fresh = set(taken)
        return {row.no: row.epoch for row in held}, [_lease(row) for row in held if row.no in fresh]

    def lease(self, number: int, owner: str, epoch: int) -> Lease | None:
        """Return the lease as the ledger has it, or None when it is no longer this owner's."""
        with self.ledger.read() as connection:
            row = connection.execute(
                sa.select(receiver).where(receiver.c.no == number, receiver.c.owner == owner, receiver.c.epoch == epoch)
            ).first()
        return _lease(row) if row is not None else None

    def say(self, number: int, owner: str, epoch: int, state: str) -> None:
        """Note why a receiver stands still (JSON, for people), if the lease is still this owner's."""
        with self.ledger.write() as connection:
            connection.execute(
                sa.update(receiver)
                .where(receiver.c.no == number, receiver.c.owner == owner, receiver.c.epoch == epoch)
                .values(state=state)
            )

    def release(self, owner: str, numbers: Sequence[int]) -> None:
        """Give back leases of an owner that stops."""
        with self.ledger.write() as connection:
            mine = sa.and_(receiver.c.owner == owner, receiver.c.no.in_(list(numbers)))
            connection.execute(sa.update(receiver).where(mine).values(until=0, owner=""))

    def fetch(self, positions: Sequence[int]) -> dict[int, Logged]:
        """Return events by their positions."""
        return EventLog(self.ledger).fetch(positions)

    def sizes(self, positions: Sequence[int]) -> dict[int, int]:
        """Return how many bytes events have, by their positions."""
        query = "SELECT pos, length(body) FROM event WHERE pos"
        with self.ledger.read() as connection:
            rows = select_in(connection, self.ledger.sqlite, query, list(positions))
            return {row[0]: row[1] for row in rows}

    # --- what waits --------------------------------------------------------------------------------------------

    def holds(self, number: int) -> list[Hold]:
        """Return a receiver's pending deliveries in event order."""
        with self.ledger.read() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT pos, job, subject, status, detail, since, due, attempts, no, payload, put_by FROM pending "
                    "WHERE receiver = :no ORDER BY pos, job"
                ),
                {"no": number},
            )
            return [hold_of(row) for row in rows]

    def ahead(self, number: int, cursor: Mapping[int, int]) -> set[int]:
        """Return the events that a receiver has not read and whose delivery has ended all the same."""
        found: set[int] = set()
        streams = sa.select(position.c.stream)
        with self.ledger.read() as connection:
            for stream in connection.execute(streams).scalars().all():
                first = cursor.get(stream, (stream << OFFSET_BITS) - 1) + 1
                unread = outcome.c.pos.between(first, (stream + 1 << OFFSET_BITS) - 1)
                query = sa.select(outcome.c.pos).where(outcome.c.receiver == number, unread, outcome.c.job == 0)
                found.update(connection.execute(query).scalars())
        return found

    # --- settling ----------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement]) -> set[int]:
        """Write what owners did, in one transaction; return the receivers left out because their lease has moved."""
        if not self.ledger.sqlite and _are_plain(settlements):
            with self.ledger.alone() as connection:
                alone: Any = connection.connection.driver_connection
                return {one.receiver for one in settlements} - _PostgresWriter(alone).all_at_once(settlements)
        fenced: set[int] = set()
        with self.ledger.write() as connection:
            raw: Any = connection.connection.driver_connection
            write = _SqliteWriter(raw) if self.ledger.sqlite else _PostgresWriter(raw)
            for each in _turns(sorted(settlements, key=lambda settlement: settlement.receiver)):
                held = write.heads(each)
                fenced |= {one.receiver for one in each} - held
                write.all_rows([one for one in each if one.receiver in held])
        return fenced


def hold_of(row: Any) -> Hold:
    """Return a row of `pending` as a Hold."""
    payload = bytes(row.payload) if row.payload is not None else None
    state = (row.status, row.detail, row.since, row.due, row.attempts, row.no)
    return Hold(row.pos, row.job, row.subject, *state, payload, row.put_by)


def _turns(settlements: list[Settlement]) -> Iterable[list[Settlement]]:
    """Yield settlements so that none has two of one receiver: a later one may replace what an earlier one wrote."""
    while settlements:
        first = {one.receiver: one for one in reversed(settlements)}
        yield [one for one in settlements if first[one.receiver] is one]
        settlements = [one for one in settlements if first[one.receiver] is not one]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _cursor_text(cursor: dict[int, int]) -> str:
    return orjson.dumps(cursor, option=orjson.OPT_NON_STR_KEYS).decode()


def members_of(recorded: bytes) -> list[Member]:
    """Return the members of a recorded intent; a newer hub may say more of each."""
    found: list[Member] = []
    for first, second, third, *more in orjson.loads(bytes(recorded)):
        if isinstance(third, list):
            found += [(first + offset, 0, second + place, False) for place, offset in enumerate(third)]
        else:
            found.append((first, second, third, more[0]))
    return found


def _lease(row: Any) -> Lease:
    intent = None
    if row.intent_batch is not None:
        kept = orjson.loads(bytes(row.intent_token))
        intent = Intent(row.intent_batch, kept["token"], members_of(row.intent_members), kept["date"])
    cursor = {int(stream): pos for stream, pos in orjson.loads(row.cursor).items()}
    return Lease(row.no, row.key, row.epoch, cursor, row.next_no, row.next_batch, intent, row.state)


@dataclass(frozen=True, slots=True)
class _Each:
    """A statement that ends with the column of many numbers, and the type by which PostgreSQL knows that column."""

    text: str
    type: str


FEW = 2_000  # rows of a settlement up to which one statement writes all of them
_HEAD_TYPES = (
    *("int", "int", "text", "text", "bigint", "bigint"),
    *("text", "int", "bigint", "bytea", "bytea"),
)
_HEAD = "UPDATE receiver SET cursor = ?, next_no = ?, next_batch = ?, state = ?"
_WHERE = " WHERE no = ? AND epoch = ? AND owner = ?"
_INTENT = ", intent_batch = ?, intent_token = ?, intent_members = ?"
# Rows are locked in the order of their numbers, as `renew` does: otherwise the two would meet in a deadlock.
_GIVEN = (
    f"WITH given AS MATERIALIZED (SELECT * FROM {bulk.unnested(_HEAD_TYPES)} "
    "AS g(no, epoch, owner, cursor, next_no, next_batch, state, says, batch, token, members)), "
    "held AS MATERIALIZED (SELECT r.no FROM receiver AS r JOIN given AS g USING (no, epoch, owner) "
    "ORDER BY r.no FOR UPDATE OF r)"
)
_HEADS = (
    "UPDATE receiver AS r SET cursor = g.cursor, next_no = g.next_no, next_batch = g.next_batch, state = g.state, "
    "intent_batch = CASE g.says WHEN 0 THEN r.intent_batch ELSE g.batch END, "
    "intent_token = CASE g.says WHEN 0 THEN r.intent_token ELSE g.token END, "
    "intent_members = CASE g.says WHEN 0 THEN r.intent_members ELSE g.members END "
    "FROM given AS g JOIN held USING (no) WHERE r.no = g.no RETURNING r.no"
)
_OUTCOMES = Insertion(
    "outcome(receiver, pos, job, status, at, batch, no)",
    ("int", "bigint", "int", "smallint", "bigint", "bigint", "bigint"),
)
_AT_ONCE = (
    f"{_GIVEN}, moved AS ({_HEADS}), told AS (INSERT INTO {_OUTCOMES.into} "
    f"SELECT t.* FROM {bulk.unnested(_OUTCOMES.types)} AS t(receiver, pos, job, status, at, batch, no) "
    "JOIN moved ON moved.no = t.receiver) SELECT no FROM moved"
)
_TOGETHER = Insertion(
    "delivered(receiver, first, last, no, batch, at, members)",
    ("int", "bigint", "bigint", "bigint", "bigint", "bigint", "text"),
)
# Rows of a receiver do not overlap: one that would meet another is not written, which is seen by the count.
_APART = (
    "WHERE NOT EXISTS (SELECT 1 FROM delivered AS d "
    "WHERE d.receiver = t.receiver AND d.first <= t.last AND d.last >= t.first "
    f"AND d.last < ((t.last >> {OFFSET_BITS}) + 1) << {OFFSET_BITS})"
)
_PENDING = Insertion(
    "pending(receiver, pos, job, subject, status, detail, since, due, attempts, no, payload, put_by)",
    ("int", "bigint", "int", "text", "smallint", "text", "bigint", "bigint", "int", "bigint", "bytea", "int"),
    "ON CONFLICT (receiver, pos, job) DO UPDATE SET status = excluded.status, detail = excluded.detail, "
    "since = excluded.since, due = excluded.due, attempts = excluded.attempts, no = excluded.no, "
    "payload = excluded.payload, put_by = excluded.put_by",
)
_RELEASE = _Each("DELETE FROM pending WHERE receiver = ? AND job = ? AND pos", "bigint")
_FAILURE = Insertion(
    "attempt(receiver, pos, job, n, at, kind, code, message)",
    ("int", "bigint", "int", "int", "bigint", "text", "text", "text"),
    "ON CONFLICT (receiver, pos, job, n) DO UPDATE SET at = excluded.at, kind = excluded.kind, "
    "code = excluded.code, message = excluded.message",  # one that did not reach the system has no number of its own
)


_OBEYED = _Each("UPDATE command SET done_at = ?, result = ? WHERE no", "int")
_PAUSE = (
    'INSERT INTO pause(key, until, reason, "by", at) '
    "SELECT key, CAST(NULL AS BIGINT), ?, 'hub', ? FROM receiver WHERE no = ? "
    'ON CONFLICT (key) DO UPDATE SET until = NULL, reason = excluded.reason, "by" = excluded."by", at = excluded.at'
)
_NOTED = Insertion(
    "command(job, receiver, kind, pos, target, payload, at, done_at, result)",
    ("int", "int", "text", "bigint", "bigint", "bytea", "bigint", "bigint", "text"),
)
# Only an ending that a person may take back is replaced, or by an answer what was delivered (`hub.ledger.states`);
# meeting any other is a fault that must not pass unseen. What was taken keeps when and in which batch it was delivered.
_TAKEN = f"excluded.status IN ({CONFIRMED}, {WARNING})"
_KEPT = f"CASE WHEN {_TAKEN} THEN outcome.{{0}} ELSE excluded.{{0}} END"
_BACK = ",".join(map(str, sorted(REPLACEABLE)))
_REPLACE = (
    " ON CONFLICT (receiver, pos, job) DO UPDATE SET status = excluded.status, "
    "at = excluded.at, batch = excluded.batch, no = excluded.no "
    f"WHERE outcome.status IN ({_BACK})"
)
_ANSWER = {
    code: " ON CONFLICT (receiver, pos, job) DO UPDATE SET status = excluded.status, "
    f"at = {_KEPT.format('at')}, batch = {_KEPT.format('batch')} "
    f"WHERE outcome.status IN ({','.join(map(str, answers_over(code)))})"
    for code in ANSWERS
}
# What waits has not ended, or may be tried again; what is delivered and waits for its answer is there as delivered.
_OWED = f"o.status = t.status AND o.status IN ({','.join(map(str, UNANSWERED))})"
# Joined across: SQLite takes it in this order then, a look-up for each, and not all that the receiver was ever sent.
_ENDED = (
    " AS t CROSS JOIN outcome AS o WHERE o.receiver = {0} AND o.pos = t.pos AND o.job = t.job "
    f"AND o.status NOT IN ({_BACK}) AND NOT ({_OWED})"
)


class _Writer:
    """The statements of a settlement; the two dialects differ in marks and in how many rows go in at once."""

    sqlite: bool

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def insert(self, what: Insertion, rows: Sequence[Sequence[Any]]) -> None:
        what.run(self.raw, rows, sqlite=self.sqlite)

    def run(self, statement: str, values: Sequence[Any]) -> int:
        raise NotImplementedError

    def each(self, what: _Each, values: Sequence[Any], numbers: Sequence[int]) -> None:
        raise NotImplementedError

    def finished(self, number: int, done: Finished) -> None:
        """Write what ended; what is answered gets a row of its own first. Raises RuntimeError where it had ended."""
        if done.answer:
            unfold(self.raw, number, done.positions, sqlite=self.sqlite)
        _all_written(self.end(number, done), done)

    def end(self, number: int, done: Finished) -> int:
        raise NotImplementedError

    def together(self, settlements: Sequence[Settlement]) -> None:
        """Write what was delivered together, a row for each stretch. Raises RuntimeError where one was there before."""
        rows = _together(settlements)
        if not rows:
            return
        count = self.apart(rows)
        if count != len(rows):
            raise RuntimeError(f"{len(rows) - count} of {len(rows)} stretches of deliveries had been delivered before")

    def apart(self, rows: Sequence[tuple[int | str, ...]]) -> int:
        raise NotImplementedError

    def ended(self, number: int, holds: Sequence[Hold]) -> int:
        raise NotImplementedError

    def heads(self, settlements: Sequence[Settlement]) -> set[int]:
        """Write how far receivers have come, and return those whose lease is the settlement's still."""
        return {one.receiver for one in settlements if self._head(one)}

    def all_rows(self, settlements: Sequence[Settlement]) -> None:
        """Write what became of deliveries."""
        self.together(settlements)
        for one in settlements:
            for done in one.finished:
                if not done.together:
                    self.finished(one.receiver, done)
            self.rows(one)

    def _head(self, one: Settlement) -> bool:
        values: list[Any] = [_cursor_text(one.cursor), one.next_no, one.next_batch, one.state]
        statement = _HEAD
        if one.intent is not None:
            statement += _INTENT
            values += _intent(one)
        return self.run(statement + _WHERE, [*values, one.receiver, one.epoch, one.owner]) == 1

    def rows(self, one: Settlement) -> None:
        """Write what waits, what was tried and what was asked, when what has ended is written."""
        number = one.receiver
        for job, positions in _grouped((job, pos) for pos, job in one.released):
            self.each(_RELEASE, (number, job), positions)
        if one.holds:
            holds = {(hold.pos, hold.job): hold for hold in one.holds}.values()
            self.insert(
                _PENDING,
                [
                    (
                        *(number, h.pos, h.job, h.subject, h.status, storable(h.detail)),
                        *(h.since, h.due, h.attempts, h.no, h.payload, h.put_by),
                    )
                    for h in holds
                ],
            )
            if count := self.ended(number, one.holds):
                raise RuntimeError(f"{count} of {len(one.holds)} deliveries that are to wait had ended before")
        if one.failures:
            failures = {(f.pos, f.job, f.n): f for f in one.failures}.values()
            self.insert(
                _FAILURE,
                [(number, f.pos, f.job, f.n, f.at, f.kind, f.code, storable(f.message)) for f in failures],
            )
        now = now_ms()
        for result, commands in _grouped((result, command) for command, result in one.obeyed):
            self.each(_OBEYED, (now, result), commands)
        if one.noted:
            noted = [(n.job, number, n.kind, n.pos, n.target, n.payload, n.at, n.at, n.result) for n in one.noted]
            self.insert(_NOTED, noted)
        if one.pause:
            self.run(_PAUSE, [one.pause, now_ms(), number])


class _SqliteWriter(_Writer):
    sqlite = True

    def run(self, statement: str, values: Sequence[Any]) -> int:
        return int(self.raw.execute(statement, values).rowcount)

    def each(self, what: _Each, values: Sequence[Any], numbers: Sequence[int]) -> None:
        self.raw.executemany(what.text + " = ?", [(*values, number) for number in numbers])

    def apart(self, rows: Sequence[tuple[int | str, ...]]) -> int:
        each = ", ".join(f"value ->> {at} AS {name}" for at, name in enumerate(_TOGETHER.names))
        query = f"INSERT INTO {_TOGETHER.into} SELECT * FROM (SELECT {each} FROM json_each(?)) AS t {_APART}"
        return int(self.raw.execute(query, (orjson.dumps(rows).decode(),)).rowcount)

    def end(self, number: int, done: Finished) -> int:
        pairs = orjson.dumps(list(zip(done.positions, done.numbers, strict=True))).decode()
        cursor = self.raw.execute(
            "INSERT INTO outcome(receiver, pos, job, status, at, batch, no) "
            "SELECT ?, value ->> 0, ?, ?, ?, ?, value ->> 1 FROM json_each(?) WHERE true" + _over(done),
            (number, done.job, done.status, done.at, done.batch, pairs),
        )
        return int(cursor.rowcount)

    def ended(self, number: int, holds: Sequence[Hold]) -> int:
        rows = orjson.dumps([(hold.pos, hold.job, hold.status) for hold in holds]).decode()
        each = "SELECT value ->> 0 AS pos, value ->> 1 AS job, value ->> 2 AS status FROM json_each(?)"
        query = f"SELECT count(*) FROM ({each})" + _ENDED.format("?")
        return int(self.raw.execute(query, (rows, number)).fetchone()[0])


class _PostgresWriter(_Writer):
    """A statement for all receivers: where each has little to say, the way to the server and back counts most."""

    sqlite = False

    def heads(self, settlements: Sequence[Settlement]) -> set[int]:
        return {row[0] for row in self.raw.execute(f"{_GIVEN} {_HEADS}", _heads(settlements))}

    def all_at_once(self, settlements: Sequence[Settlement]) -> set[int]:
        """Write plain settlements in one statement; return the receivers whose lease is the settlement's still."""
        ended = bulk.arrays(_endings(settlements)) or ["{}"] * len(_OUTCOMES.types)
        return {row[0] for row in self.raw.execute(_AT_ONCE, [*_heads(settlements), *ended])}

    def all_rows(self, settlements: Sequence[Settlement]) -> None:
        if _many(settlements):
            super().all_rows(settlements)
            return
        self.together(settlements)
        _OUTCOMES.run(self.raw, _endings(settlements), sqlite=False)
        for one in settlements:
            for done in one.finished:
                if not done.first:
                    self.finished(one.receiver, done)
            self.rows(one)

    def run(self, statement: str, values: Sequence[Any]) -> int:
        return int(self.raw.execute(statement.replace("?", "%s"), values).rowcount)

    def each(self, what: _Each, values: Sequence[Any], numbers: Sequence[int]) -> None:
        self.run(f"{what.text} = ANY(%t::{what.type}[])", (*values, bulk.array(numbers)))

    def apart(self, rows: Sequence[tuple[int | str, ...]]) -> int:
        given = f"{bulk.unnested(_TOGETHER.types)} AS t({', '.join(_TOGETHER.names)})"
        query = f"INSERT INTO {_TOGETHER.into} SELECT t.* FROM {given} {_APART}"
        return int(self.raw.execute(query, bulk.arrays(rows)).rowcount)

    def end(self, number: int, done: Finished) -> int:
        cursor = self.raw.execute(
            "INSERT INTO outcome(receiver, pos, job, status, at, batch, no) "
            "SELECT %b, pos, %b, %b, %b, %b, no FROM unnest(%t::bigint[], %t::bigint[]) AS t(pos, no)" + _over(done),
            (
                *(number, done.job, done.status, done.at, done.batch),
                *(bulk.array(done.positions), bulk.array(done.numbers)),
            ),
        )
        return int(cursor.rowcount)

    def ended(self, number: int, holds: Sequence[Hold]) -> int:
        each = f"SELECT * FROM {bulk.unnested(('bigint', 'int', 'int'))} AS u(pos, job, status)"
        query = f"SELECT count(*) FROM ({each})" + _ENDED.format("%b")
        columns = bulk.arrays([(hold.pos, hold.job, hold.status) for hold in holds])
        return int(self.raw.execute(query, (*columns, number)).fetchone()[0])


def _heads(settlements: Sequence[Settlement]) -> list[str]:
    """Return the columns of what is written of receivers."""
    return bulk.arrays(
        [
            (
                *(one.receiver, one.epoch, one.owner, _cursor_text(one.cursor), one.next_no, one.next_batch),
                *(one.state, int(one.intent is not None), *_intent(one)),
            )
            for one in settlements
        ]
    )


def _endings(settlements: Sequence[Settlement]) -> list[tuple[int, ...]]:
    """Return the rows of what ended at once."""
    return [
        (one.receiver, pos, done.job, done.status, done.at, done.batch, no)
        for one in settlements
        for done in one.finished
        if done.first and not done.together
        for pos, no in zip(done.positions, done.numbers, strict=True)
    ]


def _together(settlements: Sequence[Settlement]) -> list[tuple[int | str, ...]]:
    """Return the rows of what was delivered together."""
    return [
        (one.receiver, each.first, each.last, each.no, done.batch, done.at, orjson.dumps(each.offsets).decode())
        for one in settlements
        for done in one.finished
        if done.together
        for each in stretches(done.positions, done.numbers[0])
    ]


def _many(settlements: Sequence[Settlement]) -> bool:
    """Say whether more ended at once than goes well in one statement."""
    each = (done for one in settlements for done in one.finished if done.first and not done.together)
    return sum(len(done.positions) for done in each) > FEW


def _are_plain(settlements: Sequence[Settlement]) -> bool:
    """Say whether there is nothing to write but how far each receiver has come, and a little that ended at once."""
    each = {one.receiver for one in settlements}
    return len(each) == len(settlements) and all(map(_is_plain, settlements)) and not _many(settlements)


def _is_plain(one: Settlement) -> bool:
    rest = (one.holds, one.released, one.failures, one.obeyed, one.noted, one.pause)
    return not any(rest) and all(done.first and not done.together for done in one.finished)


def _grouped(pairs: Iterable[tuple[K, int]]) -> Iterable[tuple[K, list[int]]]:
    groups: dict[K, list[int]] = {}
    for key, number in pairs:
        groups.setdefault(key, []).append(number)
    return groups.items()


def _intent(one: Settlement) -> list[Any]:
    """Return what an intent is stored as; nothing of one that is cleared, or left as it is."""
    if not isinstance(one.intent, Intent):
        return [None, None, None]
    token = orjson.dumps({"token": one.intent.token, "date": one.intent.date})
    members = [*one.intent.members, *map(_recorded, one.intent.stretches)]
    return [one.intent.batch, token, orjson.dumps(members)]


def _recorded(part: Stretch | Member) -> tuple[Any, ...]:
    return (part.first, part.no, part.offsets) if isinstance(part, Stretch) else part


def _over(done: Finished) -> str:
    """Return the clause that replaces an ending; where there can be none the database need not be ready for one."""
    if done.first:
        return ""
    return _ANSWER[done.status] if done.answer else _REPLACE


def _all_written(count: int, done: Finished) -> None:
    """Raise RuntimeError when one of these deliveries had ended before: the receiver starts again from the ledger."""
    if count != len(done.positions):
        raise RuntimeError(f"{len(done.positions) - count} of {len(done.positions)} deliveries had ended before")


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000

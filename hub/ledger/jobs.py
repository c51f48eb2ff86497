"""Jobs: what people asked for in bulk, the commands it came to, and how far it is.

    approval ──▶ running           another person approved it
    running ──▶ paused ──▶ running
    approval | running | paused ──▶ cancelled
    running ──▶ done               shown, not stored: no command is open and nothing it put into `pending` waits there

A job and its commands are inserted in one transaction, so that a crash leaves all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import NotFound, UsageError
from hub.ledger.bulk import Insertion
from hub.ledger.commands import STEERING
from hub.ledger.engine import Ledger
from hub.ledger.status import UNANSWERED, delivery_words
from hub.ledger.tables import command, event, job, meta, name, outcome, pending, receiver

STATUSES = ("approval", "running", "paused", "cancelled", "done")
PUBLISHER = 0  # the receiver of commands that are not a receiver's: events to be published
_FROM = {"pause": ("running",), "resume": ("paused",), "cancel": ("approval", "running", "paused")}
_TO = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
CLAIM = 10_000  # milliseconds
_CLAIM = "jobs-publisher"
_COMMANDS = Insertion(
    "command(job, receiver, kind, pos, target, payload, at, result)",
    ("int", "int", "text", "bigint", "bigint", "bytea", "bigint", "text"),
)
_WHOLE = ("restore", *STEERING)  # commands that are no items of a job


@dataclass(frozen=True, slots=True)
class Order:
    """One command of a job on its way into the ledger; `target` is the delivery's own job number."""

    receiver: int
    kind: str
    pos: int = 0
    target: int = 0
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as stored, with its progress; `totals` is what its preview counted, `at` is in milliseconds.

    `results` counts what became of its commands, `delivered` the deliveries by status, `open` what no owner has looked
    at yet, `waiting` what waits in its lane.
    """

    no: int
    kind: str
    args: dict[str, Any]
    by: str
    reason: str
    at: int
    status: str
    totals: dict[str, Any]
    approved_by: str | None
    open: int
    waiting: int
    results: dict[str, int]
    delivered: dict[str, int]


def create(
    ledger: Ledger,
    kind: str,
    args: Mapping[str, Any],
    orders: Iterable[Order],
    *,
    by: str,
    reason: str = "",
    totals: Mapping[str, Any] | None = None,
    approval: bool = False,
) -> int:
    """Add a job with its commands and return its number; with `approval` nothing happens until `approve`."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        status = "approval" if approval else "running"
        return enter(connection, kind, args, orders, by=by, reason=reason, totals=totals or {}, status=status, at=now)


def enter(
    connection: Connection,
    kind: str,
    args: Mapping[str, Any],
    orders: Iterable[Order],
    *,
    by: str,
    reason: str,
    totals: Mapping[str, Any],
    at: int,
    status: str = "running",
) -> int:
    """Add a job with its commands in the caller's transaction; `at` is in milliseconds."""
    values = {
        "kind": kind,
        "args": orjson.dumps(args).decode(),
        "by": by,
        "reason": reason,
        "at": at,
        "status": status,
        "totals": orjson.dumps(totals).decode(),
    }
    number = int(connection.execute(sa.insert(job).values(values).returning(job.c.no)).scalar_one())
    _add(connection, number, orders, at)
    return number


def _add(connection: Connection, number: int, orders: Iterable[Order], at: int) -> None:
    rows = [(number, o.receiver, o.kind, o.pos, o.target, o.payload, at, "") for o in orders]
    _COMMANDS.run(connection.connection.driver_connection, rows, sqlite=connection.dialect.name == "sqlite")


def get(ledger: Ledger, number: int) -> Job:
    """Return a job with its progress; raises NotFound."""
    with ledger.read() as connection:
        row = connection.execute(sa.select(job).where(job.c.no == number)).mappings().first()
        if row is None:
            raise NotFound(f"there is no job {number}", mend="hub jobs list")
        return _job(connection, row)


def is_running(ledger: Ledger, number: int) -> bool:
    """Say whether a job is neither paused nor cancelled, without counting how far it is."""
    with ledger.read() as connection:
        return connection.execute(sa.select(job.c.status).where(job.c.no == number)).scalar() == "running"


def listing(ledger: Ledger, *, limit: int = 50, before: int | None = None) -> list[Job]:
    """Return jobs, the newest first."""
    query = sa.select(job).order_by(job.c.no.desc()).limit(limit)
    if before is not None:
        query = query.where(job.c.no < before)
    with ledger.read() as connection:
        return [_job(connection, row) for row in connection.execute(query).mappings().all()]


def awaiting(ledger: Ledger) -> list[tuple[int, str, int, dict[str, Any]]]:
    """Return the jobs that wait for a second person: number, kind, since when (milliseconds), and their totals."""
    query = sa.select(job.c.no, job.c.kind, job.c.at, job.c.totals).where(job.c.status == "approval").order_by(job.c.no)
    with ledger.read() as connection:
        return [(row.no, row.kind, row.at, orjson.loads(row.totals)) for row in connection.execute(query)]


def _job(connection: Connection, row: Any) -> Job:
    number = row["no"]
    done = (command.c.job == number, command.c.done_at.is_not(None), command.c.kind.not_in(_WHOLE))
    counted = connection.execute(sa.select(command.c.result, sa.func.count()).where(*done).group_by(command.c.result))
    results: dict[str, int] = {str(row[0]): int(row[1]) for row in counted}
    unsettled = (command.c.job == number, command.c.done_at.is_(None), command.c.kind.not_in(STEERING))
    left = connection.execute(sa.select(sa.func.count()).select_from(command).where(*unsettled)).scalar_one()
    waiting = connection.execute(
        sa.select(sa.func.count()).select_from(pending).where(pending.c.put_by == number)
    ).scalar_one()
    ended = not left and not waiting and row["status"] == "running"
    return Job(
        number,
        row["kind"],
        orjson.loads(row["args"]),
        row["by"],
        row["reason"],
        row["at"],
        "done" if ended else row["status"],
        orjson.loads(row["totals"]),
        row["approved_by"],
        left,
        waiting,
        results,
        _delivered(connection, number),
    )


def _delivered(connection: Connection, number: int) -> dict[str, int]:
    """Return what became of a job's deliveries, by status; those that still wait are left out."""
    mine = sa.case((command.c.kind == "resend", command.c.job), else_=command.c.target)
    here = (command.c.receiver, command.c.pos, mine)
    ended = sa.and_(*(column == value for column, value in zip(_key(outcome), here, strict=True)))
    waits = sa.and_(*(column == value for column, value in zip(_key(pending), here, strict=True)))
    query = (
        sa.select(outcome.c.status, sa.func.count())
        .select_from(command)
        .join(outcome, ended)
        .outerjoin(pending, waits)
        .where(command.c.job == number, command.c.result == "queued")
        .where(sa.or_(pending.c.pos.is_(None), pending.c.status.in_(UNANSWERED)))
        .group_by(outcome.c.status)
    )
    found: dict[str, int] = {}
    for status, count in connection.execute(query):
        word = delivery_words(status)[0]
        found[word] = found.get(word, 0) + count
    return found


def _key(table: sa.Table) -> tuple[Any, Any, Any]:
    return table.c.receiver, table.c.pos, table.c.job


def items(ledger: Ledger, number: int, *, limit: int = 100, after: int = 0) -> list[dict[str, Any]]:
    """Return a job's commands one by one, in order: what, about which event and receiver, and its result."""
    query = (
        sa.select(
            command.c.no,
            command.c.kind,
            command.c.target,
            command.c.done_at,
            command.c.result,
            receiver.c.key,
            event.c.id,
            name.c.name,
        )
        .outerjoin(receiver, receiver.c.no == command.c.receiver)
        .outerjoin(event, event.c.pos == command.c.pos)
        .outerjoin(name, name.c.no == event.c.source)
        .where(command.c.job == number, command.c.kind.not_in(STEERING), command.c.no > after)
        .order_by(command.c.no)
        .limit(limit)
    )
    with ledger.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


# --- steering -----------------------------------------------------------------------------------------------------


def steer(ledger: Ledger, number: int, what: str) -> None:
    """Pause, resume or cancel a job: what is not looked at yet at once, the rest by the owners of its receivers.

    Raises NotFound, and UsageError when the job is not in a state for it.
    """
    found = get(ledger, number)
    if found.status not in _FROM[what]:
        raise UsageError(f"job {number} is {found.status}", mend=f"hub jobs show {number}")
    with ledger.write() as connection:
        moved = connection.execute(
            sa.update(job).where(job.c.no == number, job.c.status.in_(_FROM[what])).values(status=_TO[what])
        )
        if moved.rowcount != 1:
            raise UsageError(f"job {number} has just changed", mend=f"hub jobs show {number}")
        now = ledger.now(connection)
        numbers = connection.execute(
            sa.select(command.c.receiver).where(command.c.job == number, command.c.receiver > PUBLISHER).distinct()
        ).scalars()
        if found.status != "approval":
            _add(connection, number, [Order(each, what) for each in numbers], now)
        if what == "cancel":
            unheard = PUBLISHER if found.status != "approval" else command.c.receiver
            connection.execute(
                sa.update(command)
                .where(command.c.job == number, command.c.done_at.is_(None), command.c.receiver == unheard)
                .values(done_at=now, result="cancelled")
            )


def approve(ledger: Ledger, number: int, by: str) -> None:
    """Let a job go that waits for a second person. Raises NotFound and UsageError."""
    found = get(ledger, number)
    if found.status != "approval":
        raise UsageError(f"job {number} is {found.status}: there is nothing to approve")
    if by == found.by:
        raise UsageError(f"job {number} was asked for by {by}", mend="another person must approve it")
    with ledger.write() as connection:
        connection.execute(
            sa.update(job)
            .where(job.c.no == number, job.c.status == "approval")
            .values(status="running", approved_by=by)
        )


# --- what is published ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """What a job has to publish: `at` (milliseconds) and `reason` are the job's, `payload` says what."""

    no: int
    job: int
    payload: dict[str, Any]
    by: str
    reason: str
    at: int


def publishing(ledger: Ledger) -> set[int]:
    """Return the running jobs that have something left to publish."""
    query = (
        sa.select(command.c.job)
        .distinct()
        .join(job, job.c.no == command.c.job)
        .where(command.c.receiver == PUBLISHER, command.c.done_at.is_(None), job.c.status == "running")
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def to_publish(ledger: Ledger, kind: str, limit: int) -> list[Task]:
    """Return what running jobs have to publish, in order; `kind` is `publish` or `load`."""
    query = (
        sa.select(command.c.no, command.c.job, command.c.payload, job.c.by, job.c.reason, job.c.at)
        .join(job, job.c.no == command.c.job)
        .where(command.c.receiver == PUBLISHER, command.c.done_at.is_(None), command.c.kind == kind)
        .where(job.c.status == "running")
        .order_by(command.c.no)
        .limit(limit)
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return [Task(row[0], row[1], orjson.loads(bytes(row[2])), row[3], row[4], row[5]) for row in rows]


def published(ledger: Ledger, results: Sequence[tuple[int, str]]) -> None:
    """Record what became of events that were to be published: `(command, result)`."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        one = sa.update(command).where(command.c.no == sa.bindparam("b_no"), command.c.done_at.is_(None))
        connection.execute(
            one.values(done_at=now, result=sa.bindparam("b_result")),
            [{"b_no": number, "b_result": result} for number, result in results],
        )


def advance(connection: Connection, task: Task, payload: Mapping[str, Any], totals: Mapping[str, Any]) -> None:
    """Record in the caller's transaction how far a task has come, and what its job has counted."""
    connection.execute(sa.update(command).where(command.c.no == task.no).values(payload=orjson.dumps(payload)))
    connection.execute(sa.update(job).where(job.c.no == task.job).values(totals=orjson.dumps(totals).decode()))


def claim(ledger: Ledger, owner: str, milliseconds: int = CLAIM) -> bool:
    """Say whether this owner is the one that publishes for jobs now; ask again before the time is over, 0 ends it."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        held = connection.execute(sa.select(meta.c.value).where(meta.c.key == _CLAIM)).scalar()
        value = orjson.dumps({"owner": owner, "until": now + milliseconds}).decode()
        if held is None:
            added = connection.execute(
                sa.text("INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING"),
                {"key": _CLAIM, "value": value},
            )
            return added.rowcount == 1
        other = orjson.loads(held)
        if other["owner"] != owner and other["until"] > now:
            return False
        taken = sa.update(meta).where(meta.c.key == _CLAIM, meta.c.value == held).values(value=value)
        return connection.execute(taken).rowcount == 1

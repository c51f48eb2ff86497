"""Alerts in the ledger: what was raised about which receiver, and which message of it has been sent.

At most one alert of a kind stands for a receiver, in all processes together; a message is claimed before it is sent, so
that two processes do not send it at once, and comes back when its sender has died.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, RowMapping

from hub.ledger.deadletters import DEAD, public_code
from hub.ledger.engine import Ledger
from hub.ledger.places import OFFSET_BITS
from hub.ledger.status import ARRIVED, WARNED
from hub.ledger.tables import alert, attempt, delivered, notice, outcome, position, receiver

CLAIM = 120_000  # milliseconds a sender has before its message is another's
AT_ONCE = 2_000  # dead letters taken note of in one transaction
SHOWN = 12  # characters named in one alert
_WARNED = sa.text(f"kind = '{WARNED}'")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: `kind` is `dead`, `breaker` or `text`, `receiver` its key, `class_` and `code` the error's.

    Times are in milliseconds since 1970.
    """

    no: int
    kind: str
    receiver: str
    class_: str
    code: str
    count: int
    raised_at: int
    last_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to send: that an alert was `raised` or has `ended`, on one channel, for the `attempts`th time."""

    alert: Alert
    what: str
    channel: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Stall:
    """A receiver whose breaker is open since then (milliseconds)."""

    receiver: str
    since: int
    code: str


# --- raising and ending -----------------------------------------------------------------------------------------------


def note_deaths(ledger: Ledger, channels: Collection[str]) -> int:
    """Raise an alert for every receiver with new dead letters and none that stands; return how many there were."""
    return _note_all(ledger, "dead", DEAD, channels)


def note_warnings(ledger: Ledger, channels: Collection[str]) -> int:
    """Raise one for every receiver that was told with characters it does not have; return how many deliveries."""
    return _note_all(ledger, "text", _WARNED, channels)


def _note_all(ledger: Ledger, kind: str, which: sa.TextClause, channels: Collection[str]) -> int:
    fresh = sa.select(sa.literal(1)).select_from(attempt).where(attempt.c.alerted_at.is_(None), which).limit(1)
    total = 0
    while True:
        with ledger.read() as connection:
            if connection.execute(fresh).first() is None:
                return total
        with ledger.write() as connection:
            total += _note(connection, kind, which, channels, ledger.now(connection))


def _note(connection: Connection, kind: str, which: sa.TextClause, channels: Collection[str], now: int) -> int:
    key = (attempt.c.receiver, attempt.c.pos, attempt.c.job, attempt.c.n)
    chosen = sa.select(*key).where(attempt.c.alerted_at.is_(None), which).limit(AT_ONCE)
    claimed = connection.execute(
        sa.update(attempt)
        .where(sa.tuple_(*key).in_(chosen), attempt.c.alerted_at.is_(None))
        .values(alerted_at=now)
        .returning(attempt.c.receiver, attempt.c.at, attempt.c.kind, attempt.c.code)
    ).all()
    for number in {row.receiver for row in claimed}:
        rows = sorted((row for row in claimed if row.receiver == number), key=lambda row: row.at)
        place = connection.execute(sa.select(receiver.c.key, receiver.c.cursor).where(receiver.c.no == number)).one()
        raised = _raise(
            connection,
            kind,
            place.key,
            channels,
            class_=rows[0].kind,
            code=rows[0].code if kind == "dead" else _together(row.code for row in rows),
            count=len(rows),
            raised_at=rows[0].at,
            last_at=rows[-1].at,
            cursor=place.cursor,
            now=now,
        )
        if not raised:
            connection.execute(
                sa.update(alert)
                .where(alert.c.standing == f"{kind}:{place.key}")
                .values(count=alert.c.count + len(rows), last_at=rows[-1].at, cursor=place.cursor)
            )
    return len(claimed)


def _together(codes: Iterable[str]) -> str:
    """Return the code points that several deliveries lacked, each once, the first few of them."""
    names = list(dict.fromkeys(name for code in codes for name in code.split(",") if name != "…"))
    return ",".join([*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])])


def raise_stall(ledger: Ledger, stall: Stall, channels: Collection[str]) -> bool:
    """Raise an alert for a receiver that does not answer; tell whether there was none."""
    with ledger.write() as connection:
        return _raise(
            connection,
            "breaker",
            stall.receiver,
            channels,
            class_="transient",
            code=stall.code,
            count=1,
            raised_at=stall.since,
            last_at=stall.since,
            cursor="{}",
            now=ledger.now(connection),
        )


def _raise(
    connection: Connection,
    kind: str,
    key: str,
    channels: Collection[str],
    *,
    class_: str,
    code: str,
    count: int,
    raised_at: int,
    last_at: int,
    cursor: str,
    now: int,
) -> bool:
    made = connection.execute(
        _insert(connection, alert)
        .values(
            {
                "standing": f"{kind}:{key}",
                "kind": kind,
                "receiver": key,
                "class": class_,
                "code": public_code(code),
                "count": count,
                "raised_at": raised_at,
                "last_at": last_at,
                "cursor": cursor,
            }
        )
        .on_conflict_do_nothing(index_elements=[alert.c.standing])
        .returning(alert.c.no)
    ).scalar_one_or_none()
    if made is not None:
        _tell(connection, made, "raised", channels, now)
    return made is not None


def stalls(ledger: Ledger) -> list[Stall]:
    """Return the receivers whose breaker is open."""
    with ledger.read() as connection:
        rows = connection.execute(sa.select(receiver.c.key, receiver.c.state).where(receiver.c.state != "{}")).all()
    found = ((row.key, orjson.loads(row.state).get("breaker")) for row in rows)
    return [Stall(key, breaker["since"], breaker.get("code") or "breaker") for key, breaker in found if breaker]


def recovered(ledger: Ledger, quiet: int) -> list[Alert]:
    """Return the standing alerts about dead letters whose receiver has recovered.

    It has when no further one came for `quiet` milliseconds, and something was delivered since the last: an event later
    than all it had settled by then, or a dead letter sent again.
    """
    with ledger.read() as connection:
        now = ledger.now(connection)
        quiet_ones = alert.c.last_at + quiet <= now
        rows = connection.execute(sa.select(alert).where(alert.c.standing.like("dead:%"), quiet_ones)).mappings().all()
        return [_alert(row) for row in rows if _delivers(connection, row)]


def quiet_texts(ledger: Ledger, quiet: int) -> list[Alert]:
    """Return the standing alerts about characters of which none has been missed for `quiet` milliseconds."""
    with ledger.read() as connection:
        over = alert.c.last_at + quiet <= ledger.now(connection)
        rows = connection.execute(sa.select(alert).where(alert.c.standing.like("text:%"), over)).mappings()
        return [_alert(row) for row in rows]


def _delivers(connection: Connection, row: RowMapping) -> bool:
    number = connection.execute(sa.select(receiver.c.no).where(receiver.c.key == row["receiver"])).scalar_one()
    cursor = {int(stream): pos for stream, pos in orjson.loads(row["cursor"]).items()}
    well = sa.and_(outcome.c.receiver == number, outcome.c.status.in_(ARRIVED))
    for stream in connection.execute(sa.select(position.c.stream)).scalars().all():
        first, end = stream << OFFSET_BITS, (stream + 1) << OFFSET_BITS
        later = sa.and_(outcome.c.pos > cursor.get(stream, first - 1), outcome.c.pos < end)
        if connection.execute(sa.select(sa.literal(1)).where(well, later).limit(1)).first():
            return True
        together = (delivered.c.receiver == number, delivered.c.last > cursor.get(stream, first - 1))
        if connection.execute(sa.select(sa.literal(1)).where(*together, delivered.c.last < end).limit(1)).first():
            return True
    again = sa.and_(outcome.c.receiver == attempt.c.receiver, outcome.c.pos == attempt.c.pos)
    query = (
        sa.select(sa.literal(1))
        .select_from(attempt)
        .join(outcome, again)
        .where(attempt.c.receiver == number, DEAD, attempt.c.at >= row["raised_at"])
        .where(well, outcome.c.at > row["last_at"])
    )
    return connection.execute(query.limit(1)).first() is not None


def end(ledger: Ledger, numbers: Iterable[int], channels: Collection[str]) -> None:
    """End alerts, and tell so."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        for number in numbers:
            stands = sa.and_(alert.c.no == number, alert.c.ended_at.is_(None))
            if connection.execute(sa.update(alert).where(stands).values(ended_at=now, standing=None)).rowcount:
                _tell(connection, number, "ended", channels, now)


def listing(ledger: Ledger, *, standing: bool = True) -> list[Alert]:
    """Return the alerts that stand, or all, the newest first."""
    query = sa.select(alert).order_by(alert.c.no.desc())
    if standing:
        query = query.where(alert.c.ended_at.is_(None))
    with ledger.read() as connection:
        return [_alert(row) for row in connection.execute(query).mappings()]


# --- messages ---------------------------------------------------------------------------------------------------------


def _tell(connection: Connection, number: int, what: str, channels: Collection[str], now: int) -> None:
    for channel in channels:
        connection.execute(
            sa.insert(notice).values(alert=number, what=what, channel=channel, due=now, attempts=0, error="")
        )


def claim(ledger: Ledger, channels: Sequence[str]) -> list[Notice]:
    """Take the messages that are due on these channels; an end is told only after its beginning was."""
    waits = sa.and_(notice.c.sent_at.is_(None), notice.c.due <= sa.text(ledger.clock), notice.c.channel.in_(channels))
    with ledger.read() as connection:
        if connection.execute(sa.select(sa.literal(1)).where(waits).limit(1)).first() is None:
            return []
    begun = notice.alias("begun")
    untold = sa.exists().where(
        begun.c.alert == notice.c.alert,
        begun.c.channel == notice.c.channel,
        begun.c.what == "raised",
        begun.c.sent_at.is_(None),
    )
    with ledger.write() as connection:
        later = ledger.now(connection) + CLAIM
        rows = connection.execute(
            sa.update(notice)
            .where(waits, sa.or_(notice.c.what == "raised", ~untold))
            .values(due=later, attempts=notice.c.attempts + 1)
            .returning(notice.c.alert, notice.c.what, notice.c.channel, notice.c.attempts)
        ).all()
        about = sa.select(alert).where(alert.c.no.in_({row.alert for row in rows}))
        alerts = {row["no"]: _alert(row) for row in connection.execute(about).mappings()}
    return [Notice(alerts[row.alert], row.what, row.channel, row.attempts) for row in rows]


def sent(ledger: Ledger, one: Notice) -> None:
    """Record that a message was sent."""
    with ledger.write() as connection:
        connection.execute(sa.update(notice).where(_is(one)).values(sent_at=ledger.now(connection), due=None, error=""))


def failed(ledger: Ledger, one: Notice, code: str, delay: float) -> None:
    """Record why a message was not sent, and when it is tried again (seconds from now)."""
    with ledger.write() as connection:
        due = ledger.now(connection) + int(delay * 1000)
        connection.execute(sa.update(notice).where(_is(one)).values(due=due, error=code))


def unsent(ledger: Ledger) -> list[tuple[Alert, str, str, int]]:
    """Return messages that failed at least once and wait: `(alert, channel, error, attempts)`."""
    query = sa.select(notice).where(notice.c.sent_at.is_(None), notice.c.error != "").order_by(notice.c.alert)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
        about = sa.select(alert).where(alert.c.no.in_({row.alert for row in rows}))
        alerts = {row["no"]: _alert(row) for row in connection.execute(about).mappings()}
    return [(alerts[row.alert], row.channel, row.error, row.attempts) for row in rows]


def _is(one: Notice) -> sa.ColumnElement[bool]:
    return sa.and_(
        notice.c.alert == one.alert.no,
        notice.c.what == one.what,
        notice.c.channel == one.channel,
        notice.c.sent_at.is_(None),
    )


def _insert(connection: Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _alert(row: RowMapping) -> Alert:
    return Alert(
        row["no"],
        row["kind"],
        row["receiver"],
        row["class"],
        row["code"],
        row["count"],
        row["raised_at"],
        row["last_at"],
        row["ended_at"],
    )

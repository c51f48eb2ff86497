"""What operators hold back: systems, or single receivers, until a time or until somebody resumes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import NotFound, UsageError
from hub.ledger.engine import Ledger
from hub.ledger.tables import pause as table


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of `key`, a system or `system.receiver`. Times are in milliseconds; `until` None: until it is resumed."""

    key: str
    until: int | None
    reason: str
    by: str
    at: int


def pause(ledger: Ledger, key: str, *, reason: str, by: str, until: int | None = None) -> Pause:
    """Hold back a system or a receiver, instead of its former pause. Raises `UsageError` for an end that has passed."""
    with ledger.write() as connection:
        now = ledger.now(connection)
        if until is not None and until <= now:
            raise UsageError("the end of the pause has passed", mend="name a later time")
        ended = sa.or_(table.c.key == key, table.c.until <= now)
        connection.execute(sa.delete(table).where(ended))
        made = Pause(key, until, reason, by, now)
        connection.execute(sa.insert(table).values(key=key, until=until, reason=reason, by=by, at=now))
    return made


def resume(ledger: Ledger, key: str) -> Pause:
    """End the pause of exactly this key and return it. Raises `NotFound`."""
    with ledger.write() as connection:
        found = next((each for each in _lasting(ledger, connection) if each.key == key), None)
        connection.execute(sa.delete(table).where(table.c.key == key))
    if found is None:
        raise NotFound(f"{key} is not paused", mend="hub system list")
    return found


def listing(ledger: Ledger) -> list[Pause]:
    """Return the pauses that last, by key."""
    with ledger.read() as connection:
        return _lasting(ledger, connection)


def current(ledger: Ledger, receivers: Iterable[str]) -> dict[str, Pause]:
    """Return the pause that holds each of these receivers now, by `system.receiver`; of two, the one that lasts longer.

    One that the ledger does not know yet, since nothing has run with it, is held as well.
    """
    lasting = {each.key: each for each in listing(ledger)}
    held: dict[str, Pause] = {}
    for key in receivers if lasting else ():
        found = [each for each in (lasting.get(key), lasting.get(key.partition(".")[0])) if each is not None]
        if found:
            held[key] = max(found, key=lambda each: float("inf") if each.until is None else each.until)
    return held


def _lasting(ledger: Ledger, connection: Connection) -> list[Pause]:
    now = sa.text(ledger.clock)
    query = sa.select(table).where(sa.or_(table.c.until.is_(None), table.c.until > now)).order_by(table.c.key)
    return [
        Pause(row["key"], row["until"], row["reason"], row["by"], row["at"])
        for row in connection.execute(query).mappings()
    ]

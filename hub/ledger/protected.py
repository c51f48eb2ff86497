"""Who is protected, asked just before every sink call (支援措置); stale or unknown counts as not known.

`early` is set by intake as soon as it hears of a protection, before the event is in order; `active` is what the events
say in order. Either protects. With a protection list configured, a stale list or a resident it has never named holds.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.ledger.log import select_in
from hub.ledger.tables import protection, source_position


def protect_early(ledger: Ledger, subjects: Iterable[str]) -> None:
    """Protect residents from now on, until dispatch has the event in order."""
    rows = [{"subject": subject, "at": now_ms()} for subject in subjects]
    if rows:
        with ledger.write() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO protection(subject, early, active, at) VALUES (:subject, 1, 0, :at) "
                    "ON CONFLICT (subject) DO UPDATE SET early = 1, at = excluded.at"
                ),
                rows,
            )


class Register:
    """The protection of residents as receivers ask it. `max_age` is in seconds; no list: none is expected."""

    def __init__(self, ledger: Ledger, source: tuple[str, str] | None = None, max_age: float = 0.0) -> None:
        self._ledger = ledger
        self._source = source
        self._max_age = max_age

    def __call__(self, subjects: Iterable[str]) -> dict[str, bool]:
        """Return who is protected (True) or not known (False); everybody else is absent."""
        query = "SELECT subject, early, active FROM protection WHERE subject"
        with self._ledger.read() as connection:
            if self._source is None and connection.execute(sa.select(protection.c.subject).limit(1)).first() is None:
                return {}
            asked = set(subjects)
            rows = select_in(connection, self._ledger.sqlite, query, list(asked))
            fresh = self._source is None or self._read_at(connection) > now_ms() - self._max_age * 1000
        known = {subject: bool(early or active) for subject, early, active in rows}
        if self._source is None:
            return {subject: True for subject, flag in known.items() if flag}
        if not fresh:
            return {subject: known.get(subject, False) for subject in asked}
        return {subject: flag for subject in asked if (flag := known.get(subject, False)) or subject not in known}

    def _read_at(self, connection: sa.Connection) -> int:
        system, source = self._source or ("", "")
        found = connection.execute(
            sa.select(source_position.c.read_at).where(
                source_position.c.system == system, source_position.c.source == source
            )
        ).scalar()
        return int(found or 0)

"""Who is protected, asked just before every sink call (支援措置); stale or unknown counts as not known.

Intake marks a resident as soon as it hears of a protection, by the report; dispatch takes the mark away when it has
that report in order, and keeps what all reports say together. Either protects. With a protection list configured, a
stale list or a resident it has never named holds.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.ledger.log import select_in
from hub.ledger.tables import protection, protection_early, source_position


def protect_early(ledger: Ledger, marks: Iterable[tuple[str, str]]) -> None:
    """Protect residents from now on, by `(subject, <source>/<id> of the report)`, until dispatch has the report."""
    rows = [{"subject": subject, "report": report} for subject, report in marks]
    if rows:
        with ledger.write() as connection:
            connection.execute(
                sa.text(
                    "INSERT INTO protection_early(subject, report) VALUES (:subject, :report) "
                    "ON CONFLICT (subject, report) DO NOTHING"
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
        with self._ledger.read() as connection:
            if self._source is None and not _anybody(connection):
                return {}
            asked = list(set(subjects))
            query = "SELECT subject, active FROM protection WHERE subject"
            rows = select_in(connection, self._ledger.sqlite, query, asked)
            marked = select_in(connection, self._ledger.sqlite, _EARLY, asked)
            fresh = self._source is None or self._read_at(connection) > now_ms() - self._max_age * 1000
        known: dict[str, bool] = {}
        for subject, active in [*rows, *((subject, 1) for (subject,) in marked)]:
            known[subject] = known.get(subject, False) or bool(active)
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


_EARLY = "SELECT subject FROM protection_early WHERE subject"


def _anybody(connection: sa.Connection) -> bool:
    return any(connection.execute(sa.select(t.c.subject).limit(1)).first() for t in (protection, protection_early))

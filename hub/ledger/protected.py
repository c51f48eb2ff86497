"""Who is protected, asked just before every sink call (支援措置).

Intake marks a resident as soon as it hears of a protection, by the report; dispatch takes the mark away when it has
that report in order, and keeps what all reports say together. Either protects. With a protection list configured, a
resident it has never named is not known and held; a list that is stale shuts the receivers (`hub.stages.shutters`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from hub.ledger import sources
from hub.ledger.engine import Ledger
from hub.ledger.log import select_in
from hub.ledger.tables import meta


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


def declared_by(ledger: Ledger, subjects: Iterable[str]) -> dict[str, set[str]]:
    """Return whom the reports of these residents protect or once protected, by resident; nobody for the others."""
    with ledger.read() as connection:
        query = "SELECT declarer, subject FROM protection WHERE declarer"
        rows = select_in(connection, ledger.sqlite, query, list(set(subjects)))
    found: dict[str, set[str]] = {}
    for declarer, subject in rows:
        found.setdefault(declarer, set()).add(subject)
    return found


def declarers_of(ledger: Ledger, subject: str) -> set[str]:
    """Return whose reports protect or once protected a resident."""
    query = sa.text("SELECT declarer FROM protection WHERE subject = :subject")
    with ledger.read() as connection:
        return set(connection.execute(query, {"subject": subject}).scalars())


class Register:
    """The protection of residents as receivers ask it; `listed`: a list is expected to name every resident."""

    def __init__(self, ledger: Ledger, *, listed: bool = False) -> None:
        self._ledger = ledger
        self._listed = listed
        self._few = not listed  # so few are protected that it is quicker to ask for them all

    def __call__(self, subjects: Iterable[str]) -> dict[str, bool]:
        """Return who of them is protected (True) or not known (False); everybody else is absent."""
        asked = set(subjects)
        found = self.around(asked)
        return {subject: found[subject] for subject in asked & found.keys()}

    def around(self, subjects: Iterable[str]) -> dict[str, bool]:
        """Return who of them is protected (True) or not known (False), and perhaps others who are protected.

        Where few are, all of them, and nobody goes through `subjects`.
        """
        with self._ledger.read() as connection:
            if self._few:
                everybody = _everybody(connection)
                if len(everybody) <= FEW:
                    return everybody
                self._few = False
            asked = list(set(subjects))
            # in this order: dispatch, in one transaction, says who is protected and takes the early mark away
            marked = select_in(connection, self._ledger.sqlite, _EARLY, asked)
            query = "SELECT subject, active FROM protection WHERE subject"
            rows = select_in(connection, self._ledger.sqlite, query, asked)
        known: dict[str, bool] = {}
        for subject, active in [*rows, *((subject, 1) for (subject,) in marked)]:
            known[subject] = known.get(subject, False) or bool(active)
        found = {subject: True for subject, flag in known.items() if flag}
        return found | {subject: False for subject in asked if subject not in known} if self._listed else found


@dataclass(frozen=True, slots=True)
class ProtectionList:
    """The source, `system.source`, of the list of protected residents, and how old it may be, in seconds."""

    ledger: Ledger
    source: str
    max_age: float

    def read_at(self) -> int:
        """Return when it was last read, in milliseconds; 0: never."""
        system, _, source = self.source.partition(".")
        return sources.load(self.ledger, system, source).read_at

    def is_stale(self, read_at: int, now: int) -> bool:
        """Say whether a list read then is too old now (milliseconds)."""
        return read_at + self.max_age * 1000 < now


class Discretion:
    """Whose location is not shown: who is protected and, where a list is expected, whom it does not name.

    While the list is too old that is everybody: what is shown to people counts like what is sent.
    """

    def __init__(self, ledger: Ledger, listed: ProtectionList | None = None) -> None:
        self._ledger = ledger
        self._listed = listed
        self._register = Register(ledger, listed=listed is not None)

    def __call__(self, subjects: Iterable[str]) -> dict[str, bool]:
        """Return who is protected (True), or may be (False); everybody else is absent."""
        asked = set(subjects)
        found = self._register(asked)
        if self._listed is None:
            return found
        with self._ledger.read() as connection:
            now = self._ledger.now(connection)
        return dict.fromkeys(asked, False) | found if self._listed.is_stale(self._listed.read_at(), now) else found


# --- whom the last list named ---------------------------------------------------------------------------------------


def last_list(ledger: Ledger, source: str) -> set[str]:
    """Return whom the last list of a source, `system.source`, named that was believed; nobody before the first."""
    with ledger.read() as connection:
        value = connection.execute(sa.select(meta.c.value).where(meta.c.key == _LIST + source)).scalar()
    return set() if value is None else set(orjson.loads(value))


def believe(connection: sa.Connection, source: str, named: Iterable[str]) -> None:
    """Remember in the caller's transaction whom a list that is believed names: the next one is held to it."""
    connection.execute(
        sa.text(
            "INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ),
        {"key": _LIST + source, "value": orjson.dumps(sorted(named)).decode()},
    )


_LIST = "protection-list:"


_EARLY = "SELECT subject FROM protection_early WHERE subject"


FEW = 500  # protected residents: a small city's
_EVERYBODY = (
    f"SELECT subject FROM protection WHERE active <> 0 UNION SELECT subject FROM protection_early LIMIT {FEW + 1}"
)


def _everybody(connection: sa.Connection) -> dict[str, bool]:
    """Return who is protected, of many not all: asked before every call, so of the driver itself."""
    raw: Any = connection.connection.driver_connection
    return {subject: True for (subject,) in raw.execute(_EVERYBODY)}

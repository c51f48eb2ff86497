"""What rows bring besides events: the system's own numbers of residents, bytes no text gives back, and doubts."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from hub.errors import Malformed
from hub.ledger import kept_bytes, numbers, quarantine, reviews
from hub.ledger.engine import Ledger
from hub.settings.models import City
from hub.stages.records import Origin, Prepared, wording


def record(connection: Connection, origin: Origin, prepared: Prepared, at: int) -> None:
    """Keep it in the caller's transaction: doubts for a person, and a number that is another's in quarantine."""
    reviews.put(connection, prepared.drafts, at, anew=False)
    if prepared.kept:
        kept_bytes.keep(connection, origin.system, origin.source, prepared.kept, at)
    if not prepared.learned:
        return
    pairs = [(number, subject) for number, subject, _ in prepared.learned]
    owners = dict(numbers.learn(connection, origin.system, pairs, at))
    wrong = [row for number, subject, row in prepared.learned if owners.get(number, subject) != subject]
    quarantine.record(connection, [origin.entry(row, _taken(origin.system)) for row in wrong], at)


def learn_tables(ledger: Ledger, city: City) -> None:
    """Learn the numbers that tables of the city say (`ids: {table: tables/NAME.csv}`)."""
    for system in city.systems.values():
        rows = city.tables.get(system.ids.table, ()) if system.ids is not None and system.ids.table else ()
        if not rows:
            continue
        with ledger.write() as connection:
            at = ledger.now(connection)
            owners = dict(numbers.learn(connection, system.system, [(row.value, row.code) for row in rows], at))
            entries = [
                quarantine.Entry(
                    "intake", system.system, "", row.place, "local-id-taken", wording(_taken(system.system)),
                    f"{row.code},{row.value}".encode(),
                )
                for row in rows
                if owners.get(row.value, row.code) != row.code
            ]  # fmt: skip
            quarantine.record(connection, entries, at)


def _taken(system: str) -> Malformed:
    mend = "see which of the two is right; the hub goes on with the first"
    return Malformed(f"{system} has this number for another resident already", mend=mend, code="local-id-taken")

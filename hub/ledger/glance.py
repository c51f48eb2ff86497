"""Questions to the ledger in plain SQL: how many of what wait, and how far everything is.

They go through whatever can ask: a connection of the `Ledger`, or the database's driver alone. A person or a monitor
asks for the state of all again and again, and SQLAlchemy takes longer to load than the answer to be found.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hub.ledger.faults import unavailable
from hub.ledger.revision import OLDEST, fits
from hub.ledger.status import DEAD, DEATHS

Ask = Callable[[str], Sequence[Sequence[Any]]]

LOCKED = 30.0  # seconds a locked database is waited for

POSITIONS = "SELECT stream, next_offset FROM position"
TOPIC = "SELECT no, topic FROM generation ORDER BY no DESC LIMIT 1"
EVENTS = "SELECT count(*) FROM event"
RECEIVERS = "SELECT no, key, cursor, state FROM receiver ORDER BY key"
WAITING = "SELECT receiver, status, count(*), min(since) FROM pending GROUP BY receiver, status"
_LETTERS = f"SELECT DISTINCT receiver, pos, job FROM attempt WHERE kind IN ({', '.join(map(repr, DEATHS))})"
OPEN_DEAD = (  # dead letters that nobody has sent again or dropped, by receiver and status
    f"SELECT o.receiver, o.status, count(*), min(o.at) FROM ({_LETTERS}) AS letter"
    " JOIN outcome AS o ON o.receiver = letter.receiver AND o.pos = letter.pos AND o.job = letter.job"
    " LEFT JOIN pending AS p ON p.receiver = o.receiver AND p.pos = o.pos AND p.job = o.job"
    f" WHERE o.status IN ({', '.join(map(str, DEAD))}) AND p.pos IS NULL GROUP BY o.receiver, o.status"
)
WORK = "SELECT receiver, count(*), min(since) FROM work WHERE ended_at IS NULL GROUP BY receiver"  # of robots
HELD = "SELECT system, source, id FROM batch WHERE status = 'held' ORDER BY no DESC"  # the oldest of a source last
SOURCES = "SELECT system, source, read_at, state FROM source_position ORDER BY system, source"
QUARANTINED = "SELECT count(*) FROM quarantine WHERE status = 'open'"
AWAITING = "SELECT no, kind, at FROM job WHERE status = 'approval' ORDER BY no"  # a second person
DELIVERING = "SELECT DISTINCT owner, until, CURRENT_TIMESTAMP FROM receiver WHERE owner <> ''"  # until, in ms
REVISION = f"SELECT version_num, (SELECT value FROM meta WHERE key = '{OLDEST}') FROM alembic_version"


def _file(url: str) -> Path:
    return Path(url.partition(":///")[2].partition("?")[0])


def absent(url: str) -> bool:
    """Tell whether a ledger is a file that is not there yet: opening it would make it."""
    return url.startswith("sqlite") and not _file(url).is_file()


@contextlib.contextmanager
def asking(url: str) -> Iterator[Ask | None]:
    """Give a way to ask the ledger through its driver; None when it has no tables this program works with.

    Raises LedgerUnavailable.
    """
    if absent(url):
        yield None
        return
    if url.startswith("sqlite"):
        faults: type[Exception] = sqlite3.Error
    else:
        import psycopg  # noqa: PLC0415 - a city on SQLite does without it

        faults = psycopg.Error
    try:
        with contextlib.closing(_connection(url)) as connection:
            yield _asks(connection, faults)
    except faults as error:
        raise unavailable(error) from error


def _connection(url: str) -> Any:
    if url.startswith("sqlite"):
        return sqlite3.connect(f"file:{quote(str(_file(url)))}?mode=rw", uri=True, timeout=LOCKED, isolation_level=None)
    import psycopg  # noqa: PLC0415

    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=5)


def _asks(connection: Any, faults: type[Exception]) -> Ask | None:
    def ask(question: str) -> Sequence[Sequence[Any]]:
        found: Sequence[Sequence[Any]] = connection.execute(question).fetchall()
        return found

    try:
        return ask if any(fits(*found) for found in ask(REVISION)) else None
    except faults as error:
        if _no_table(error):
            return None
        raise


def _no_table(error: Exception) -> bool:
    return "no such table" in str(error) or getattr(error, "sqlstate", None) == "42P01"

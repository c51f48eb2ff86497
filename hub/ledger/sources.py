"""How far each source has been read, what came of it, and its last fault."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, replace
from operator import add, sub
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.errors import HubError
from hub.ledger.engine import Ledger, storable
from hub.ledger.tables import source_position


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of rows: each row is an event, ignored, or quarantined (several events, if several publications)."""

    rows: int = 0
    events: int = 0
    ignored: int = 0
    quarantined: int = 0
    waiting: int = 0  # for a person to say who they are about
    unsure: int = 0  # for a person to look at the original

    def __add__(self, other: Tally) -> Tally:
        """Return the sums."""
        return Tally(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Tally) -> Tally:
        """Return the differences."""
        return Tally(*map(sub, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source as the ledger knows it: `position` is the adapter's (None: never read), times are in milliseconds.

    `fault` is `{"code", "message", "place", "mend", "since"}` while the last reading failed; `tally` is over all time.
    `unread` is `{"count", "names", "since"}` of the files beside its own that no source of the city reads.
    """

    system: str
    source: str
    position: dict[str, Any] | None = None
    read_at: int = 0
    fault: dict[str, Any] | None = None
    tally: Tally = Tally()
    rewound: dict[str, Any] | None = None  # the last time a person set it back: at, by, reason
    unread: dict[str, Any] | None = None


def load(ledger: Ledger, system: str, source: str) -> SourceState:
    """Return the state of a source; of one never read, an empty state."""
    with ledger.read() as connection:
        return _state(connection, system, source)


def listing(ledger: Ledger) -> list[SourceState]:
    """Return every source the ledger knows, by system and name."""
    query = sa.select(source_position).order_by(source_position.c.system, source_position.c.source)
    with ledger.read() as connection:
        return [_read(row) for row in connection.execute(query).mappings()]


def save(ledger: Ledger, system: str, source: str, position: dict[str, Any] | None, *, by: str, reason: str) -> None:
    """Set the position alone: a rewind (None: from the start). What was counted stays."""
    with ledger.write() as connection:
        rewound = {"at": ledger.now(connection), "by": storable(by), "reason": storable(reason)}
        _store(connection, replace(_held(connection, system, source), position=position, rewound=rewound))


def advance(
    connection: Connection, system: str, source: str, *, position: dict[str, Any], tally: Tally, at: int
) -> None:
    """Record in the caller's transaction that everything up to the position is durable; a fault is over with it."""
    state = _held(connection, system, source)
    _store(connection, replace(state, position=position, read_at=at, fault=None, tally=state.tally + tally))


def refresh(connection: Connection, system: str, source: str, at: int) -> None:
    """Note in the caller's transaction that a source was read (milliseconds) and nothing of it is new."""
    state = _held(connection, system, source)
    _store(connection, replace(state, read_at=at))


def set_fault(ledger: Ledger, system: str, source: str, error: HubError | None) -> None:
    """Record why a source cannot be read, with the time it began, or that it can be again (None)."""
    with ledger.write() as connection:
        state = _held(connection, system, source)
        fault = None
        if error is not None:
            since = state.fault["since"] if state.fault else ledger.now(connection)
            fault = {
                "code": error.code,
                "message": error.message,
                "place": error.place,
                "mend": error.mend,
                "since": since,
            }
        if fault != state.fault:
            _store(connection, replace(state, fault=fault))


def set_unread(ledger: Ledger, system: str, source: str, unread: dict[str, Any] | None) -> None:
    """Record the files that lie beside a source's own and that no source reads, or that there are none (None)."""
    with ledger.write() as connection:
        _begin(connection, system, source)  # a row that is there can be held, so that nothing of a reading is lost
        _store(connection, replace(_held(connection, system, source), unread=unread))


def _held(connection: Connection, system: str, source: str) -> SourceState:
    """Return the state of a source that is to be stored anew: until then nobody else changes it."""
    return _state(connection, system, source, held=True)


def _state(connection: Connection, system: str, source: str, *, held: bool = False) -> SourceState:
    query = sa.select(source_position).where(source_position.c.system == system, source_position.c.source == source)
    query = query.with_for_update() if held else query
    row = connection.execute(query).mappings().first()
    return SourceState(system, source) if row is None else _read(row)


def _read(row: Any) -> SourceState:
    state = orjson.loads(row["state"])
    return SourceState(
        row["system"],
        row["source"],
        orjson.loads(row["position"]),
        row["read_at"],
        state.get("fault"),
        Tally(**{name: count for name, count in state.get("tally", {}).items() if name in Tally.__slots__}),
        state.get("rewound"),
        state.get("unread"),
    )


def _begin(connection: Connection, system: str, source: str) -> None:
    """Make the row of a source of which nothing was kept yet."""
    row = {"system": system, "source": source, "position": "null", "read_at": 0, "state": "{}"}
    connection.execute(_insert(connection).values(**row).on_conflict_do_nothing())


def _insert(connection: Connection) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(source_position)


def _store(connection: Connection, state: SourceState) -> None:
    tally = {name: count for name, count in asdict(state.tally).items() if count}  # an older hub knows fewer names
    statement = _insert(connection).values(
        system=state.system,
        source=state.source,
        position=orjson.dumps(state.position).decode(),
        read_at=state.read_at,
        state=orjson.dumps(
            {"fault": state.fault, "tally": tally, "rewound": state.rewound, "unread": state.unread}
        ).decode(),
    )
    excluded = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[source_position.c.system, source_position.c.source],
            set_={"position": excluded.position, "read_at": excluded.read_at, "state": excluded.state},
        )
    )

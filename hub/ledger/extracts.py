"""What is known of the rows of full extracts: keyed hashes of keys and contents, never the rows themselves.

A row changes by compare and set on its `revision`, so that of two processes that judge the same extract one writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from hub.ledger.engine import Ledger
from hub.ledger.tables import extract, known_row

DIFFERENCE = 1  # flag: a difference of the source that shares the state said so last
DEPARTED = 2  # flag: a difference said that the resident is gone; the row may be missing from extracts
GONE = 4  # flag: that the row is missing was told; it is new when it comes again
FRESH = 8  # flag: people were shown the row as new, and it is not known yet
MISSING = b"missing"  # in `shown`: people were shown that the row is missing
PAGE = 5000  # rows read at once
_CHUNK = 500  # rows of one lookup, or of one statement


@dataclass(frozen=True, slots=True)
class State:
    """The last full extract that was taken: its `id`, `as_of`, `rows`, when (milliseconds), and what came of it.

    `secret` is the fingerprint of the key the hashes were made with, `shapes` are the lists of columns that marks name
    by their number, `ended` says whether its last line was complete, `named` is the moment in its file's name.
    """

    secret: str = ""
    shapes: tuple[tuple[str, ...], ...] = ()
    id: str = ""
    label: str = ""
    as_of: str = ""
    named: str = ""
    taken_at: int = 0
    rows: int = 0
    ended: bool = True
    counts: Mapping[str, int] = field(default_factory=dict)


class Known(NamedTuple):
    """What is known of one row, as in the table `known_row`; `plain` is JSON as bytes."""

    key: bytes
    mark: bytes
    plain: bytes
    as_of: str
    sequence: int | None = None
    revision: int = 1
    flags: int = 0
    shown: bytes | None = None


def open_extract(ledger: Ledger, system: str, source: str) -> tuple[int, State]:
    """Return the number and state of a source's extracts, entered where missing."""
    found = find(ledger, system, source)
    if found is not None:
        return found
    with ledger.write() as connection:
        insert: Any = (sqlite if ledger.sqlite else postgresql).insert(extract)
        values = insert.values(system=system, source=source, state=_dumped(State()))
        connection.execute(values.on_conflict_do_nothing(index_elements=["system", "source"]))
    made = find(ledger, system, source)
    if made is None:
        raise RuntimeError("a row that was just written is not there")
    return made


def find(ledger: Ledger, system: str, source: str) -> tuple[int, State] | None:
    """Return the number and state of a source's extracts, None when it never had one."""
    query = sa.select(extract.c.no, extract.c.state).where(extract.c.system == system, extract.c.source == source)
    with ledger.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    state = orjson.loads(row.state)
    return int(row.no), State(**{**state, "shapes": tuple(map(tuple, state["shapes"]))})


def keep(connection: Connection, number: int, state: State) -> None:
    """Store the state in the caller's transaction."""
    connection.execute(sa.update(extract).where(extract.c.no == number).values(state=_dumped(state)))


def shape_of(ledger: Ledger, number: int, state: State, columns: tuple[str, ...], secret: str) -> tuple[int, State]:
    """Return the number of the shape with these columns and the state that has it; a new shape is stored."""
    if columns in state.shapes and state.secret:
        return state.shapes.index(columns), state
    shapes = state.shapes if columns in state.shapes else (*state.shapes, columns)
    made = replace(state, shapes=shapes, secret=state.secret or secret)
    with ledger.write() as connection:
        keep(connection, number, made)
    return shapes.index(columns), made


def lookup(connection: Connection, number: int, keys: Sequence[bytes]) -> dict[bytes, Known]:
    """Return what is known of these keys."""
    found: dict[bytes, Known] = {}
    for start in range(0, len(keys), _CHUNK):
        query = _SELECT.where(known_row.c.extract == number, known_row.c.key.in_(keys[start : start + _CHUNK]))
        found.update((known.key, known) for known in map(_known, connection.execute(query)))
    return found


def pages(ledger: Ledger, number: int) -> Iterator[list[bytes]]:
    """Yield the key of every known row, sorted, a page and a short transaction at a time."""
    after = b""
    while True:
        query = sa.select(known_row.c.key).where(known_row.c.extract == number, known_row.c.key > after)
        with ledger.read() as connection:
            page = [bytes(key) for key in connection.execute(query.order_by(known_row.c.key).limit(PAGE)).scalars()]
        if page:
            yield page
            after = page[-1]
        if len(page) < PAGE:
            return


def count(ledger: Ledger, number: int) -> int:
    """Return how many rows are known and not told as missing."""
    query = sa.select(sa.func.count()).where(
        known_row.c.extract == number, known_row.c.flags.op("&")(GONE | DEPARTED | FRESH) == 0
    )
    with ledger.read() as connection:
        return int(connection.execute(query).scalar_one())


def write(connection: Connection, number: int, rows: Sequence[tuple[Known, int]]) -> set[bytes]:
    """Store rows in the caller's transaction, each with the revision it was judged by (0: not known before).

    Returns the keys that were stored; of the others somebody else has written meanwhile.
    """
    made = [known for known, before in rows if not before]
    stored: set[bytes] = set()
    if made:
        insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(known_row)
        statement = insert.on_conflict_do_nothing().returning(known_row.c.key)
        values = [{"extract": number, **known._asdict()} for known in made]
        stored.update(bytes(key) for key in connection.execute(statement, values).scalars())
    for known, before in rows:
        if before and connection.execute(_UPDATE, _changed(number, known, before)).rowcount:
            stored.add(known.key)
    return stored


def forget(connection: Connection, number: int, keys: Sequence[bytes]) -> None:
    """Forget rows in the caller's transaction."""
    for start in range(0, len(keys), _CHUNK):
        chosen = known_row.c.key.in_(keys[start : start + _CHUNK])
        connection.execute(sa.delete(known_row).where(known_row.c.extract == number, chosen))


def forget_all(ledger: Ledger, number: int) -> None:
    """Forget every row and how marks were made: the key of the hashes is another one."""
    with ledger.write() as connection:
        connection.execute(sa.delete(known_row).where(known_row.c.extract == number))
        keep(connection, number, State())


_SELECT = sa.select(*(column for column in known_row.c if column.name != "extract"))
_UPDATE = (
    sa.update(known_row)
    .where(
        known_row.c.extract == sa.bindparam("b_no"),
        known_row.c.key == sa.bindparam("b_key"),
        known_row.c.revision == sa.bindparam("b_revision"),
    )
    .values(
        {
            name: sa.bindparam(f"v_{name}")
            for name in ("mark", "plain", "as_of", "sequence", "revision", "flags", "shown")
        }
    )
)


def _changed(number: int, known: Known, before: int) -> dict[str, Any]:
    values = {f"v_{name}": value for name, value in known._asdict().items() if name != "key"}
    return {"b_no": number, "b_key": known.key, "b_revision": before, **values}


def _known(row: Any) -> Known:
    shown = None if row.shown is None else bytes(row.shown)
    return Known(
        bytes(row.key), bytes(row.mark), bytes(row.plain), row.as_of, row.sequence, row.revision, row.flags, shown
    )


def _dumped(state: State) -> str:
    return orjson.dumps(asdict(state)).decode()

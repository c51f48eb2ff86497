"""What a batch brought straight from the log, as one row: planned, sent, delivered, and nothing more to say.

Nearly all deliveries are of that kind. A row of `delivered` stands for those of one receiver, one batch and one stream;
they have none in `outcome` (the index of a row each would be most of what a delivery costs a database). Rows of a
receiver do not overlap. What is said of one of them later is said of a row of its own, for which its row is unfolded
first. The view `ending` shows every delivery that has ended in a row: right for a look at all, slow for a few of many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ledger.bulk import array, arrays
from hub.ledger.places import OFFSET_BITS
from hub.ledger.tables import FOLDED, delivered

SINCE = "0006"  # the oldest program that knows of such rows: while an older one may be at work there are none

_COLUMNS = "receiver, pos, job, status, at, no, batch"
_HOLDING = {
    "sqlite": (
        "SELECT r.value, p.value, d.last FROM json_each(?) AS r CROSS JOIN json_each(?) AS p "
        "JOIN delivered AS d ON d.receiver = r.value AND d.last = "
        "(SELECT min(last) FROM delivered WHERE receiver = r.value AND last >= p.value) WHERE d.first <= p.value"
    ),
    "postgresql": (
        "SELECT r.value, p.value, d.last "
        "FROM unnest(%t::int[]) AS r(value) CROSS JOIN unnest(%t::bigint[]) AS p(value) "
        "CROSS JOIN LATERAL (SELECT first, last FROM delivered WHERE receiver = r.value AND last >= p.value "
        "ORDER BY last LIMIT 1) AS d WHERE d.first <= p.value"
    ),
}
_ROWS = {
    "sqlite": (
        "SELECT d.receiver, d.last, d.first, d.no, d.at, d.batch, d.members FROM json_each(?) AS k "
        "CROSS JOIN delivered AS d ON d.receiver = k.value ->> 0 AND d.last = k.value ->> 1"
    ),
    "postgresql": (
        "SELECT d.receiver, d.last, d.first, d.no, d.at, d.batch, d.members "
        "FROM unnest(%t::int[], %t::bigint[]) AS k(receiver, last) JOIN delivered AS d USING (receiver, last)"
    ),
}


class Stretch(NamedTuple):
    """Deliveries in order, of events of one stream: `offsets` are their distances from the `first` position.

    Their numbers follow one another from `no` on.
    """

    first: int
    no: int
    offsets: list[int]

    @property
    def last(self) -> int:
        """Return the last position."""
        return self.first + self.offsets[-1]


class At(NamedTuple):
    """How a delivery stands in its row: its number, when it was delivered (milliseconds), and in which batch."""

    no: int
    at: int
    batch: int


def stretches(positions: Sequence[int], number: int) -> list[Stretch]:
    """Cut positions, in order, where the stream changes; `number` is that of the first."""
    found, start = [], 0
    while start < len(positions):
        first = positions[start]
        stop = bisect_left(positions, (first >> OFFSET_BITS) + 1 << OFFSET_BITS, start)
        found.append(Stretch(first, number + start, [pos - first for pos in positions[start:stop]]))
        start = stop
    return found


def holding(
    connection: Connection, receivers: Collection[int], positions: Collection[int]
) -> dict[tuple[int, int], At]:
    """Return `(receiver, pos)` of those deliveries of these events, at these receivers, that stand in such rows."""
    wanted: dict[tuple[int, int], list[int]] = {}
    raw: Any = connection.connection.driver_connection
    for receiver, pos, last in _covering(raw, connection.dialect.name, receivers, positions):
        wanted.setdefault((receiver, last), []).append(pos)
    found: dict[tuple[int, int], At] = {}
    for receiver, last, first, no, at, batch, members in _rows(raw, connection.dialect.name, list(wanted)):
        places = {offset: place for place, offset in enumerate(orjson.loads(members))}
        for pos in wanted[receiver, last]:
            place = places.get(pos - first)
            if place is not None:
                found[receiver, pos] = At(no + place, at, batch)
    return found


def _covering(
    raw: Any, kind: str, receivers: Collection[int], positions: Collection[int]
) -> Sequence[tuple[int, int, int]]:
    """Return `(receiver, pos, last)` of the rows between whose ends the positions lie."""
    if not receivers or not positions:
        return []
    given = (receivers, positions)
    values = [orjson.dumps(list(each)).decode() for each in given] if kind == "sqlite" else [*map(array, given)]
    found: Sequence[tuple[int, int, int]] = raw.execute(_HOLDING[kind], values).fetchall()
    return found


def _rows(raw: Any, kind: str, keys: Sequence[tuple[int, int]]) -> Iterable[Any]:
    if not keys:
        return []
    values = [orjson.dumps(keys).decode()] if kind == "sqlite" else arrays(keys)
    rows: Iterable[Any] = raw.execute(_ROWS[kind], values).fetchall()
    return rows


def since(connection: Connection, receiver: int, at: int, *, after: int, limit: int | None) -> list[int]:
    """Return the positions of what a receiver took since a moment (milliseconds), behind a position, in order.

    At least `limit` of them, if there are so many, and then none is left out before the last.
    """
    mine = (delivered.c.receiver == receiver, delivered.c.at >= at, delivered.c.last > after)
    query = sa.select(delivered.c.first, delivered.c.members).where(*mine).order_by(delivered.c.last)
    found: list[int] = []
    with connection.execute(query.limit(limit)) as rows:
        for first, members in rows:
            found += [first + offset for offset in orjson.loads(members) if first + offset > after]
            if limit is not None and len(found) >= limit:
                break
    return found


def unfold(raw: Any, receiver: int, positions: Sequence[int], *, sqlite: bool) -> None:
    """Give a row of its own in `outcome` to every delivery that stands in one row with one of these events'.

    `raw` is the driver's connection, in the transaction of the receiver's owner.
    """
    kind = "sqlite" if sqlite else "postgresql"
    lasts = sorted({last for _, _, last in _covering(raw, kind, [receiver], positions)})
    mark = "?" if sqlite else "%b"
    for last in lasts:
        mine = f"(SELECT * FROM delivered WHERE receiver = {mark} AND last = {mark})"
        raw.execute(f"INSERT INTO outcome({_COLUMNS}) {FOLDED[kind].format(mine)}", (receiver, last))
        raw.execute(f"DELETE FROM delivered WHERE receiver = {mark} AND last = {mark}", (receiver, last))

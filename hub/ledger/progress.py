"""How far delivery is, asked of the ledger: what `hub drain` waits for and `hub status` shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.ledger import commands
from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.ledger.places import OFFSET_BITS
from hub.ledger.status import DEATHS, PERSONAL, SCHEDULED, UNANSWERED, delivery_code, delivery_words
from hub.ledger.tables import attempt, local_id, pending, position, receiver

_ID_UNKNOWN = delivery_code("held", "id-unknown")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not finished: `next_due` is in milliseconds, `behind` are receivers not at the log's end."""

    positions: dict[int, int]  # stream → next offset
    behind: tuple[str, ...]
    cursors: int  # a number that grows as receivers read on
    waiting: dict[str, int]  # status of pending deliveries → how many
    next_due: int | None
    shut: frozenset[str]  # of those behind: paused, in maintenance, outside their window, and asked nothing they can do
    follows: bool  # something waits only for an earlier one of its lane, or for its receiver
    person: bool  # something waits for a person, or to be fetched

    @property
    def clear(self) -> bool:
        """Tell whether nothing is left but what is scheduled."""
        return not self.behind and not any(status != "scheduled" for status in self.waiting)


def backlog(ledger: Ledger, keys: Sequence[str], is_shut: Callable[[str], object] = lambda _: None) -> Backlog:
    """Return what these receivers have not finished; `is_shut(key)` answers whether one takes nothing now."""
    asked = commands.asked(ledger)
    with ledger.read() as connection:
        positions: dict[int, int] = {
            row.stream: row.next_offset
            for row in connection.execute(sa.select(position.c.stream, position.c.next_offset))
        }
        rows = connection.execute(
            sa.select(receiver.c.no, receiver.c.key, receiver.c.cursor, receiver.c.intent_batch).where(
                receiver.c.key.in_(list(keys))
            )
        ).all()
        counts = connection.execute(
            sa.select(pending.c.status, sa.func.count(), sa.func.min(pending.c.due))
            .where(pending.c.receiver.in_([row.no for row in rows]))
            .group_by(pending.c.status)
        ).all()
        lacking = any(status == _ID_UNKNOWN for status, _, _ in counts)
        learned = lacking and _learned(connection, [row.no for row in rows])
    ends = {stream: (stream << OFFSET_BITS) + offset - 1 for stream, offset in positions.items() if offset}
    behind, shut, total = [], set(), 0
    for row in rows:
        cursor = {int(stream): pos for stream, pos in orjson.loads(row.cursor).items()}
        total += sum(cursor.values())
        unread = any(cursor.get(stream, -1) < end for stream, end in ends.items())
        if unread or row.intent_batch is not None or row.no in asked:
            behind.append(row.key)
            if is_shut(row.key) and (row.no not in asked or row.intent_batch is not None):
                shut.add(row.key)
    waiting: dict[str, int] = {}
    for status, count, _ in counts:
        word = delivery_words(status)[0]
        if status in UNANSWERED:  # done, as far as it is the hub's to do
            continue
        waiting[word] = waiting.get(word, 0) + count
    commanded = sum(asked.get(row.no, 0) for row in rows)
    if commanded:
        waiting["planned"] = waiting.get("planned", 0) + commanded
    dues = [due for status, _, due in counts if due is not None and status != SCHEDULED]
    if learned:
        dues.append(now_ms())
    follows = any(delivery_words(status)[1] in {"earlier-waiting", "breaker"} for status, _, _ in counts)
    person = any(  # or for a system's answer or fetch, for which people wait as long
        delivery_words(status)[1] in PERSONAL
        or delivery_words(status)[0] in {"unknown", "sending"}
        or (status in UNANSWERED and due is None)
        for status, _, due in counts
    )
    next_due = min(dues, default=None)
    return Backlog(positions, tuple(behind), total, waiting, next_due, frozenset(shut), follows, person)


def _learned(connection: Connection, receivers: Sequence[int]) -> bool:
    """Say whether something waits for a number that is known by now: its receiver will find that out."""
    system = sa.func.substr(receiver.c.key, 1, sa.func.length(local_id.c.system) + 1)
    mine = sa.and_(local_id.c.subject == pending.c.subject, system == local_id.c.system + ".")
    query = (
        sa.select(pending.c.pos)
        .join(receiver, receiver.c.no == pending.c.receiver)
        .join(local_id, mine)
        .where(pending.c.status == _ID_UNKNOWN, pending.c.receiver.in_(receivers))
    )
    return connection.execute(query.limit(1)).first() is not None


def deaths(ledger: Ledger, since: int) -> int:
    """Return how many deliveries have died since a moment in milliseconds."""
    with ledger.read() as connection:
        query = sa.select(sa.func.count()).select_from(attempt).where(attempt.c.kind.in_(DEATHS), attempt.c.at >= since)
        return int(connection.execute(query).scalar_one())

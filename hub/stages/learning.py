"""Differences teach what is known of the rows of a full extract, so that the extract does not tell them again.

Only rows that became an event are learned from. After a cancellation or correction nobody knows what the register
holds: the next extract is learned from in silence. Who has died or moved out may be missing from extracts.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from hub.adapters.contract import Row
from hub.errors import Malformed
from hub.ledger import extracts, reviews
from hub.ledger.extracts import DEPARTED, DIFFERENCE, FRESH, Known
from hub.stages.comparing import Book, Comparer
from hub.stages.moments import older
from hub.stages.services import Comparing, Services

LEAVES = frozenset({"resident.died", "resident.moved-out"})
TAKES_BACK = frozenset({"event.cancelled", "event.corrected"})
_TRIES = 5


class Learner:
    """Learns from the differences of one source."""

    def __init__(self, system: str, comparing: Comparing, services: Services) -> None:
        self._comparer = Comparer(system, comparing, services)

    def open(self) -> Book:
        """Open the known rows; to be called outside a transaction."""
        return self._comparer.open()

    def learn(self, connection: Connection, book: Book, rows: Sequence[Row], types: Sequence[str], at: int) -> None:
        """Learn in the caller's transaction from rows and the types of the events they became, in order."""
        said = [each for row, type_ in zip(rows, types, strict=True) if (each := self._said(book, row, type_))]
        open_ = {key for key, *_ in said}
        for _ in range(_TRIES):
            before = extracts.lookup(connection, book.number, sorted(open_))
            now = dict(before)
            for key, row, type_, as_of, asked in said:
                if key in open_:
                    self._teach(book, now, key, row, type_, as_of if asked else self._comparer.now(), asked=asked)
            changed = [
                (known, before[key].revision if key in before else 0)
                for key, known in now.items()
                if known != before.get(key)
            ]
            written = extracts.write(connection, book.number, changed)
            shown = [key for key in written if key in before and before[key].shown is not None]
            reviews.close(connection, [self._comparer.standing(key) for key in shown], at)
            open_ = {known.key for known, _ in changed} - written
            if not open_:
                return

    def _said(self, book: Book, row: Row, type_: str) -> tuple[bytes, Row, str, str, bool] | None:
        try:
            key = self._comparer.key(row.values)
            as_of = self._comparer.as_of(row.values)
        except Malformed:
            return None  # a row without the columns of the extract's key has nothing to teach
        if key is None:
            return None
        return book.marks.key(key), row, type_, as_of or "", as_of is not None

    def _reused(self, book: Book, old: Known, row: Row) -> bool:
        """Say whether a row differs from what is known under the same history number."""
        now = book.marks.tags(book.marks.mark(old.key, row.values, old.mark))
        return any(now.get(name) != tag for name, tag in book.marks.tags(old.mark).items())

    def _teach(
        self, book: Book, now: dict[bytes, Known], key: bytes, row: Row, type_: str, as_of: str, *, asked: bool
    ) -> None:
        old = now.get(key)
        sequence = self._comparer.sequence(row.values)
        if old is not None and old.sequence is not None and sequence is not None and sequence < old.sequence:
            return  # late: what is known is newer
        if old is not None and sequence is not None and sequence == old.sequence and self._reused(book, old, row):
            return  # an old number with new content: dispatch quarantines it, so it is told by nobody yet
        if old is not None and asked and not old.flags & (DIFFERENCE | FRESH) and older(as_of, old.as_of):
            return  # the extract that was taken meanwhile has it
        mark = b"" if type_ in TAKES_BACK else book.marks.mark(key, row.values, old.mark if old else b"")
        plain = self._comparer.plain(row.values, old.plain if old else b"")
        flags = DIFFERENCE | (DEPARTED if type_ in LEAVES else 0)
        number = sequence if sequence is not None else old.sequence if old is not None else None
        same = old is not None and (old.mark, old.plain, old.flags, old.shown) == (mark, plain, flags, None)
        revision = old.revision + (not same) if old is not None else 1
        now[key] = Known(key, mark, plain, as_of, number, revision, flags, None)

"""What a receiver has in hand: the deliveries of one round, and what is sent of them.

By far the most come straight from the log and are sent as planned. No object stands for each of those until somebody
looks at one: events, items and bodies lie side by side.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, overload

from hub.adapters.contract import Deliveries, Delivery
from hub.ledger.delivered import Stretch, stretches
from hub.ledger.desk import Hold, Intent, Member
from hub.ledger.status import BREAKER
from hub.routing.protection import Cut
from hub.stages.entries import PIECES, Chunk, Entry, Item


class Work:
    """One delivery under way. `hold` is set when it comes from `pending`."""

    __slots__ = ("cut", "entry", "hold", "item", "job", "no", "subject")

    def __init__(
        self, entry: Entry, item: Item, job: int, no: int, hold: Hold | None = None, cut: bool = False
    ) -> None:
        self.entry = entry
        self.item = item
        self.job = job
        self.no = no
        self.hold = hold
        self.cut = cut  # the resident is protected: what locates the person is left out
        self.subject = entry.wire.subject

    @property
    def attempts(self) -> int:
        """Return how often it was tried before."""
        return self.hold.attempts if self.hold is not None else 0

    def waiting(self, now: int) -> Hold:
        """Return it as it waits, or as one that begins to wait and is due now."""
        if self.hold is not None:
            return replace(self.hold, no=self.no)
        return Hold(self.entry.pos, self.job, self.subject, BREAKER, "", now, now, 0, self.no)


class Round(Sequence[Work]):
    """Deliveries in order. `is_plain`: they come from the log, nothing waited.

    Looking at one makes them all, and from then on each may be changed: it is plain no more. By place, `apart` has the
    few of which another thing is sent than of all others: what is left out, where the resident is protected.
    """

    __slots__ = ("_first", "_parts", "_positions", "_works", "apart", "entries", "items", "pieces")

    def __init__(self, works: list[Work] | None = None) -> None:
        self.entries: list[Entry] = []
        self.items: list[Item] = []
        self.pieces: list[bytes] | None = None  # what is sent, if it is made: see `Chunk.make`
        self.apart: dict[int, Cut | None] = {}  # of a plain round
        # Of a plain round, stretch by stretch: where it ends, and all positions of the stretch by whom they are about.
        self._parts: list[tuple[int, Mapping[str, list[int]]]] = []
        self._positions: list[int] | None = None
        self._first = 0  # number of the first; 0 until they have numbers
        self._works = works

    @property
    def is_plain(self) -> bool:
        """Say whether no delivery has been looked at, nor come from anywhere but the log."""
        return self._works is None

    @classmethod
    def of(
        cls,
        entries: list[Entry],
        items: list[Item],
        pieces: list[bytes] | None,
        chunk: Chunk,
        odd: Iterable[int] = (),
    ) -> Round:
        """Return deliveries of a stretch of the log, to be sent as planned; `pieces` if what is sent is made.

        `odd` are the places of those to which there is more: they are made one by one. The lists become the round's.
        """
        if pieces is not None and len(pieces) != PIECES * len(entries):
            raise ValueError(f"{len(pieces)} pieces were made of {len(entries)} deliveries")
        made = cls()
        made.entries, made.items, made.pieces = entries, items, pieces
        made.apart = dict.fromkeys(odd)
        made._parts = [(len(entries), chunk.about)]
        return made

    def join(self, other: Round) -> None:
        """Add the deliveries of another round, which is not used any more; neither has numbers."""
        self._positions = None
        if self._works is not None or other._works is not None:
            self._whole.extend(other._whole)
        elif not self.entries:
            self.entries, self.items, self.pieces = other.entries, other.items, other.pieces
            self.apart, self._parts = other.apart, other._parts
        elif other.entries:
            before = len(self.entries)
            self.apart |= {before + place: cut for place, cut in other.apart.items()}
            self._parts += [(before + end, about) for end, about in other._parts]
            self.entries += other.entries
            self.items += other.items
            if self.pieces is None or other.pieces is None:
                self.pieces = None
            else:
                self.pieces += other.pieces

    def append(self, work: Work) -> None:
        """Add a delivery."""
        self._whole.append(work)

    def begin(self, number: int) -> int:
        """Let those of a plain round have numbers, unless they have; return how many were taken."""
        if self._first:
            return 0
        self._first = number
        return len(self.entries)

    @property
    def _whole(self) -> list[Work]:
        if self._works is None:
            self._works = list(map(_of_log, self.entries, self.items))
            if self._first:
                for number, work in enumerate(self._works, self._first):
                    work.no = number
            for place, cut in self.apart.items():
                self._works[place].cut = cut is not None
        return self._works

    def __len__(self) -> int:
        return len(self.entries if self._works is None else self._works)

    def __iter__(self) -> Iterator[Work]:
        return iter(self._whole)

    @overload
    def __getitem__(self, index: int) -> Work: ...
    @overload
    def __getitem__(self, index: slice) -> Round: ...
    def __getitem__(self, index: int | slice) -> Work | Round:
        """Return one, or those of a slice."""
        return Round(self._whole[index]) if isinstance(index, slice) else self._whole[index]

    @property
    def waited(self) -> Sequence[Work]:
        """Return those that may have waited before: none of a plain round."""
        return self._works or ()

    @property
    def subjects(self) -> Iterable[str]:
        """Return whom they are about; nothing is read before somebody looks."""
        return _Subjects(self.entries) if self._works is None else [work.subject for work in self._works]

    def about(self, residents: Mapping[str, Any]) -> list[int]:
        """Return the places of those that are about one of these residents, in order."""
        if not residents:
            return []
        if self._works is not None or len(self.entries) != (self._parts[-1][0] if self._parts else 0):
            return [place for place, subject in enumerate(self.subjects) if subject in residents]
        places: list[int] = []
        start = 0
        for end, about in self._parts:  # in each the positions ascend
            for subject in residents.keys() & about.keys():
                for pos in about[subject]:
                    first = bisect_left(self.positions, pos, start, end)
                    places += range(first, bisect_right(self.positions, pos, first, end))
            start = end
        return sorted(places)

    def work(self, place: int) -> Work:
        """Return one of them; of a plain round, one to look at, to which nothing is changed."""
        return _of_log(self.entries[place], self.items[place]) if self._works is None else self._works[place]

    def cut(self, place: int, cut: Cut) -> None:
        """Leave this out of what is sent of one."""
        if self._works is None:
            self.apart[place] = cut
        else:
            self._works[place].cut = True

    def is_cut(self, place: int) -> bool:
        """Say whether something is left out of what is sent of one."""
        return self.apart.get(place) is not None if self._works is None else self._works[place].cut

    def without(self, places: Collection[int]) -> Round:
        """Return it without those at some places, before they have numbers."""
        if not places:
            return self
        kept = [place for place in range(len(self)) if place not in places]
        if self._works is not None:
            return Round([self._works[place] for place in kept])
        left = Round()
        left.entries = [self.entries[place] for place in kept]
        left.items = [self.items[place] for place in kept]
        if self.pieces is not None:
            left.pieces = [piece for at in kept for piece in self.pieces[PIECES * at : PIECES * (at + 1)]]
        left.apart = {at: self.apart[place] for at, place in enumerate(kept) if place in self.apart}
        left._parts = [(bisect_left(kept, end), about) for end, about in self._parts]
        return left

    @property
    def positions(self) -> list[int]:
        """Return their events' positions."""
        if self._works is None:
            if self._positions is None:
                self._positions = [entry.pos for entry in self.entries]
            return self._positions
        return [work.entry.pos for work in self._works]

    @property
    def numbers(self) -> Sequence[int]:
        """Return their numbers, which they have in a batch."""
        if self._works is None:
            return range(self._first, self._first + len(self.entries))
        return [work.no for work in self._works]

    def intent(self, batch: int, token: dict[str, Any] | None, date: str) -> Intent:
        """Return what is recorded before they are handed over."""
        if self._works is not None:
            members = [(work.entry.pos, work.job, work.no, work.cut) for work in self._works]
            return Intent(batch, token, members, date)
        parts: list[Stretch | Member] = []
        start = 0
        for place in sorted(filter(self.is_cut, self.apart)):
            parts += stretches(self.positions[start:place], self._first + start)
            parts.append((self.positions[place], 0, self._first + place, True))
            start = place + 1
        parts += stretches(self.positions[start:], self._first + start)
        return Intent(batch, token, date=date, stretches=parts)


_subject = attrgetter("subject")


class _Subjects(Iterable[str]):
    __slots__ = ("_entries",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[str]:
        return map(_subject, self._entries)


class Made(Deliveries):
    """What a receiver is sent of a plain round that has its numbers."""

    __slots__ = ("_all", "_apart", "_entries", "_first", "_items", "_pieces")

    def __init__(self, works: Round) -> None:
        self._entries, self._items, self._pieces = works.entries, works.items, works.pieces
        self._apart = works.apart
        self._first = works.numbers[0] if len(works) else 0
        self._all: list[Delivery] | None = None

    @property
    def lines(self) -> bytes | None:
        """Return what is sent of each and a line break after it; None where a body holds line breaks itself."""
        own = {place: self._some(slice(place, place + 1))[0].body for place in self._apart}
        if self._pieces is not None and not any(b"\n" in body for body in own.values()):
            pieces = self._pieces.copy() if own else self._pieces
            for place, body in own.items():
                pieces[PIECES * place : PIECES * (place + 1)] = body, b"", b"\n"
            return b"".join(pieces)
        bodies = list(map(Entry.body, self._entries, self._items))
        for place, body in own.items():
            bodies[place] = body
        return None if any(b"\n" in body for body in bodies) else b"\n".join((*bodies, b""))

    @property
    def _whole(self) -> list[Delivery]:
        if self._all is None:
            self._all = self._some(slice(None))
        return self._all

    def _some(self, part: slice) -> list[Delivery]:
        entries, items, first = self._entries, self._items, self._first
        places = range(len(entries))[part]
        return [
            entries[at].delivery(items[at], first + at, cut=self._apart.get(at), body=self._body(at)) for at in places
        ]

    def _body(self, place: int) -> bytes | None:
        if self._pieces is None or place in self._apart:
            return None
        return b"".join(self._pieces[PIECES * place : PIECES * (place + 1)])[:-1]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._whole)

    @overload
    def __getitem__(self, index: int) -> Delivery: ...
    @overload
    def __getitem__(self, index: slice) -> list[Delivery]: ...
    def __getitem__(self, index: Any) -> Any:
        """Return one delivery, or those of a slice."""
        if self._all is None and isinstance(index, slice):
            return self._some(index)
        return self._whole[index]


def _of_log(entry: Entry, item: Item) -> Work:
    return Work(entry, item, 0, 0)

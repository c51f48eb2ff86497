"""What waits at one receiver: lanes by resident, in event order; only a lane's head may be delivered."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from hub.ledger.desk import Hold


class Lanes:
    """Pending deliveries by resident. A resident with anything here blocks its later deliveries at this receiver."""

    def __init__(self, holds: Iterable[Hold] = ()) -> None:
        self._lanes: dict[str, list[Hold]] = {}
        self._due: list[tuple[int, str]] = []
        for hold in holds:
            self._lanes.setdefault(hold.subject, []).append(hold)
        for lane in self._lanes.values():
            lane.sort(key=_order)
            self._schedule(lane[0])

    @property
    def empty(self) -> bool:
        """Say whether nothing waits."""
        return not self._lanes

    def __contains__(self, subject: object) -> bool:
        return subject in self._lanes

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def __iter__(self) -> Iterator[Hold]:
        for lane in self._lanes.values():
            yield from lane

    def _schedule(self, head: Hold) -> None:
        if head.due is not None:
            heapq.heappush(self._due, (head.due, head.subject))
        elif head.follows:  # what it followed has ended
            heapq.heappush(self._due, (0, head.subject))

    def add(self, hold: Hold) -> None:
        """Add a delivery, or put it back with a new state."""
        lane = self._lanes.setdefault(hold.subject, [])
        at, there = _find(lane, _order(hold))
        lane[at : at + there] = [hold]
        if at == 0:
            self._schedule(hold)

    def remove(self, subject: str, pos: int, job: int) -> None:
        """Take a finished delivery out; the next of its lane may go at once unless it waits for something itself."""
        lane = self._lanes.get(subject, [])
        at, there = _find(lane, (pos, job))
        del lane[at : at + there]
        if lane:
            self._schedule(lane[0])
        else:
            self._lanes.pop(subject, None)

    def of(self, subject: str) -> list[Hold]:
        """Return a resident's lane, in order."""
        return list(self._lanes.get(subject, ()))

    def wake(self, now: int) -> None:
        """Make the head of every lane that only waited for the receiver due now."""
        for lane in self._lanes.values():
            if lane[0].due is not None:
                lane[0] = replace(lane[0], due=min(lane[0].due, now))
            self._schedule(lane[0])

    def probe(self, besides: Collection[tuple[int, int]] = ()) -> Hold | None:
        """Return the earliest of what may be delivered, whether due or not; None when all wait for a person.

        `besides` are deliveries that will not do.
        """
        heads = (lane[0] for lane in self._lanes.values())
        may = (head for head in heads if not head.answered and (head.due is not None or head.follows))
        heads = (head for head in may if (head.pos, head.job) not in besides)
        return min(heads, key=_order, default=None)

    def next_due(self) -> int | None:
        """Return when the next head is due (milliseconds)."""
        return self._due[0][0] if self._due else None

    def take(self, now: int, limit: int) -> list[Hold]:
        """Return up to `limit` heads that are due; they stay in their lanes until `remove` or `add`."""
        taken: dict[str, Hold] = {}
        while self._due and self._due[0][0] <= now and len(taken) < limit:
            _, subject = heapq.heappop(self._due)
            lane = self._lanes.get(subject)
            if lane and (lane[0].follows if lane[0].due is None else lane[0].due <= now):
                taken[subject] = lane[0]
        return list(taken.values())


class Scheduled:
    """What is not to be delivered before its effective date. It holds nothing else."""

    def __init__(self, holds: Iterable[Hold] = ()) -> None:
        self._holds: dict[tuple[int, int], Hold] = {}
        self._subjects: dict[str, set[tuple[int, int]]] = {}
        self._due: list[tuple[int, int, int]] = []
        for hold in holds:
            self.add(hold)

    def __contains__(self, subject: object) -> bool:
        return subject in self._subjects

    def __len__(self) -> int:
        return len(self._holds)

    def __iter__(self) -> Iterator[Hold]:
        return iter(self._holds.values())

    def add(self, hold: Hold) -> None:
        """Add a delivery with the time it is due."""
        self._holds[_order(hold)] = hold
        self._subjects.setdefault(hold.subject, set()).add(_order(hold))
        heapq.heappush(self._due, (hold.due or 0, *_order(hold)))

    def of(self, subject: str) -> list[Hold]:
        """Return what is scheduled for a resident, in event order."""
        return [self._holds[key] for key in sorted(self._subjects.get(subject, ()))]

    def remove(self, hold: Hold) -> None:
        """Take a delivery out, if it is here."""
        if self._holds.pop(_order(hold), None) is not None:
            self._subjects[hold.subject].discard(_order(hold))
            if not self._subjects[hold.subject]:
                del self._subjects[hold.subject]

    def next_due(self) -> int | None:
        """Return when the next one is due (milliseconds), or was when it has been taken out since."""
        return self._due[0][0] if self._due else None

    def take(self, now: int) -> list[Hold]:
        """Take out what is due."""
        taken = []
        while self._due and self._due[0][0] <= now:
            _, pos, job = heapq.heappop(self._due)
            hold = self._holds.get((pos, job))
            if hold is not None:
                self.remove(hold)
                taken.append(hold)
        return taken


def _find(lane: list[Hold], order: tuple[int, int]) -> tuple[int, bool]:
    """Return where a delivery stands in a lane, or would, and whether it does: lanes may hold many thousands."""
    at = bisect_left(lane, order, key=_order)
    return at, at < len(lane) and _order(lane[at]) == order


def _order(hold: Hold) -> tuple[int, int]:
    return hold.pos, hold.job

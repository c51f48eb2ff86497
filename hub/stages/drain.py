"""`hub drain`: run until nothing is left that time would mend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.ledger.desk import now_ms
from hub.ledger.progress import Backlog

LOOK = 0.05  # seconds between looks at the ledger


@dataclass(frozen=True, slots=True)
class Drained:
    """How a drain ended: what is left, and whether dispatch had reached the log's end."""

    backlog: Backlog
    dispatched: bool

    @property
    def clear(self) -> bool:
        """Tell whether nothing is left but what is scheduled."""
        return self.dispatched and self.backlog.clear


async def drain(
    *,
    ends: Callable[[], Awaitable[dict[int, int]]],
    look: Callable[[], Backlog],
    busy: Callable[[], bool],
    wait: float,
    check: Callable[[], None] = lambda: None,
) -> Drained:
    """Wait until every partition's end is dispatched and nothing is due, or until `wait` seconds pass without progress.

    `ends` gives the end offset of every stream, asked at the start and again before ending; `look` reads the ledger;
    `busy` tells whether this process has work in hand; `check` raises what no waiting mends. What only a person can
    release ends the wait at once.
    """
    goal = await ends()
    seen: tuple[int, ...] | None = None
    since = time.monotonic()
    while True:
        check()
        found = await asyncio.to_thread(look)
        dispatched = all(found.positions.get(stream, 0) >= offset for stream, offset in goal.items())
        patience = since + wait - time.monotonic()
        if dispatched and found.shut.issuperset(found.behind) and not busy() and _nothing_to_wait_for(found, patience):
            again = await ends()
            if again == goal:
                return Drained(found, dispatched=True)
            goal = again
            continue
        left = sum(found.waiting.values()), found.waiting.get("planned", 0)  # a command carried out may leave as much
        mark = (sum(found.positions.values()), found.cursors, *left)
        if mark != seen:
            seen, since = mark, time.monotonic()
        elif time.monotonic() - since > wait:
            return Drained(found, dispatched)
        await asyncio.sleep(LOOK)


def _nothing_to_wait_for(found: Backlog, patience: float) -> bool:
    if found.clear or found.behind:  # what is behind is shut
        return True
    if found.next_due is None:
        return found.person or not found.follows  # what follows a question waits for its answer
    return found.next_due > now_ms() + patience * 1000

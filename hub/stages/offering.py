"""The owner of a receiver that fetches: it offers what is next, and what the system says of it comes as commands.

All that decides what is next (lanes, effective dates, corrections, protection) is as at any other receiver; only the
call is missing. What is on offer stands in `pending` as `sending`, and holds its resident's later deliveries.
"""

from __future__ import annotations

from dataclasses import replace

from hub.ledger.desk import now_ms
from hub.ledger.status import EARLIER_WAITING, SENDING
from hub.stages.receiver import Worker
from hub.stages.record import Record
from hub.stages.rounds import Round

FULL = 1.0  # seconds between looks while there is no room; an acknowledgement ends them at once


class Offering(Worker):
    """Offers deliveries; each offer gets a `no` that grows, so that a reader who has passed it misses none."""

    async def _gather(self) -> Round:
        """Return what is next, as long as there is room on offer."""
        room = self._room
        if room <= 0:
            return Round([])
        self._most = room
        return await super()._gather()

    @property
    def _room(self) -> int:
        return self._sink.features.batch - sum(hold.status == SENDING for hold in self._lanes)

    async def _idle(self) -> None:
        """Rest; where there is no room, whatever is due, until the system has taken something."""
        if self._room > 0:
            await super()._idle()
            return
        self.busy = False
        await self._reader.wait(FULL)

    async def _deliver(self, works: Round) -> None:
        now, offered = now_ms(), set()
        for work in await self._numbered(await self._protect(works)):
            hold = replace(work.waiting(now), status=SENDING, detail="", due=None)
            # An earlier one of the same round; what was just completed with a number stands in its lane already.
            if work.subject in offered or (work.hold is None and work.subject in self._lanes):
                hold = replace(hold, status=EARLIER_WAITING)
            else:
                hold = replace(hold, no=self._next_no)
                self._next_no += 1
            offered.add(work.subject)
            self._lanes.add(hold)
            self._carry.holds.append(hold)
        await self._settle(Record())

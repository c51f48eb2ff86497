"""The work queue of robots: what a system's robots fetch, for how long they have it, and what they say of it.

What is handed out is projected when it is fetched, from the ledger, by the rule and by who is protected at that moment.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

from hub.errors import NotFound, UsageError
from hub.ledger import work
from hub.ledger.engine import Ledger
from hub.ledger.views import Views
from hub.ledger.work import Leased
from hub.settings.models import City, Receiver
from hub.stages.entries import cut_for
from hub.stages.masking import note_of
from hub.stages.retry import Schedule
from hub.stages.rulebook import RuleBook
from hub.stages.shutters import Shutters
from hub.stages.times import moment
from hub.stages.told import Told, told_of

Json = dict[str, Any]
ADAPTER = "rpa"
LEASE = 300.0  # seconds, where the receiver's `lease` says nothing else
UNKNOWN_AGAIN = 60.0  # seconds until work for a resident whom the protection list does not know is looked at again
_RANDOM = random.Random()  # noqa: S311 - spreads retries, hides nothing


class Robots:
    """The queue of one city. Synchronous: the server calls it in worker threads; raises LedgerUnavailable."""

    def __init__(
        self, city: City, ledger: Ledger, book: RuleBook, protection: Callable[[Iterable[str]], dict[str, bool]]
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._protection = protection
        self._views = Views(ledger)
        self._shutters = Shutters.of(city, ledger)
        self._receivers = [each for each in city.receivers() if each.adapter == ADAPTER and each.enabled]

    def claim(self, system: str, limit: int, lease: float | None = None, receiver: str | None = None) -> Json:
        """Lease up to so many pieces of work, for `lease` seconds: `{"jobs": […]}`, in event order.

        Nothing while a receiver is paused, closed, or the list of protected residents is stale. Raises NotFound for a
        system or receiver without a queue.
        """
        queues = self._queues(system, receiver)
        self._shutters.refresh()
        open_ = {no: each for no, each in queues.items() if self._shutters(each.key) is None}
        seconds = {no: float(lease or each.options.get("lease", LEASE)) for no, each in open_.items()}
        taken = work.claim(self._ledger, open_, limit, seconds) if open_ else []
        flags = self._protection(each.subject for each in taken)  # asked after the lease, just before it goes out
        made = [self._handed_out(each, flags.get(each.subject)) for each in taken]
        return {"jobs": [each for each in made if each is not None]}

    def beat(self, system: str, number: int, lease: str | None, seconds: float | None) -> Json:
        """Let a robot go on: its lease lasts from now. Raises NotFound and LeaseLost."""
        queues, found = self._found(system, number)
        lasts = float(seconds or queues[found.receiver].options.get("lease", LEASE))
        return {"job": number, "until": moment(work.extend(self._ledger, queues, number, lease, lasts))}

    def complete(self, system: str, number: int, lease: str | None) -> Json:
        """Take a robot's word that its work is done: its delivery is confirmed. Raises NotFound and LeaseLost."""
        work.end(self._ledger, self._queues(system), number, lease, "completed", "accept")
        return {"job": number, "result": "completed"}

    def fail(
        self, system: str, number: int, lease: str | None, *, kind: str, note: str, after: float | None = None
    ) -> Json:
        """Take a robot's word that its work failed: for good (`rejected`), or for now (`transient`).

        Of its `note`, `code: message`, what it was sent is left out. For now it is offered again after the receiver's
        delays or `after` seconds, until `retry.give_up`. Raises NotFound and LeaseLost.
        """
        queues, found = self._found(system, number)
        note = note_of(note, self._told(found, None).delivery.data)
        schedule = Schedule.of(queues[found.receiver].retry)
        given_up = schedule.give_up is not None and found.attempts >= schedule.give_up
        if kind == "rejected" or given_up:
            work.end(self._ledger, queues, number, lease, "rejected", "refuse", note)
            return {"job": number, "result": "rejected"}
        delay = schedule.delay(found.attempts, after, _RANDOM)
        work.give_back(self._ledger, queues, number, lease, delay, note)
        return {"job": number, "result": "transient", "offered_again_in": round(delay)}

    def _found(self, system: str, number: int) -> tuple[dict[int, Receiver], Leased]:
        queues = self._queues(system)
        return queues, work.find(self._ledger, queues, number)

    def _queues(self, system: str, receiver: str | None = None) -> dict[int, Receiver]:
        """Return a system's queues by their receivers' numbers."""
        mine = [each for each in self._receivers if each.system == system and receiver in (None, each.name)]
        if not mine:
            named = f"{system}.{receiver}" if receiver else system
            raise NotFound(f"{named} has no work queue", mend=f"give it a receiver with `adapter: {ADAPTER}`")
        numbers = {row.key: row.no for row in self._views.receivers()}
        return {numbers[each.key]: each for each in mine if each.key in numbers}

    def _handed_out(self, leased: Leased, flag: bool | None) -> Json | None:
        """Return what a robot gets, None when the resident's protection keeps it back."""
        told = self._told(leased, flag)
        mine = (self._ledger, [leased.receiver], leased.no, leased.lease)
        if flag is False:
            work.give_back(*mine, UNKNOWN_AGAIN, None)
            return None
        if flag and cut_for(told.entry, told.item, self._book.__getitem__).suppressed:
            work.end(*mine, "withheld", "withhold")
            return None
        made = told.delivery
        return {
            "job": leased.no,
            "lease": leased.lease,
            "until": moment(leased.until),
            "attempt": leased.attempts,
            "receiver": told.key.partition(".")[2],
            "key": made.key,
            "type": made.type,
            "action": made.action,
            "event": made.event,
        }

    def _told(self, leased: Leased, flag: bool | None) -> Told:
        row = self._views.event(leased.pos)
        flags = {} if flag is None else {leased.subject: flag}
        found = told_of(row, self._views.states([leased.pos]), self._book.__getitem__, flags)
        for told in found:
            if (told.receiver, told.job) == (leased.receiver, leased.job):
                return told
        raise UsageError(f"job {leased.no} names a delivery that the ledger does not have")

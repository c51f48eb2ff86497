"""Why a receiver takes nothing now: a pause, maintenance, a closed window, or a stale list of protected residents."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from hub.ledger import pauses
from hub.ledger.desk import now_ms
from hub.ledger.engine import Ledger
from hub.ledger.pauses import Pause
from hub.ledger.protected import ProtectionList
from hub.settings.models import City, Protection
from hub.stages.hours import Closed, Hours
from hub.stages.times import spoken


@dataclass(frozen=True, slots=True)
class Shut:
    """Why and until when.

    `reason` is a held reason (paused, protection-unknown, maintenance, window), `until` in milliseconds or open; `by`
    is the source, `system.name`, of the list that is too old.
    """

    reason: str
    until: int | None
    note: str = ""
    by: str = ""


def list_of(ledger: Ledger, protection: Protection | None) -> ProtectionList | None:
    """Return the list of protected residents that the settings expect, if they expect one."""
    if protection is None or protection.list_ is None:
        return None
    return ProtectionList(ledger, protection.list_, protection.max_age)


class Shutters:
    """The receivers' hours and pauses. `closing` hands over what windows hold (`hub drain --close-windows`).

    With a list of protected residents, all are shut while that is older than it may be.
    """

    def __init__(
        self,
        ledger: Ledger,
        hours: Mapping[str, Hours],
        *,
        closing: bool = False,
        listed: ProtectionList | None = None,
    ) -> None:
        self._ledger = ledger
        self._hours = hours
        self._closing = closing
        self._listed = listed
        self._list_read = 0  # until it has been looked for, the list is not there
        self._paused: dict[str, Pause] = {}
        self._looking = threading.Lock()

    @classmethod
    def of(cls, city: City, ledger: Ledger, *, closing: bool = False) -> Shutters:
        """Return those of a city's receivers."""
        hours = {each.key: Hours.of(each, city) for each in city.receivers()}
        return cls(ledger, hours, closing=closing, listed=list_of(ledger, city.protection))

    def refresh(self) -> None:
        """Read the pauses, and when the list was read; raises LedgerUnavailable."""
        with self._looking:  # a look that began before a pause was written must not end after it
            self._paused = pauses.current(self._ledger, self._hours)
        if self._listed is not None:
            self._list_read = self._listed.read_at()

    def halt(self, key: str, reason: str) -> None:
        """Shut a receiver at once whose pause was just written; the next look at the ledger finds it there."""
        with self._looking:
            self._paused[key] = Pause(key, None, reason, "hub", now_ms())

    def __call__(self, key: str) -> Shut | None:
        """Return why a receiver is shut now, None when it is open."""
        now = dt.datetime.now(dt.UTC)
        pause = self._paused.get(key)
        if pause is not None and (pause.until is None or pause.until > now.timestamp() * 1000):
            return Shut("paused", pause.until, pause.reason)
        if self._listed is not None and self._listed.is_stale(self._list_read, int(now.timestamp() * 1000)):
            return Shut("protection-unknown", None, self._stale(self._listed), self._listed.source)
        hours = self._hours.get(key)
        if hours is None or hours.always:
            return None
        state = hours.state(now, closing=self._closing)
        if isinstance(state, Closed):
            until = None if state.until is None else int(state.until.timestamp() * 1000)
            return Shut(state.reason, until, state.note)
        return None

    def _stale(self, listed: ProtectionList) -> str:
        """Say of a stale list what operators see; it holds until the list is read again."""
        if not self._list_read:
            return f"the list of protected residents, {listed.source}, has never been read"
        age = spoken(listed.max_age)
        return f"the list of protected residents, {listed.source}, has not been read for more than {age}"

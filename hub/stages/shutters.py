"""Why a receiver takes nothing now, on purpose: somebody paused it, it is in maintenance, or its window is closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from hub.ledger import pauses
from hub.ledger.engine import Ledger
from hub.ledger.pauses import Pause
from hub.stages.hours import Closed, Hours


@dataclass(frozen=True, slots=True)
class Shut:
    """Why and until when: `reason` is a held reason (paused, maintenance, window), `until` in milliseconds or open."""

    reason: str
    until: int | None
    note: str = ""


class Shutters:
    """The receivers' hours and pauses. `closing` hands over what windows hold (`hub drain --close-windows`)."""

    def __init__(self, ledger: Ledger, hours: Mapping[str, Hours], *, closing: bool = False) -> None:
        self._ledger = ledger
        self._hours = hours
        self._closing = closing
        self._paused: dict[str, Pause] = {}

    def refresh(self) -> None:
        """Read the pauses; raises LedgerUnavailable."""
        self._paused = pauses.current(self._ledger)

    def halt(self, key: str) -> None:
        """Pause a receiver that stops at a dead letter, until a person resumes it; raises LedgerUnavailable."""
        self._paused[key] = pauses.pause(self._ledger, key, reason="dead letter (on_dead: stop)", by="hub")

    def __call__(self, key: str) -> Shut | None:
        """Return why a receiver is shut now, None when it is open."""
        now = dt.datetime.now(dt.UTC)
        pause = self._paused.get(key)
        if pause is not None and (pause.until is None or pause.until > now.timestamp() * 1000):
            return Shut("paused", pause.until, pause.reason)
        hours = self._hours.get(key)
        if hours is None or hours.always:
            return None
        state = hours.state(now, closing=self._closing)
        if isinstance(state, Closed):
            until = None if state.until is None else int(state.until.timestamp() * 1000)
            return Shut(state.reason, until, state.note)
        return None

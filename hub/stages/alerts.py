"""Tells people of a receiver's first dead letter, of one that does not answer, of characters it lacks, and of the end.

What is told holds the receiver, the error's class and its code (or those characters), never anything of a resident.
Alerts live in the ledger: they survive restarts, one process raises each, and a message that cannot be sent is tried
until it can.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hub.errors import HubError, Unavailable
from hub.ledger import alerts, pauses
from hub.ledger.alerts import Alert, Notice, Stall
from hub.ledger.engine import Ledger
from hub.settings.models import Alerts
from hub.stages.clock import timestamp, utc_now
from hub.stages.hours import Closed, Hours
from hub.stages.patience import Stopping, outlast, pause

log = logging.getLogger(__name__)
LOOK = 2.0  # seconds between looks at the ledger
DELAYS = (5.0, 30.0, 120.0, 600.0)  # seconds before a message is tried again; the last one for ever
PATIENCE = 60.0  # seconds a sender has, well within its claim

_TEXTS = {
    ("dead", "raised"): (
        "配達が不達になりました",
        "a delivery is dead",
        "hub deliveries list --system {system} --status dead",
    ),
    ("dead", "ended"): (
        "不達が止み、配達できています",
        "no further dead letter, and it delivers again",
        "hub replay --system {system} --status dead --dry-run",
    ),
    ("breaker", "raised"): ("応答がなく、配達を待っています", "it does not answer; deliveries wait", "hub status"),
    ("breaker", "ended"): ("応答が戻りました", "it answers again", "hub status"),
    ("text", "raised"): (
        "相手のシステムにない文字があり、代わりの記号で届けました",
        "it was told with a sign in the place of characters it does not have",
        "hub deliveries list --system {system} --status warning",
    ),
    ("text", "ended"): (
        "相手にない文字は、その後ありません",
        "no further character that it does not have",
        "hub deliveries list --system {system} --status warning",
    ),
}


class Sender(Protocol):
    """A way to people: `name` tells it from others of the city for good."""

    @property
    def name(self) -> str:
        """Return the channel's name, for example `webhook` or `mail-2`."""
        ...

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message (docs/reference/alerts.md has its keys). Raises `HubError`, whose `code` is kept."""
        ...


class Alarm:
    """The alerts of a city, looked after by one process or several."""

    def __init__(
        self, ledger: Ledger, settings: Alerts, senders: Sequence[Sender], hours: Mapping[str, Hours], *, city: str
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._senders = {sender.name: sender for sender in senders}
        self._hours = hours
        self._city = city

    async def run(self, stop: asyncio.Event, *, look: float = LOOK) -> None:
        """Raise, end and send until `stop`; a ledger that is away is waited for."""
        while not stop.is_set():
            try:
                await outlast(self.turn, stop, tell=_tell)
            except Stopping:
                return
            await pause(stop, look)

    async def turn(self, now: dt.datetime | None = None) -> None:
        """Look once at what is to be raised and ended, and send what is due. Raises `Unavailable`."""
        await asyncio.to_thread(self._look, now or utc_now())
        claimed = await asyncio.to_thread(alerts.claim, self._ledger, list(self._senders))
        await asyncio.gather(*(self._send(each) for each in claimed))

    def _look(self, now: dt.datetime) -> None:
        channels = list(self._senders)
        alerts.note_deaths(self._ledger, channels)
        alerts.note_warnings(self._ledger, channels)
        stalled = {stall.receiver: stall for stall in alerts.stalls(self._ledger) if stall.receiver in self._hours}
        standing = alerts.listing(self._ledger)
        known = {each.receiver for each in standing if each.kind == "breaker"}
        paused = pauses.current(self._ledger, stalled.keys() - known)
        for key, stall in stalled.items():
            if key not in known and key not in paused and self._unexpected(stall, now):
                alerts.raise_stall(self._ledger, stall, channels)
        over = [each.no for each in standing if each.kind == "breaker" and each.receiver not in stalled]
        quiet = int(self._settings.quiet * 1000)
        over += [each.no for each in (*alerts.recovered(self._ledger, quiet), *alerts.quiet_texts(self._ledger, quiet))]
        if over:
            alerts.end(self._ledger, over, channels)

    def _unexpected(self, stall: Stall, now: dt.datetime) -> bool:
        """Tell whether a receiver has not answered for too long, and was open all that time as far as can be seen."""
        bearable = dt.timedelta(seconds=self._settings.breaker_after)
        begun = dt.datetime.fromtimestamp(stall.since / 1000, dt.UTC)
        hours = self._hours[stall.receiver]
        looked_at = (now, now - bearable)
        return begun + bearable <= now and not any(isinstance(hours.state(each), Closed) for each in looked_at)

    async def _send(self, notice: Notice) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._senders[notice.channel].send(message(notice.alert, notice.what, self._city))
        except (HubError, TimeoutError) as error:
            code = error.code if isinstance(error, HubError) else "no-answer"
            delay = DELAYS[min(notice.attempts, len(DELAYS)) - 1]
            log.warning(
                "alert %d cannot be told by %s (%s); again in %d s", notice.alert.no, notice.channel, code, delay
            )
            await asyncio.to_thread(alerts.failed, self._ledger, notice, code, delay)
        else:
            await asyncio.to_thread(alerts.sent, self._ledger, notice)


def message(alert: Alert, what: str, city: str) -> dict[str, Any]:
    """Return what is told of an alert that was `raised` or has `ended`: see docs/reference/alerts.md."""
    system, _, receiver = alert.receiver.partition(".")
    ja, en, look = _TEXTS[alert.kind, what]
    moment = alert.raised_at if what == "raised" else alert.ended_at or alert.last_at
    cause = f"{alert.class_}, {alert.code}"
    command = look.format(system=system)
    return {
        "id": f"{alert.no}-{what}",
        "alert": alert.kind,
        "state": what,
        "city": city,
        "system": system,
        "receiver": receiver,
        "class": alert.class_,
        "code": alert.code,
        "count": alert.count,
        "at": timestamp(dt.datetime.fromtimestamp(moment / 1000, dt.UTC)),
        "subject": f"[hub {city}] {alert.receiver}: {ja}",
        "text": f"{alert.receiver}: {ja} ({cause})\n{alert.receiver}: {en} ({cause})\n{command}",
    }


def _tell(fault: Unavailable | None) -> None:
    if fault is None:
        log.info("alerts are looked after again")
    else:
        log.warning("alerts cannot be looked after: %s", fault)

"""The identity queue as people and programs see it: what waits, who it may be about, who decided what.

Of a resident who is protected, also if only perhaps, nothing is shown that tells where they are.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from hub.events.wire import Lazy, decode, system_of
from hub.ledger import identities
from hub.ledger.engine import Ledger
from hub.ledger.identities import Item
from hub.ledger.protected import Discretion
from hub.ledger.status import event_code
from hub.ledger.views import EventFilter
from hub.routing.protection import locates_person
from hub.stages.times import moment

Json = dict[str, Any]
HIDDEN = "＊"
STATUS = "awaiting-identity"
PREFIX = "identity-"
END = "identity-0"  # the cursor after the last one
_CURSOR = re.compile(r"identity-[0-9]+")


def masked(type_: str, data: Json) -> Json:
    """Return an event's values without those that tell where the person is."""
    return {name: HIDDEN if locates_person((type_,), ("data", name)) else value for name, value in data.items()}


def summary(item: Item) -> Json:
    """Return an entry as lists show it: numbers and names of facts, never a fact."""
    return {
        "no": item.no,
        "at": moment(item.at),
        "status": item.status,
        "system": item.system,
        "source": item.source,
        "place": item.place,
        "event_id": item.event_id,
        "type": item.type,
        "reason": item.reason,
        "given": item.given,
        "found": item.found or None,
        "checked": item.checked,
        "provisional": f"~{item.system}:{item.no}" if item.provisional else None,
        "subject": item.subject or None,
        "seen": item.seen,
    }


def whole(ledger: Ledger, no: int, discretion: Discretion | None = None) -> Json:
    """Return an entry with its event and what was decided; raises `NotFound`.

    `discretion` says whose location is not shown; without it, that of residents known to be protected.
    """
    item = identities.show(ledger, no)
    event = orjson.loads(item.body)
    hidden = bool((discretion or Discretion(ledger))(each for each in (item.found, item.subject) if each))
    deeds = [
        {
            "at": moment(deed.at),
            "what": deed.what,
            "subject": deed.subject or None,
            "event_id": deed.event_id,
            "by": deed.by,
            "reason": deed.reason,
            "told": deed.done_at is not None,
        }
        for deed in identities.deeds(ledger, no)
    ]
    data = masked(item.type, event["data"]) if hidden else event["data"]
    return {**summary(item), "protected": hidden, "data": data, "deeds": deeds}


class Unlinked:
    """Reports that wait to be linked and are nowhere else, as lists of events show them."""

    end = END

    def __init__(self, ledger: Ledger, discretion: Discretion) -> None:
        self._ledger = ledger
        self._discretion = discretion

    def owns(self, cursor: str) -> bool:
        """Tell whether a cursor goes on among these reports."""
        return _CURSOR.fullmatch(cursor) is not None

    def page(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> tuple[list[Json], str | None]:
        """Return events, the newest first, and the cursor of what follows."""
        asked = not wanted.statuses or event_code(STATUS) in wanted.statuses
        if not asked or wanted.batch is not None or cursor == END:
            return [], None
        items: list[Json] = []
        after = cursor.removeprefix(PREFIX) if cursor else None
        while True:
            found, after = identities.listing(self._ledger, limit=200, cursor=after)
            for item in found:
                if item.provisional or not _fits(item, wanted):
                    continue
                if len(items) == limit:
                    return items, f"{PREFIX}{items[-1]['identity']}"
                items.append(self._listed(item))
            if after is None:
                return items, None

    def event(self, reference: str, *, by: str | None = None) -> Json | None:
        """Return the one report that waits under an id, `<id>` or `<source system>/<id>`; None when there is none.

        Asked `by` the system that reported it, it is shown whole; that one is shown no other's.
        """
        found = identities.by_event(self._ledger, by, reference)
        for at, letter in enumerate(reference):
            if letter == "/" and not found and by in (None, reference[:at]):
                found = identities.by_event(self._ledger, reference[:at], reference[at + 1 :])
        waiting = [item for item in found if item.status == identities.OPEN and not item.provisional]
        if len(waiting) != 1:
            return None
        item = waiting[0]
        shown = self._listed(item)
        recorded = shown.pop("recorded_at")
        for name in ("status", "batch", "deliveries", "identity"):
            del shown[name]
        data = dict(Lazy(decode(item.body).data))
        hidden = by is None and bool(item.found and self._discretion([item.found]))
        return {
            "event": {**shown, "data": masked(item.type, data) if hidden else data},
            "status": STATUS,
            "seen": item.seen,
            "recorded_at": recorded,
            "identity": item.no,
        }

    def _listed(self, item: Item) -> Json:
        wire = decode(item.body)
        return {
            "specversion": "1.0",
            "id": wire.id,
            "source": wire.source,
            "type": item.type,
            "subject": wire.subject,
            "time": wire.time,
            "status": STATUS,
            "recorded_at": moment(item.at),
            "batch": None,
            "deliveries": 0,
            "identity": item.no,
        }


def _fits(item: Item, wanted: EventFilter) -> bool:
    return (
        wanted.subject in (None, item.found)
        and (not wanted.types or item.type in wanted.types)
        and (not wanted.source_systems or system_of(item.system) in wanted.source_systems)
        and (wanted.since is None or item.at >= wanted.since)
        and (wanted.until is None or item.at < wanted.until)
    )

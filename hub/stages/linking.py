"""Saying who a report is about that nobody was identified in, and taking that back.

A decision is in the ledger first, then in Kafka under an id that makes a second publishing harmless. Linked, a report
is told under the resident's number to those who were not told of it as of somebody unknown; taken back, it is
cancelled, which reaches whoever was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub.errors import NotFound, UsageError
from hub.events.envelope import Event, event_from, identity
from hub.events.text import parse
from hub.ledger import identities
from hub.ledger.engine import Ledger
from hub.ledger.identities import Deed, Item
from hub.ledger.log import EventLog
from hub.routing.identity import is_provisional
from hub.stages.clock import timestamp, utc_now
from hub.stages.history import AMENDMENTS
from hub.stages.identifying import Residents, about
from hub.stages.ports import Producer
from hub.stages.records import IDENTIFIES, publish_sound, record_of
from hub.stages.times import moment

Json = dict[str, Any]


def link(ledger: Ledger, no: int, subject: str, *, by: str, reason: str, newcomer: bool = False) -> Deed:
    """Record that an entry is about a resident; `newcomer` allows one the hub has never heard of.

    Raises `NotFound` for an entry or a resident, `UsageError` for an entry that does not wait.
    """
    item = identities.show(ledger, no)
    if is_provisional(subject):
        raise UsageError(f"{subject} is nobody's number", mend="name the resident's own number")
    if not newcomer and Residents(EventLog(ledger))(subject) is None:
        mend = "mind the number: it has no check digit. For one who is new say --new"
        raise NotFound(f"the hub has never heard of a resident {subject}", mend=mend)
    return identities.decide(ledger, item, "link", subject=subject, event_id=_linked_id(item), by=by, reason=reason)


def unlink(ledger: Ledger, no: int, *, by: str, reason: str) -> Deed:
    """Record that an entry was not about the resident it was linked to; it waits again. Raises as `link`."""
    item = identities.show(ledger, no)
    if item.type in AMENDMENTS:
        mend = "publish what is right as a correction"
        raise UsageError("a correction cannot itself be taken back", mend=mend)
    linked = [deed for deed in identities.deeds(ledger, no) if deed.what == "link"]
    event_id = linked[-1].event_id if linked else ""
    return identities.decide(ledger, item, "unlink", subject=item.subject, event_id=event_id, by=by, reason=reason)


def discard(ledger: Ledger, no: int, *, by: str, reason: str) -> Deed:
    """Close an entry that is about nobody; a provisional report stays as it was told. Raises as `link`."""
    item = identities.show(ledger, no)
    return identities.decide(ledger, item, "discard", subject="", event_id=item.event_id, by=by, reason=reason)


def _linked_id(item: Item) -> str:
    """Return the id of the event that tells of the resident: the report's own, unless Kafka has another under it."""
    if not item.provisional and not item.links:
        return item.event_id
    return identity("hub", ["linked", item.system, item.event_id, item.links + 1])


async def publish_deeds(
    ledger: Ledger, producer: Producer, topic: str, city: str, mine: Callable[[], Awaitable[bool]]
) -> int:
    """Publish what people decided and Kafka does not have yet, while `mine` says that no other process does.

    A crash between Kafka and the ledger publishes some again, under the same ids: they count once.
    Raises `Unavailable`.
    """
    count = 0
    while await mine() and (open_ := await asyncio.to_thread(identities.undone, ledger)):
        for deed, item in open_:
            refused = await publish_sound(producer, topic, [record_of(event_of(deed, item, city), city)])
            if refused:
                raise refused[0]
            await asyncio.to_thread(identities.done, ledger, deed.no)
            count += 1
    return count


def event_of(deed: Deed, item: Item, city: str) -> Event:
    """Return the event by which a decision is told."""
    document: Json = parse(item.body)
    event = event_from(document, city=city, now=timestamp(utc_now()))
    event.extensions["batchid"] = f"identity-{item.no}"
    about(event, deed.subject)
    if deed.what == "link":
        event.id = deed.event_id
        if item.provisional:
            event.extensions[IDENTIFIES] = item.event_id
        return event
    said = {"event_id": deed.event_id, "effective_on": event.data["effective_on"], "reason": deed.reason}
    cancelled = {
        "specversion": "1.0",
        "id": identity("hub", ["unlinked", item.system, deed.event_id]),
        "source": event.source,
        "type": "event.cancelled",
        "subject": deed.subject,
        "time": moment(deed.at),
        "batchid": f"identity-{item.no}",
        "data": said,
    }
    return event_from(cancelled, city=city, now=moment(deed.at))

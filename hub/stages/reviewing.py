"""What a person decides of an item in the review queue, and publishing what was accepted, once.

The decision is one transaction; its events follow, under ids they have had since they were put there: a crash in
between publishes them again as the same events. `hub run` and `hub drain` finish what a command has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy.engine import Connection

from hub.errors import HubError, NotFound, Unavailable, UsageError
from hub.events.codec import HEADERS
from hub.events.wire import type_of
from hub.ledger import extracts, reviews
from hub.ledger.engine import Ledger
from hub.ledger.protected import Discretion
from hub.ledger.reviews import Item
from hub.stages.acquaintance import Acquaintances
from hub.stages.comparing import KIND, unpacked
from hub.stages.identity_queue import HIDDEN, masked
from hub.stages.ports import Producer
from hub.stages.records import UNSURE

_ROWS = ("row", "was")  # of the payload: as a system has them
_INNER = frozenset({"known", "before", "extract", "raw", "confirmed"})  # of the payload: for the hub alone
Accept = Callable[[Connection, Mapping[str, Any]], bool]


class Decided(NamedTuple):
    """The reviews that were decided, and by their numbers why others were not."""

    items: list[Item]
    refused: dict[int, HubError]


def take_as_known(connection: Connection, payload: Mapping[str, Any]) -> bool:
    """Let a row be known as its extract had it; False when something else was learned of it meanwhile."""
    known = unpacked(payload["known"])
    return known.key in extracts.write(connection, payload["extract"], [(known, payload["before"])])


ACCEPTING: dict[str, Accept] = {KIND: take_as_known}  # what accepting an item means besides its events, by kind


def accept(ledger: Ledger, no: int, *, who: str, why: str) -> Item:
    """Accept an item; its events are to be published then. Raises `NotFound`, and `UsageError` when it is not open."""
    item = reviews.show(ledger, no)
    with ledger.write() as connection:
        decide(connection, ledger, item, "accepted", who, why)
        meaning = ACCEPTING.get(item.kind)
        if meaning is not None and not meaning(connection, item.payload or {}):
            message = f"what review {no} is about has changed since it was put there"
            raise UsageError(message, mend="reject it: the next extract brings what is so now")
    return reviews.show(ledger, no)


def shown(ledger: Ledger, no: int, discretion: Discretion | None = None) -> tuple[Item, dict[str, Any]]:
    """Return an item and what is shown of it: its rows, and `would_publish`, its events. Raises `NotFound`.

    Of a difference of a full extract, whose former rows are not kept whole, `facts` are what was reported of the
    resident (`hub.stages.acquaintance`), None when nothing was.

    Of a resident whose location is not shown, a system's own columns are all covered (nobody says which of them tell
    it), and the events' fields that do. `discretion` says whose; without it, that of residents known to be protected.
    """
    item = reviews.show(ledger, no)
    payload = dict(item.payload or {})
    events = [orjson.loads(text) for text in payload.pop("events", ())]
    found = {name: value for name, value in payload.items() if name not in _INNER}
    subjects = {str(event["subject"]) for event in events} | ({item.subject} if item.subject else set())
    hidden = bool((discretion or Discretion(ledger))(subjects))
    if item.kind == KIND:
        found["facts"] = Acquaintances(ledger).of(item.subject, hidden=hidden)
    if hidden:
        found |= {name: dict.fromkeys(found[name], HIDDEN) for name in _ROWS if found.get(name)}
        found |= {"errors": [{**each, "message": HIDDEN} for each in found["errors"]]} if "errors" in found else {}
        events = [{**event, "data": masked(type_of(event["type"])[0], event["data"])} for event in events]
    return item, {**found, "would_publish": events}


def reject(ledger: Ledger, no: int, *, who: str, why: str) -> Item:
    """Reject an item: nothing of it is published. Raises `NotFound`, and `UsageError` when it is not open."""
    item = reviews.show(ledger, no)
    with ledger.write() as connection:
        decide(connection, ledger, item, "rejected", who, why)
    return reviews.show(ledger, no)


def decide(connection: Connection, ledger: Ledger, item: Item, status: str, who: str, why: str) -> None:
    """Record a decision in the caller's transaction; raises `UsageError` when the item is not open any more."""
    at, for_good = ledger.now(connection), item.kind == UNSURE
    if not reviews.decide(connection, item, status, who=who, why=why, at=at, for_good=for_good):
        raise _closed(item.no)


def _closed(no: int) -> UsageError:
    return UsageError(f"review {no} is not open any more", mend=f"hub review show {no}")


def undecided(ledger: Ledger, no: int) -> Item:
    """Return an item that can be decided; raises `NotFound`, and `UsageError` when it is not open."""
    item = reviews.show(ledger, no)
    if item.status not in reviews.OPEN:
        raise _closed(no)
    return item


def each(numbers: Iterable[int], decide: Callable[[int], Item]) -> Decided:
    """Decide reviews one by one; what cannot be decided does not keep the others. Raises `Unavailable`."""
    done = Decided([], {})
    for no in numbers:
        try:
            done.items.append(decide(no))
        except Unavailable:
            raise
        except HubError as error:
            done.refused[no] = error
    return done


def as_they_are(ledger: Ledger, done: Decided) -> Decided:
    """Return what was decided as it stands now, published or not yet."""
    return Decided([reviews.show(ledger, item.no) for item in done.items], done.refused)


def have_events(ledger: Ledger, numbers: Iterable[int]) -> bool:
    """Say whether accepting one of these may publish an event."""
    for no in numbers:
        try:
            item = reviews.show(ledger, no)
        except NotFound:
            continue
        if item.events or item.kind == UNSURE:
            return True
    return False


async def publish_accepted(ledger: Ledger, producer: Producer, topic: str) -> int:
    """Publish the events of accepted items that may not be in Kafka; return how many items. Raises `Unavailable`."""
    count = 0
    while items := await asyncio.to_thread(reviews.to_publish, ledger):
        for item in items:
            values = [text.encode() for text in (item.payload or {})["events"]]
            records = [(str(orjson.loads(value)["subject"]).encode(), value) for value in values]
            await producer.publish(topic, records, HEADERS)
            await asyncio.to_thread(reviews.published, ledger, item.no)
            count += 1
    return count

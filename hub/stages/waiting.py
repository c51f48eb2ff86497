"""The events that wait for a person in the review queue, as lists of events show them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hub.events.wire import decode
from hub.ledger import reviews
from hub.ledger.engine import Ledger
from hub.ledger.reviews import Item
from hub.ledger.status import event_code
from hub.ledger.views import EventFilter
from hub.stages.held import listed

STATUS = "awaiting-review"
END = "review-0"  # the cursor after the last one
_CURSOR = re.compile(r"review-(?P<no>[0-9]+)")
_PAGE = 500
Json = dict[str, Any]


class WaitingEvents:
    """The events of open reviews."""

    end = END

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def owns(self, cursor: str) -> bool:
        """Tell whether a cursor goes on among these events."""
        return _CURSOR.fullmatch(cursor) is not None

    def page(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> tuple[list[Json], str | None]:
        """Return events, the newest item first, and the cursor of what follows. An item's events stay together."""
        if (wanted.statuses and event_code(STATUS) not in wanted.statuses) or cursor == END:
            return [], None
        items: list[Json] = []
        for item in self._items(wanted, cursor):
            found = [_listed(text, item) for text in (item.payload or {})["events"]]
            found = [each for each in found if _fits(each, wanted)]
            if items and len(items) + len(found) > limit:
                return items, f"review-{item.no + 1}"
            items += found
        return items, None

    def _items(self, wanted: EventFilter, cursor: str | None) -> Iterator[Item]:
        after = cursor.removeprefix("review-") if cursor else None
        while True:
            found, after = reviews.listing(
                self._ledger,
                statuses=("waiting",),
                subject=wanted.subject,
                since=wanted.since,
                until=wanted.until,
                limit=_PAGE,
                cursor=after,
            )
            for item in found:
                if item.events and wanted.batch in (None, item.batch_id):
                    yield reviews.show(self._ledger, item.no)
            if after is None:
                return


def _fits(event: Json, wanted: EventFilter) -> bool:
    system = event["source"].rpartition("/")[2]
    return (not wanted.types or event["type"] in wanted.types) and (
        not wanted.source_systems or system in wanted.source_systems
    )


def _listed(text: str, item: Item) -> Json:
    shown = listed(decode(text.encode()), status=STATUS, batch=item.batch_id, at=item.at)
    return {**shown, "review": item.no}

"""The events of held batches: read from their spools, since neither Kafka nor the event log has them yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.events.wire import Wire, decode, system_of, type_of
from hub.ledger import batches
from hub.ledger.batches import UNPUBLISHED, Item
from hub.ledger.engine import Ledger
from hub.ledger.status import event_code
from hub.ledger.views import EventFilter
from hub.stages import spool
from hub.stages.times import moment

STATUS = "held-batch"
_CURSOR = re.compile(r"held-(?P<no>[0-9]+)-(?P<offset>[0-9]+)")
END = "held-0-0"  # the cursor after the last one
Json = dict[str, Any]


class HeldEvents:
    """The held events whose spools lie in a folder of this machine."""

    end = END

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder

    def owns(self, cursor: str) -> bool:
        """Tell whether a cursor goes on among held events."""
        return _CURSOR.fullmatch(cursor) is not None

    def page(self, wanted: EventFilter, *, limit: int, cursor: str | None = None) -> tuple[list[Json], str | None]:
        """Return events as lists show them, batch by batch in their order, and the cursor of what follows."""
        if wanted.statuses and event_code(STATUS) not in wanted.statuses:
            return [], None
        match = _CURSOR.fullmatch(cursor or "")
        upto, skip = (int(match["no"]), int(match["offset"])) if match else (None, 0)
        items: list[Json] = []
        for item in self._batches(wanted, upto):
            offset = skip if item.no == upto else 0
            for start, wire in self._events(item, offset):
                if not _fits(wire, wanted):
                    continue
                if len(items) == limit:
                    return items, f"held-{item.no}-{start}"
                items.append(listed(wire, status=STATUS, batch=item.id, at=item.last_seen))
        return items, None

    def _batches(self, wanted: EventFilter, upto: int | None) -> Iterator[Item]:
        found, cursor = batches.listing(self._ledger, statuses=UNPUBLISHED, limit=10_000)
        del cursor  # more than that do not wait: a source has one at a time
        for item in found:
            known = (wanted.since is None or item.last_seen >= wanted.since) and (
                wanted.until is None or item.last_seen < wanted.until
            )
            if known and wanted.batch in (None, item.id) and (upto is None or item.no <= upto):
                yield item

    def _events(self, item: Item, offset: int) -> Iterator[tuple[int, Wire]]:
        token = item.spool or {}
        if not (self._folder.is_dir() and spool.is_here(self._folder, token)):
            return
        path = self._folder / str(token["file"])
        if not path.exists():
            return
        with path.open("rb") as lines:
            lines.seek(offset)
            for line in lines:
                yield offset, decode(line)
                offset += len(line)


def _fits(wire: Wire, wanted: EventFilter) -> bool:
    return (
        wanted.subject in (None, wire.subject)
        and (not wanted.types or type_of(wire.type)[0] in wanted.types)
        and (not wanted.source_systems or system_of(wire.source) in wanted.source_systems)
    )


def listed(wire: Wire, *, status: str, batch: str | None, at: int) -> Json:
    """Return an event that is not in Kafka yet as lists show it; `at` in milliseconds since 1970."""
    more = {"sequence": wire.sequence} if wire.sequence is not None else {}
    return {
        "specversion": "1.0",
        "id": wire.id,
        "source": wire.source,
        "type": type_of(wire.type)[0],
        "subject": wire.subject,
        "time": wire.time,
        **more,
        "batchid": batch,
        "status": status,
        "recorded_at": moment(at),
        "batch": batch,
        "deliveries": 0,
    }

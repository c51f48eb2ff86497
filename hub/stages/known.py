"""Which events the hub has already, as far as can be told: what is on its way to the ledger is not there yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import orjson

from hub.events.envelope import Event
from hub.events.wire import Wire, content, decode, digest, source_of
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.names import Names

_AT_ONCE = 200  # bodies read from the ledger at once: they may be large


class Seen(Enum):
    """Whether an event's id was used before by its system, and for what."""

    NEW = "new"
    REPEAT = "repeat"  # for the same content: it counts once
    REUSED = "reused"  # for other content: dispatch puts this one into quarantine


class Known:
    """Asks one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._names = Names(ledger, "source")
        self._log = EventLog(ledger)

    def seen(self, events: Sequence[Event], values: Sequence[bytes]) -> list[Seen]:
        """Return of each event whether the ledger has its id; `values` are the events as they go into Kafka.

        Contents are compared as dispatch does it. Raises `LedgerUnavailable`.
        """
        found = [Seen.NEW] * len(events)
        keys = list(self._keys(events))
        known = self._log.known(key for key in keys if key is not None)
        unlike: list[tuple[int, int, Wire]] = []
        for at, key in enumerate(keys):
            earlier = known.get(key) if key is not None else None
            if earlier is None:
                continue
            pos, mark = earlier
            wire = decode(values[at])
            found[at] = Seen.REPEAT
            if mark != digest(wire, values[at]):
                unlike.append((at, pos, wire))
        for start in range(0, len(unlike), _AT_ONCE):
            part = unlike[start : start + _AT_ONCE]
            bodies = self._log.fetch([pos for _, pos, _ in part])
            for at, pos, wire in part:
                if pos not in bodies or content(wire) != content(decode(bodies[pos].body)):
                    found[at] = Seen.REUSED
        return found

    def _keys(self, events: Iterable[Event]) -> Iterator[tuple[str, int] | None]:
        """Yield how the ledger knows each event; None of a system it has not heard of."""
        numbers: dict[str, int | None] = {}
        for event in events:
            if event.system not in numbers:
                numbers[event.system] = self._names.find(source_of(event.system))
            number = numbers[event.system]
            yield None if number is None else (event.id, number)


class Stream:
    """What one file, or one call, has brought so far: the first content of each id, kept as numbers."""

    def __init__(self) -> None:
        self._first: dict[int, int] = {}

    def seen(self, event: Event, before: Seen) -> Seen:
        """Return whether an event's id was used `before`, as the ledger says, or earlier in the stream."""
        key, said = hash((event.system, event.id)), hash(_content(event))
        first = self._first.get(key)
        if first is None:
            self._first[key] = said
            return before
        if before is not Seen.NEW:
            return before
        return Seen.REPEAT if first == said else Seen.REUSED


def _content(event: Event) -> bytes:
    said = [event.type, event.version, event.subject, event.data]
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)

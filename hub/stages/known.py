"""Which events the hub has already, as far as can be told: what is on its way to the ledger is not there yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from hub.events.envelope import Event
from hub.events.wire import source_of
from hub.ledger.engine import Ledger
from hub.ledger.log import EventLog
from hub.ledger.names import Names


class Known:
    """Asks one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._names = Names(ledger, "source")
        self._log = EventLog(ledger)

    def ids(self, system: str, ids: Sequence[str]) -> set[str]:
        """Return those ids of a system that the ledger has."""
        source = self._names.find(source_of(system))
        return set() if source is None else {found for found, _ in self._log.known([(each, source) for each in ids])}

    def among(self, events: Iterable[Event]) -> set[tuple[str, str]]:
        """Return `(system, id)` of those events that the ledger has."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for event in events:
            ids[event.system].append(event.id)
        return {(system, found) for system in ids for found in self.ids(system, ids[system])}

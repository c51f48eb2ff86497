"""The files that sources should have read long ago, seen from here: so they are told though no hub runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from hub.adapters.beside import Looking
    from hub.ledger.engine import Ledger
    from hub.settings.models import City

PATIENCE = 2.0  # seconds: a mount that hangs holds nobody up
Found = dict[str, list[tuple[str, int]]]


def left(session: Session, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return by source `{"count", "names", "since"}` of its files that have lain there for a day and were not read.

    Files on other machines are not looked for. Of a city whose files have errors nothing is told: it is not known who
    reads what.
    """
    from hub.ledger import sources
    from hub.stages.morning import DAY
    from hub.stages.strays import summed

    try:
        looking = list(_looking(session.city()))
    except ConfigurationError:
        return {}
    found = _aside(partial(_look, session.folder, looking, time.time() - DAY / 1000))
    if found is None:
        output.say(word("morning.folders"))
        return {}
    read = {f"{each.system}.{each.source}": (each.position or {}).get("kept", {}) for each in sources.listing(ledger)}
    unread = {key: [each for each in files if each[0] not in read.get(key, {})] for key, files in found.items()}
    return {key: summed(files) for key, files in unread.items() if files}


def _looking(city: City) -> Iterator[Looking]:
    """Yield where sources look on this machine."""
    from hub.adapters.beside import Looking

    for system in city.systems.values():
        asked = {each.name: each.options.get("path") for each in system.sources.values() if system.reads(each)}
        for receiver in system.receives.values():
            if (said := receiver.acknowledged) is not None and receiver.enabled:
                asked[f"{receiver.name}.acknowledged"] = said.from_.get("path")
        for name, path in asked.items():
            if isinstance(path, str) and "://" not in path:
                yield Looking(f"{system.system}.{name}", path)


def _look(folder: Path, looking: list[Looking], before: float) -> Found:
    from hub.adapters.beside import waiting

    return {each.key: list(waiting(folder, each, before)) for each in looking}


def _aside(look: Callable[[], Found]) -> Found | None:
    """Look in a thread that nobody waits for at the end; None when it takes too long."""
    found: list[Found] = []
    looking = threading.Thread(target=lambda: found.append(look()), name="unread", daemon=True)
    looking.start()
    looking.join(PATIENCE)
    return found[0] if found else None

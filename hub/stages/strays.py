"""Files that lie where the sources of a city look, and that none of them reads.

All that look are asked at about the same time, whatever each of them is doing, also those of which nothing is read at
present: what one of them reads or lets lie is no stray for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.adapters.contract import Survey, Surveyor
from hub.errors import HubError, Unavailable
from hub.ledger import sources
from hub.ledger.engine import Ledger
from hub.stages.patience import pause

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds between looks
LIMIT = 60.0  # seconds a place has to answer
GRACE = 600_000  # milliseconds: so long a file may have another name until it is whole
NAMES = 5  # so many are told by name
Spot = tuple[str, str]  # folder and name


@dataclass(frozen=True, slots=True)
class Rest:
    """What else looks into folders: `idle` sources, of which nothing is read now; `outs` are the receivers' folders."""

    idle: Mapping[str, Surveyor] = field(default_factory=dict)
    outs: Collection[str] = ()


class Strays:
    """Looks for them, and keeps in the ledger which there are, at the first source in whose folder they lie."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], datetime],
        asks: Mapping[str, Callable[[], Awaitable[Survey]]],
        rest: Rest,
    ) -> None:
        idle = {key: _threaded(source) for key, source in rest.idle.items()}
        self._ledger, self._clock, self._outs = ledger, clock, rest.outs
        self._asks = {**asks, **idle}
        self._seen: dict[Spot, int] | None = None  # since when, in milliseconds

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            await self.look()
            await pause(stop, EVERY)

    async def look(self, limit: float = LIMIT) -> None:
        """Look once, for `limit` seconds at most; what goes wrong is told in the log, and nobody waits for it."""
        try:
            asked = await asyncio.gather(*(_asked(key, ask, limit) for key, ask in self._asks.items()))
            surveys = {key: found for key, found in zip(self._asks, asked, strict=True) if found is not None}
            told = self.told(surveys, int(self._clock().timestamp() * 1000))
            await asyncio.to_thread(self._store, surveys, told)
        except Unavailable as error:
            log.debug("files that nothing reads cannot be kept: %s", error)
        except Exception:
            log.exception("a fault of the hub while it looked for files that nothing reads")

    def told(self, surveys: Mapping[str, Survey], now: int) -> dict[str, dict[str, Any]]:
        """Return `{"count", "names", "since"}` by source of what has lain there for long (`now`: milliseconds).

        At the first look that is as the files' own times have it, later since they were seen first.
        """
        own = {spot for survey in surveys.values() for spot in survey.own}
        seen: dict[Spot, int] = {}
        found: dict[str, list[tuple[str, int]]] = {}
        for key, survey in surveys.items():
            for spot, (label, written) in survey.others.items():
                if spot in own or spot in seen or spot[0] in self._outs:
                    continue
                begun = now if written is None else min(written, now)
                seen[spot] = begun if self._seen is None else self._seen.get(spot, now)
                if seen[spot] <= now - GRACE:
                    found.setdefault(key, []).append((label, seen[spot]))
        self._seen = seen
        return {
            key: {
                "count": len(each),
                "names": sorted(plain(label) for label, _ in each)[:NAMES],
                "since": min(since for _, since in each),
            }
            for key, each in found.items()
        }

    def _store(self, surveys: Collection[str], told: Mapping[str, dict[str, Any]]) -> None:
        """Keep what has changed; of a source that could not be asked what was told stands, of one that is gone none."""
        kept = {f"{each.system}.{each.source}": each.unread for each in sources.listing(self._ledger)}
        for key in {**kept, **told}:
            if (key in surveys or key not in self._asks) and kept.get(key) != told.get(key):
                system, _, name = key.partition(".")
                sources.set_unread(self._ledger, system, name, told.get(key))


def plain(label: str) -> str:
    """Return a file's label as it can be stored and shown: what is no character, or steers a terminal, is escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in label)


async def _asked(key: str, ask: Callable[[], Awaitable[Survey]], limit: float) -> Survey | None:
    try:
        return await asyncio.wait_for(ask(), limit)
    except (HubError, OSError, TimeoutError) as error:
        log.debug("what lies beside the files of %s cannot be seen: %s", key, error)
        return None


def _threaded(source: Surveyor) -> Callable[[], Awaitable[Survey]]:
    async def ask() -> Survey:
        return await asyncio.to_thread(source.survey)

    return ask

"""Keeps in the ledger which files lie in a city's folders that no source reads: for people, who must be told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from hub.adapters.contract import Seen
from hub.errors import HubError
from hub.ledger import sources
from hub.ledger.engine import Ledger
from hub.stages.patience import pause

log = logging.getLogger(__name__)
EVERY = 60.0  # seconds between looks
LIMIT = 10.0  # seconds a drain waits for one
GRACE = 600_000  # milliseconds: so long a file may have another name until it is whole
NAMES = 5  # so many are told by name


class Strays:
    """Looks now and then, in a thread of its own: a mount that hangs holds up nothing else."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], look: Callable[[], Seen]) -> None:
        self._ledger, self._clock, self._look = ledger, clock, look
        self._looking: asyncio.Future[Seen] | None = None
        self._hangs = False
        self._seen: dict[tuple[str, str], int] | None = None  # since when, in milliseconds

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop."""
        while not stop.is_set():
            looking, stopping = asyncio.create_task(self.look(EVERY)), asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                looking.cancel()
                stopping.cancel()
                await asyncio.gather(looking, stopping, return_exceptions=True)
            await pause(stop, EVERY)

    async def look(self, limit: float) -> None:
        """Look once, for `limit` seconds at most; what goes wrong is told in the log, and nobody waits for it."""
        try:
            if self._looking is None:  # else the last one has not come back
                self._looking = _aside(self._look)
            await asyncio.wait({self._looking}, timeout=max(limit, 1.0))
            if not self._looking.done():
                self._note_hanging(hangs=True)
                return
            looking, self._looking = self._looking, None
            self._note_hanging(hangs=False)
            found = looking.result()
            told = self.told(found, int(self._clock().timestamp() * 1000))
            await asyncio.to_thread(self._store, found.failed, told)
        except HubError as error:
            log.debug("files that nothing reads cannot be kept: %s", error)
        except Exception:
            log.exception("a fault of the hub while it looked for files that nothing reads")

    def _note_hanging(self, *, hangs: bool) -> None:
        """Tell once that a folder does not answer, and once that all do again."""
        if hangs and not self._hangs:
            log.warning("a source's folder does not answer: files that nothing reads are not looked for")
        elif self._hangs and not hangs:
            log.warning("the sources' folders answer again")
        self._hangs = hangs

    def told(self, found: Seen, now: int) -> dict[str, dict[str, Any]]:
        """Return `{"count", "names", "since"}` by source of what has lain there for long (`now`: milliseconds).

        At the first look that is as the files' own times have it, later since they were seen first.
        """
        before = self._seen
        told: dict[str, list[tuple[str, int]]] = {}
        # where one could not look, what was there is taken to be there still
        self._seen = dict(before) if before and found.failed else {}
        for spot, (key, label, written) in found.strays.items():
            since = min(written, now) if before is None else before.get(spot, now)
            self._seen[spot] = since
            if since <= now - GRACE:
                told.setdefault(key, []).append((label, since))
        return {key: summed(each) for key, each in told.items()}

    def _store(self, failed: Collection[str], told: Mapping[str, dict[str, Any]]) -> None:
        """Keep what has changed; where one could not look what was told stands."""
        kept = {f"{each.system}.{each.source}": each.unread for each in sources.listing(self._ledger)}
        for key in {**kept, **told}:
            if key not in failed and kept.get(key) != told.get(key):
                system, _, name = key.partition(".")
                sources.set_unread(self._ledger, system, name, told.get(key))


def summed(found: Collection[tuple[str, int]]) -> dict[str, Any]:
    """Return `{"count", "names", "since"}` of files, given as labels with since when they lie there (milliseconds)."""
    names = sorted(plain(label) for label, _ in found)[:NAMES]
    return {"count": len(found), "names": names, "since": min(since for _, since in found)}


def plain(label: str) -> str:
    """Return a file's label as it can be stored and shown: what is no character, or steers a terminal, is escaped."""
    return "".join(
        each if each.isprintable() or each == "\u3000" else each.encode("unicode_escape").decode() for each in label
    )


def _aside(call: Callable[[], Seen]) -> asyncio.Future[Seen]:
    """Call in a thread that nobody waits for at the process's end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Seen] = loop.create_future()

    def settle(found: Seen | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        elif found is not None:
            future.set_result(found)

    def run() -> None:
        found, fault = None, None
        try:
            found = call()
        except Exception as error:  # noqa: BLE001 — told where it is waited for
            fault = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, fault)

    threading.Thread(target=run, name="strays", daemon=True).start()
    return future

"""The list of protected residents where only changes are read (a table with a growing column), looked at as a whole.

Every look reads all of it. Whom it names is protected at once. It counts as read when it is believed: not empty, and
with those in it whom the last one named; else it is held as a batch, and a person decides.
"""

from __future__ import annotations

import hashlib
import time

from hub.adapters.contract import Source
from hub.ledger import batches, sources
from hub.ledger.batches import Arrival
from hub.ledger.protected import Register, believe, last_list, protect_early
from hub.settings.models import Protection
from hub.stages import spool
from hub.stages.clock import timestamp
from hub.stages.guards import Listed, list_breaches
from hub.stages.protecting import marks_in
from hub.stages.records import Origin, Prepared, prepare
from hub.stages.services import Services, SourceRunner
from hub.stages.spool import Spool
from hub.stages.steps import Steps

OFTEN = 60.0  # seconds between looks, unless the list may not be as old as four of them


def keeps_rows(source: Source) -> bool:
    """Say whether a source hands over changes, and can be read from its start at any time."""
    return bool(getattr(source, "keeps_rows", False))


class ListWatch:
    """Looks at the whole list of one source."""

    def __init__(self, runner: SourceRunner, protection: Protection, services: Services) -> None:
        if services.held is None:
            raise ValueError("the list of protected residents needs a folder for held batches")
        self._runner = runner
        self._protection = protection
        self._services = services
        self._folder = services.held
        self._key = f"{runner.system}.{runner.name}"
        self._every = min(OFTEN, protection.max_age / 4)
        self._looked: float | None = None

    async def look(self, steps: Steps, *, held: bool) -> None:
        """Look again if it is time (a drain always does); `held` says that a batch waits for a person already."""
        now = time.monotonic()
        if steps.patience is None and self._looked is not None and now - self._looked < self._every:
            return
        made = await steps.once(spool.create, self._folder, self._key)
        kept = False
        try:
            found, digest = await steps.lasting(self._read, made)
            if not held:
                kept = await self._judge(found, digest, made, steps)
        finally:
            await steps.once(made.close if kept else made.remove)
        self._looked = now

    def _read(self, made: Spool) -> tuple[Listed, str]:
        """Read all of it into the spool, and protect at once whom it names."""
        made.clear()
        runner, services = self._runner, self._services
        origin = Origin(runner.system, runner.name, services.city)
        named: set[str] = set()
        digest = hashlib.sha256()
        rows = unreadable = 0
        for batch in runner.source.read(None):
            prepared = prepare(batch, runner.mappers, origin, now=timestamp(services.clock()))
            made.add(prepared.records)
            self._protect(prepared)
            named.update(key.decode() for key, _ in prepared.records)
            digest.update(b"".join(row.raw + b"\n" for row in batch.rows))
            rows += prepared.rows
            unreadable += len(prepared.entries)
        last = last_list(services.ledger, self._key)
        return Listed(rows, named, last, unreadable=unreadable), digest.hexdigest()[:16]

    def _protect(self, prepared: Prepared) -> None:
        marks = marks_in(prepared.records)
        known = Register(self._services.ledger)(subject for subject, _ in marks)
        protect_early(self._services.ledger, [mark for mark in marks if mark[0] not in known])

    async def _judge(self, found: Listed, digest: str, made: Spool, steps: Steps) -> bool:
        """Believe the list, or hold it; say whether the spool is the ledger's now."""
        reasons = list_breaches(self._protection, found)
        if not reasons:
            await steps.lasting(self._believe, found)
            return False
        token = {**await steps.once(made.seal), "list": True}
        id_ = f"{self._key}@{digest}"
        arrival = Arrival(self._runner.system, self._runner.name, id_, self._key, found.rows)
        arrival.quarantined = found.unreadable
        return await steps.lasting(self._hold, arrival, "; ".join(reasons), token)

    def _believe(self, found: Listed) -> None:
        ledger, runner = self._services.ledger, self._runner
        with ledger.write() as connection:
            sources.refresh(connection, runner.system, runner.name, ledger.now(connection))
            if found.named != found.last:
                believe(connection, self._key, found.named)

    def _hold(self, arrival: Arrival, reason: str, token: dict[str, object]) -> bool:
        with self._services.ledger.write() as connection:
            return batches.hold(connection, arrival, self._services.now, reason=reason, spool=token)

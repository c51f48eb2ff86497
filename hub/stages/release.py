"""Publishing what a person has released: in order, from its spool, until Kafka has all of it.

A crash in the middle publishes it again from its start: the events are the same ones, so that they count once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hub.errors import HubError, Transient, Unavailable
from hub.ledger import batches, sources
from hub.ledger.batches import Arrival, Item
from hub.ledger.protected import believe
from hub.ledger.sources import Tally
from hub.stages import spool
from hub.stages.gate import publish_spool
from hub.stages.patience import Stopping, pause
from hub.stages.services import Services
from hub.stages.spool import Spool, SpoolChanged
from hub.stages.steps import Steps

T = TypeVar("T")
EVERY = 2.0  # seconds between looks at the ledger
_AGAIN = 0.1  # seconds, while another process publishes
_log = logging.getLogger(__name__)


class Releaser:
    """Publishes released batches of every source, one after the other."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.faults: dict[str, HubError] = {}  # by batch id: why it is not in Kafka yet
        self._services = services
        self._folder = folder
        self._swept = False

    async def run(self, stop: asyncio.Event) -> None:
        """Look for released batches until asked to stop."""
        while not stop.is_set():
            try:
                await self._pass(stop, None)
            except Stopping:
                return
            except Exception:  # noqa: BLE001 - looked for again
                _log.exception("released batches could not be looked for")
            await pause(stop, EVERY)

    async def exhaust(self, patience: float) -> None:
        """Publish what is released, waiting for what another process publishes.

        Raises `Unavailable` when Kafka or the ledger stays away for `patience` seconds.
        """
        end = time.monotonic() + patience
        stop = asyncio.Event()
        while await self._pass(stop, patience) and time.monotonic() < end:
            await pause(stop, _AGAIN)

    async def _pass(self, stop: asyncio.Event, patience: float | None) -> bool:
        """Publish what is released; tell whether another process is publishing some of it."""
        steps = Steps(_threaded, stop, lambda _: None, patience)
        if not self._swept:
            await steps.lasting(spool.sweep, self._folder, partial(batches.spooled, self._services.ledger))
            self._swept = True
        busy = False
        found = await steps.lasting(batches.released, self._services.ledger)
        self.faults = {id_: fault for id_, fault in self.faults.items() if id_ in {item.id for item in found}}
        for item in found:
            try:
                busy |= not await self._publish(item, steps)
            except (Stopping, Unavailable):
                raise
            except Exception as error:  # noqa: BLE001 - one batch that fails holds up no other source's
                self._note(item, error)
            else:
                self.faults.pop(item.id, None)
        return busy

    async def _publish(self, item: Item, steps: Steps) -> bool:
        """Publish one batch; False when another process is at it."""
        token = item.spool or {}
        if not await steps.once(spool.is_here, self._folder, token):
            return True  # for the machine that has it
        try:
            held = await steps.once(spool.open_sealed, self._folder, token)
        except SpoolChanged as change:
            # Looked at again: another process may have finished it and removed the file between the two looks.
            reason = f"it was released, but {change}: reject it, and bring the file again"
            await steps.lasting(batches.hold_again, self._services.ledger, item.no, reason)
            return True
        if held is None:
            return False
        try:
            await self._publish_open(item, held, steps)
        finally:
            held.close()
        return True

    async def _publish_open(self, item: Item, held: Spool, steps: Steps) -> None:
        arrival = Arrival(item.system, item.source, item.id, item.label)
        refused = await publish_spool(held, arrival, self._services, steps)
        named = await steps.once(_named, held) if (item.spool or {}).get("list") else None
        await steps.lasting(self._keep_published, item, refused, named)
        held.path.unlink(missing_ok=True)

    def _keep_published(self, item: Item, refused: Counter[str], named: set[str] | None) -> None:
        """Store that the batch is in Kafka, and that its source is read as far as it stands.

        `named` are the residents of a list of protected ones that a person believes.
        """
        ledger = self._services.ledger
        state = sources.load(ledger, item.system, item.source)
        in_part = (item.spool or {}).get("list") is False  # changes of a list of protected residents
        with ledger.write() as connection:
            if batches.published(connection, item.no, refused=refused) and state.position is not None:
                at = state.read_at if in_part else ledger.now(connection)
                sources.advance(connection, item.system, item.source, position=state.position, tally=Tally(), at=at)
                if named is not None:
                    believe(connection, f"{item.system}.{item.source}", named)

    def _note(self, item: Item, error: Exception) -> None:
        named = error if isinstance(error, HubError) else Transient(f"{type(error).__name__}: {error}", code="fault")
        if str(self.faults.get(item.id)) != str(named):
            _log.warning("the released batch %s cannot be published: %s", item.id, named)
        self.faults[item.id] = named


def _named(held: Spool) -> set[str]:
    return {key.decode() for chunk in held.chunks() for key, _ in chunk}


async def _threaded(call: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(call, *arguments)

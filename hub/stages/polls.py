"""Polls of Kafka on their way through dispatch into the log, as receivers of the same process read it.

While a large poll is planned, receivers that write large batches to files wait for their turn: they would only take the
interpreter from it, and it from them. They go on while the poll is written, when the database works and dispatch waits.
All others send what is due whenever they can; they spend their time waiting for a system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from hub.stages.dispatch import Dispatcher, Record
from hub.stages.log import LogReader

LARGE = 1000  # records
_PLANNING = 2.0  # seconds that planning takes at most before nobody waits for it any more
_NEXT = 0.1  # seconds in which another poll follows a large one, where more is waiting


class Polls:
    """Takes polls in, one at a time; runs on the event loop."""

    def __init__(self, dispatcher: Dispatcher, reader: LogReader) -> None:
        self._dispatcher = dispatcher
        self._reader = reader

    async def take(self, records: Sequence[Record]) -> None:
        """Commit a poll and append it to the log; raises what `Dispatcher.handle` raises."""
        reader, large = self._reader, len(records) >= LARGE
        if large:
            reader.shut(_PLANNING)
        try:
            writes = partial(self._written, asyncio.get_running_loop())
            chunks = await asyncio.to_thread(self._dispatcher.handle, records, writes)
        except BaseException:
            reader.open()
            raise
        if large:
            reader.shut(_NEXT)
        for chunk in chunks:
            reader.append(chunk)

    def _written(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the receivers go on, from dispatch's thread; one that outlives the loop commits all the same."""
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._reader.open)

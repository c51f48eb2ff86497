"""One writer a process: the settlements of all receivers in one transaction; the next starts when the last ends."""

from __future__ import annotations

import asyncio

from hub.errors import HubError
from hub.ledger.desk import Desk, Settlement


class Writer:
    """Coalesces settlements. `settle` answers False when the receiver's lease has moved."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._queue: list[tuple[Settlement, asyncio.Future[bool]]] = []
        self._busy: asyncio.Task[None] | None = None

    async def settle(self, settlement: Settlement) -> bool:
        """Write a settlement; raises what the ledger raises (`LedgerUnavailable`: it may or may not be written)."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.append((settlement, future))
        if self._busy is None:
            self._busy = asyncio.create_task(self._drain())
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(0)  # let every receiver that is ready join this transaction
                taken, self._queue = self._queue, []
                await self._write(taken)
        finally:
            self._busy = None

    async def _write(self, taken: list[tuple[Settlement, asyncio.Future[bool]]]) -> None:
        try:
            fenced = await asyncio.to_thread(self._desk.settle, [settlement for settlement, _ in taken])
        except Exception as error:  # noqa: BLE001 - handed to each receiver, which knows what it may do
            if len(taken) > 1 and not isinstance(error, HubError):  # what one of them says cannot be stored
                for one in taken:
                    await self._write([one])
                return
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        for settlement, future in taken:
            if not future.done():
                future.set_result(settlement.receiver not in fenced)

"""Adapters with one fault each, made by wrapping a sound one: what the kit is there to catch."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from hub.adapters.contract import Batch, Delivery, Outcome, SourceBatch
from hub.errors import HubError, Transient

log = logging.getLogger("mutant")


class Mutant:
    """Hands everything on to a sound adapter; `first` names the check that must find the fault."""

    first: ClassVar[str] = ""
    breaks: ClassVar[bool] = False  # what it leaves behind cannot even be read

    def __init__(self, inner: Any, case: Any) -> None:
        self.inner, self.case = inner, case
        if hasattr(inner, "features"):
            self.features = inner.features

    @classmethod
    def differs(cls, case: Any) -> bool:  # noqa: ARG003
        """Say whether the fault is one on this case: a mutant that does what the sound one does cannot be caught."""
        return True


# --- sources -------------------------------------------------------------------------------------------------------


class SourceMutant(Mutant):
    def read(self, after: Any) -> Iterator[SourceBatch]:
        yield from self.inner.read(after)

    def acknowledge(self, batch: SourceBatch) -> None:
        self.inner.acknowledge(batch)


class PositionTooFar(SourceMutant):
    first = "resumes_after_every_position"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        batches = list(self.inner.read(after))
        for this, following in zip(batches, [*batches[1:], None], strict=True):
            this.position = following.position if following else this.position
            yield this


class PositionTooEarly(SourceMutant):
    first = "resumes_after_every_position"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        before: Any = None
        for found in self.inner.read(after):
            own, found.position = found.position, before or found.position
            before = own
            yield found


class OneRowTooFar(SourceMutant):
    """Resumes one row behind the right one."""

    first = "resumes_after_every_position"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for number, found in enumerate(self.inner.read(after)):
            if after is not None and not number:
                del found.rows[:1]
            yield found


class AcknowledgedBeforeWritten(SourceMutant):
    first = "nothing_is_taken_before_acknowledge"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for found in self.inner.read(after):
            self.inner.acknowledge(found)
            yield found

    @classmethod
    def differs(cls, case: Any) -> bool:
        return takes(case)


class NeverAcknowledged(SourceMutant):
    first = "acknowledged_is_not_read_again"

    def acknowledge(self, batch: SourceBatch) -> None:
        pass

    @classmethod
    def differs(cls, case: Any) -> bool:
        return takes(case)


class ErrorSwallowed(SourceMutant):
    first = "a_broken_record_is_alone"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for found in self.inner.read(after):
            found.rows = [row for row in found.rows if row.error is None]
            yield found


class AbsenceSwallowed(SourceMutant):
    first = "an_absent_system_is_transient"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        try:
            yield from self.inner.read(after)
        except Transient:
            return


class RowsDoubled(SourceMutant):
    first = "nothing_is_taken_before_acknowledge"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for found in self.inner.read(after):
            found.rows = [row for row in found.rows for _ in range(2)]
            yield found


class HalfAUnit(SourceMutant):
    first = "reads_every_row_in_order"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for found in self.inner.read(after):
            found.last = True
            yield found
            return


class TakenWhenBrokenOff(SourceMutant):
    """Puts a unit away when reading ends, also when it ends in the middle."""

    first = "reading_may_be_broken_off"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        whole = list(self.inner.read(after))
        try:
            yield from whole
        except GeneratorExit:
            self.inner.acknowledge(whole[-1])
            raise

    @classmethod
    def differs(cls, case: Any) -> bool:
        return takes(case)


class OneReaderAlone(SourceMutant):
    """While one process has read, another gets nothing and says nothing."""

    first = "two_readers_lose_nothing"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        if getattr(self.case, "reader", self) is self:
            self.case.reader = self
            yield from self.inner.read(after)


class AllAtOnce(SourceMutant):
    first = "reads_in_constant_memory"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        yield from list(self.inner.read(after))

    @classmethod
    def differs(cls, case: Any) -> bool:
        return bool(case.adapter.name != "excel")  # the same code as the other files': to trace it takes half a minute


class SourceThatTalks(SourceMutant):
    first = "nothing_secret_is_said"

    def read(self, after: Any) -> Iterator[SourceBatch]:
        for found in self.inner.read(after):
            log.warning("read %s", [row.raw.decode("cp932", "replace") + str(row.values) for row in found.rows])
            yield found

    @classmethod
    def differs(cls, case: Any) -> bool:
        return "守口" in str(case.fill_broken())


def takes(case: Any) -> bool:
    """Say whether reading takes something away: a file that is moved or deleted."""
    return getattr(case, "options", {}).get("after") in ("move", "delete")


# --- sinks ---------------------------------------------------------------------------------------------------------


class SinkMutant(Mutant):
    async def deliver(self, batch: Batch) -> Any:
        return await self.inner.deliver(batch)

    async def confirm(self, batch: Batch) -> Any:
        return await self.inner.confirm(batch)

    async def close(self) -> None:
        await self.inner.close()


class FailureSwallowed(SinkMutant):
    first = "an_absent_system_is_waited_for"

    async def deliver(self, batch: Batch) -> Any:
        with suppress(HubError):
            await self.inner.deliver(batch)
        return [Outcome(each.key) for each in batch.deliveries]


class AnsweredBeforeWritten(SinkMutant):
    first = "takes_a_full_batch"

    def __init__(self, inner: Any, case: Any) -> None:
        super().__init__(inner, case)
        self.waiting: list[Batch] = []

    async def deliver(self, batch: Batch) -> Any:
        self.waiting.append(batch)
        return [Outcome(each.key) for each in batch.deliveries]

    async def close(self) -> None:
        for batch in self.waiting:
            await self.inner.deliver(batch)
        await self.inner.close()


class EffectDoubled(SinkMutant):
    """What an adapter does that stores no delivery key."""

    first = "takes_a_full_batch"

    async def deliver(self, batch: Batch) -> Any:
        outcomes = await self.inner.deliver(batch)
        again = [renamed(each) for each in batch.deliveries]
        await self.inner.deliver(Batch(batch.receiver, batch.no, batch.date, again))
        return outcomes


class LastOneLost(SinkMutant):
    first = "takes_a_full_batch"

    async def deliver(self, batch: Batch) -> Any:
        kept = batch.deliveries[:-1]
        if kept:
            await self.inner.deliver(Batch(batch.receiver, batch.no, batch.date, kept))
        return [Outcome(each.key) for each in batch.deliveries]


class OrderTurned(SinkMutant):
    first = "a_resident_keeps_the_order"

    async def deliver(self, batch: Batch) -> Any:
        turned = list(reversed(batch.deliveries))
        return list(reversed(await self.inner.deliver(Batch(batch.receiver, batch.no, batch.date, turned))))

    @classmethod
    def differs(cls, case: Any) -> bool:
        return bool(case.adapter.features.batch > 1)


class ConfirmsAnything(SinkMutant):
    first = "confirms_as_declared"

    async def confirm(self, batch: Batch) -> Any:
        return [Outcome(each.key) for each in batch.deliveries]


class SinkThatTalks(SinkMutant):
    first = "nothing_secret_is_said"

    async def deliver(self, batch: Batch) -> Any:
        log.warning("sending %s", [each.data for each in batch.deliveries])
        return await self.inner.deliver(batch)


class CallsMixedUp(SinkMutant):
    """Keeps what it is sending where the next call finds it."""

    first = "calls_stand_side_by_side"

    async def deliver(self, batch: Batch) -> Any:
        self.batch = batch
        await asyncio.sleep(0.01)
        await self.inner.deliver(self.batch)
        return [Outcome(each.key) for each in batch.deliveries]

    @classmethod
    def differs(cls, case: Any) -> bool:
        return bool(case.adapter.features.batch == 1)


class LockKept(SinkMutant):
    """A call that is cancelled leaves its turn taken, for all sinks of the case."""

    first = "a_cancelled_call_does_no_harm"

    async def deliver(self, batch: Batch) -> Any:
        if getattr(self.case, "locked", False):
            raise Transient("somebody else's turn")
        self.case.locked = True
        outcomes = await self.inner.deliver(batch)
        self.case.locked = False
        return outcomes


# --- sinks in two steps --------------------------------------------------------------------------------------------


class PreparedMutant(Mutant):
    async def prepare(self, batch: Batch) -> Any:
        return await self.inner.prepare(batch)

    async def commit(self, batch: Batch, token: Any) -> Any:
        return await self.inner.commit(batch, token)

    async def recover(self, batch: Batch, token: Any) -> Any:
        return await self.inner.recover(batch, token)

    async def withdraw(self, batch: Batch, token: Any) -> Any:
        return await self.inner.withdraw(batch, token)

    async def close(self) -> None:
        await self.inner.close()


class VisibleBeforeRecorded(PreparedMutant):
    first = "prepared_is_not_seen"

    async def prepare(self, batch: Batch) -> Any:
        token = await self.inner.prepare(batch)
        await self.inner.commit(batch, token)
        return token

    async def commit(self, batch: Batch, token: Any) -> Any:
        return await self.inner.recover(batch, token)


class RecoveredTwice(PreparedMutant):
    first = "a_crash_at_any_point_is_finished_once"

    async def recover(self, batch: Batch, token: Any) -> Any:  # noqa: ARG002
        again = Batch(batch.receiver, batch.no + 1000, batch.date, batch.deliveries)
        return await self.inner.commit(again, await self.inner.prepare(again))


class NeverRecovered(PreparedMutant):
    first = "a_crash_at_any_point_is_finished_once"

    async def recover(self, batch: Batch, token: Any) -> Any:  # noqa: ARG002
        return [Outcome(each.key) for each in batch.deliveries]


class HalfAFile(PreparedMutant):
    first = "takes_a_full_batch"
    breaks = True

    async def commit(self, batch: Batch, token: Any) -> Any:
        outcomes = await self.inner.commit(batch, token)
        for path in self.case.folder.rglob("[!.]*"):
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2)
        return outcomes


class LastLineLost(PreparedMutant):
    """Writes all deliveries but the last, and says that it has."""

    first = "takes_a_full_batch"

    async def prepare(self, batch: Batch) -> Any:
        return await self.inner.prepare(_shorter(batch))

    async def commit(self, batch: Batch, token: Any) -> Any:
        return [*await self.inner.commit(_shorter(batch), token), Outcome(batch.deliveries[-1].key)]

    async def recover(self, batch: Batch, token: Any) -> Any:
        return [*await self.inner.recover(_shorter(batch), token), Outcome(batch.deliveries[-1].key)]

    @classmethod
    def differs(cls, case: Any) -> bool:
        return bool(case.adapter.features.batch > 1)


class NothingSynced(PreparedMutant):
    first = "visible_means_durable"

    async def prepare(self, batch: Batch) -> Any:
        with unsynced():
            return await self.inner.prepare(batch)

    async def commit(self, batch: Batch, token: Any) -> Any:
        with unsynced():
            return await self.inner.commit(batch, token)


class ForeignHandOverlooked(PreparedMutant):
    first = "a_foreign_hand_stops_the_receiver"

    async def commit(self, batch: Batch, token: Any) -> Any:
        try:
            return await self.inner.commit(batch, token)
        except HubError:
            return [Outcome(each.key) for each in batch.deliveries]


class PreparedThatTalks(PreparedMutant):
    first = "nothing_secret_is_said"

    async def prepare(self, batch: Batch) -> Any:
        log.warning("writing %s", [each.data for each in batch.deliveries])
        return await self.inner.prepare(batch)


def _shorter(batch: Batch) -> Batch:
    return Batch(batch.receiver, batch.no, batch.date, batch.deliveries[:-1])


def renamed(delivery: Delivery) -> Delivery:
    """Return the delivery as one that no key can tell to be a repeat."""
    body = delivery.body.replace(b'"deliverykey":"', b'"deliverykey":"again-')
    return Delivery(
        f"again-{delivery.key}", delivery.no + 1000, delivery.event_id, delivery.type, delivery.subject, delivery.time,
        body, delivery.action,
    )  # fmt: skip


@contextmanager
def unsynced() -> Iterator[None]:
    """Let nothing be synced while the block runs."""
    kept = os.fsync, os.fdatasync
    os.fsync = os.fdatasync = lambda _descriptor: None
    try:
        yield
    finally:
        os.fsync, os.fdatasync = kept


def concrete(base: type[Mutant]) -> list[type[Mutant]]:
    """Return the mutants of a kind, in written order."""
    return base.__subclasses__()

"""The calls of one receiver's sink: which are made, in what order, and what a failure of one may say.

What a sink raises is given a name here, and loses what was sent: errors are kept, listed and logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from hub.adapters.contract import Batch, Delivery, Outcome
from hub.errors import (
    HubError,
    LedgerUnavailable,
    Malformed,
    OutcomeUnknown,
    ReceiverStopped,
    Rejected,
    Transient,
)
from hub.stages.masking import mask, masked
from hub.stages.receiver_port import ReceiverPort
from hub.stages.rounds import Round

log = logging.getLogger(__name__)
T = TypeVar("T")


class NotTried(HubError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The call was never made: an earlier one of its lane failed, or the system went away."""


class Fault(HubError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The sink failed with an error that is none of an adapter's: it may be one delivery that it cannot take."""


class SinkCalls:
    """What one receiver's sink is asked; `features` are the sink's own once it is open, whose settings may narrow them.

    `ends()` says that no more calls are made in a round, of which there may be many; `changed(works)` whether one of
    them holds what a resident, protected since it was made, must not have told.
    """

    def __init__(
        self,
        key: str,
        port: ReceiverPort,
        ends: Callable[[], bool],
        changed: Callable[[Round], Awaitable[bool]],
    ) -> None:
        self.features = port.features
        self._key = key
        self._port = port
        self._ends = ends
        self._changed = changed
        self._sink: Any = None

    @property
    def is_open(self) -> bool:
        """Say whether there is a sink to call."""
        return self._sink is not None

    def open(self) -> None:
        """Open the sink."""
        self._sink = self._port.open()
        self.features = getattr(self._sink, "features", self._port.features)

    async def close(self) -> None:
        """Close the sink, whole: half closed, a file would stay locked until this process ends."""
        sink, self._sink = self._sink, None
        if sink is not None:
            await _whole(sink.close())

    # --- in two steps ----------------------------------------------------------------------------------------------

    async def prepare(self, batch: Batch) -> dict[str, Any]:
        """Let the sink write a batch where no reader sees it; return its token. Raises `Fault` and what adapters do."""
        return await _whole(_named(self._sink.prepare(batch), batch))

    async def commit(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Let readers see a prepared batch."""
        return await _whole(_masking(self._sink.commit(batch, token), batch))

    async def recover(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Finish what a former owner prepared, and perhaps committed."""
        return await _whole(_masking(self._sink.recover(batch, token), batch))

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:
        """Take back a prepared batch of which a reader has seen nothing; False when it stands already."""
        return bool(await _whole(_masking(self._sink.withdraw(batch, token), batch)))

    # --- what a system has -----------------------------------------------------------------------------------------

    async def confirm(self, batch: Batch) -> Sequence[Outcome | None]:
        """Ask a system what it has of these. Raises `Fault` and what adapters do."""
        return await _named(self._sink.confirm(batch), batch)

    async def known(self, batch: Batch) -> Sequence[Outcome | None]:
        """Ask a system what it has; when its adapter breaks over that, nothing is known and a person decides."""
        try:
            return await self.confirm(batch)
        except Fault as fault:
            log.exception("%s: a fault of the adapter, asked what its system has", self._key)
            doubt = OutcomeUnknown(f"it cannot be asked: {fault.message}", code="confirm")
            return [Outcome(each.key, doubt) for each in batch.deliveries]

    async def _ask_again(self, batch: Batch, outcomes: list[Outcome]) -> list[Outcome]:
        """Ask the system about what it may or may not have done, where it can be asked."""
        doubtful = [at for at, outcome in enumerate(outcomes) if isinstance(outcome.error, OutcomeUnknown)]
        if not doubtful or not self.features.confirms:
            return outcomes
        asked = Batch(batch.receiver, batch.no, batch.date, [batch.deliveries[at] for at in doubtful])
        try:
            answers = await self.known(asked)
        except Transient as error:  # the intent stays open, and asking goes on from there
            raise ReceiverStopped(f"a delivery cannot be confirmed: {error}", code="confirm") from error
        settled = dict(zip(doubtful, answers, strict=True))
        return [settled.get(at) or outcome for at, outcome in enumerate(outcomes)]

    # --- at once ---------------------------------------------------------------------------------------------------

    async def deliver(self, works: Round, batch: Batch) -> Sequence[Outcome]:
        """Send a batch at once, or one delivery after another; ask about what is in doubt.

        Raises `Fault` and what adapters do for a whole batch, `ReceiverStopped` where a doubt cannot be asked about.
        """
        return await self._ask_again(batch, await self._call(works, batch))

    async def _call(self, works: Round, batch: Batch) -> list[Outcome]:
        if self.features.batch == 1:
            return await self._call_lanes(works, batch)
        if not await self._may_go(works):
            return untried(batch)
        return list(await _named(self._sink.deliver(batch), batch))

    async def _call_lanes(self, works: Round, batch: Batch) -> list[Outcome]:
        """Call a one-by-one sink: residents side by side, each resident's deliveries in order, none past a failure."""
        lanes: dict[str, list[int]] = {}
        for index, work in enumerate(works):
            lanes.setdefault(work.subject, []).append(index)
        outcomes: list[Outcome | None] = [None] * len(works)
        gate = asyncio.Semaphore(self._port.settings.parallel)
        away = asyncio.Event()

        async def lane(indices: list[int]) -> None:
            async with gate:
                for index in indices:
                    if away.is_set() or self._ends() or not await self._may_go(Round([works[index]])):
                        return
                    outcome = await self._one(batch, batch.deliveries[index])
                    outcomes[index] = outcome
                    if self._ends_all(outcome.error):
                        away.set()
                    if outcome.error is not None and not isinstance(outcome.error, Rejected | Malformed):
                        return

        await asyncio.gather(*(lane(indices) for indices in lanes.values()))
        return [outcome or none for outcome, none in zip(outcomes, untried(batch), strict=True)]

    async def _may_go(self, works: Round) -> bool:
        """Ask just before a call who is protected by now; what may not go is made anew."""
        try:
            return not await self._changed(works)
        except LedgerUnavailable:
            return False

    def _ends_all(self, error: HubError | None) -> bool:
        """Say whether an outcome ends the whole round: the system is away, or a dead letter stops the receiver."""
        if isinstance(error, Transient):
            return not error.reached
        return isinstance(error, Rejected | Malformed) and self._port.settings.on_dead == "stop"

    async def _one(self, batch: Batch, delivery: Delivery) -> Outcome:
        try:
            outcomes = await self._sink.deliver(Batch(batch.receiver, batch.no, batch.date, [delivery]))
        except (Transient, Rejected, Malformed, OutcomeUnknown) as error:
            return Outcome(delivery.key, error)
        except Exception as error:
            log.exception("%s: a fault of the adapter", self._key)
            text = masked(f"{type(error).__name__}: {error}", [delivery])
            if self.features.idempotent:
                return Outcome(delivery.key, Transient(text, reached=True, code="fault"))
            return Outcome(delivery.key, OutcomeUnknown(text, code="fault"))
        return outcomes[0]  # type: ignore[no-any-return]


def untried(batch: Batch) -> list[Outcome]:
    """Return the outcomes of a batch that was not sent."""
    return [Outcome(delivery.key, NotTried("")) for delivery in batch.deliveries]


def went_out(error: HubError | None, *, behind: bool) -> bool:
    """Say whether a delivery went out, or may have: `behind` a failed one of its resident, only if the sink says so."""
    if behind:
        return error is None or isinstance(error, OutcomeUnknown)
    return not isinstance(error, NotTried)


def in_doubt(delivery: Delivery) -> Outcome:
    """Return the outcome of a delivery of which nobody can say whether it went out."""
    return Outcome(delivery.key, OutcomeUnknown("the hub ended while this was being sent", code="sending"))


async def _named(step: Coroutine[Any, Any, T], batch: Batch) -> T:
    """Give what a sink raises a name, without what was sent; raises `Fault`."""
    try:
        return await _masking(step, batch)
    except HubError:
        raise
    except Exception as error:
        raise Fault(masked(f"{type(error).__name__}: {error}", batch.deliveries), code="fault") from error


async def _masking(step: Coroutine[Any, Any, T], batch: Batch) -> T:
    """Take what was sent out of the words of an error that the hub knows; of any other only its kind is told."""
    try:
        return await step
    except HubError as error:
        mask(error, batch.deliveries)
        raise


async def _whole(step: Coroutine[Any, Any, T]) -> T:
    """Let a step of a file sink end even when its caller is cancelled: the thread that writes needs the file open."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise

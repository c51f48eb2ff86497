"""Checks of every sink: once in effect, refusals alone, an absent system waited for, features as declared."""
# ruff: noqa: D401 — a check's docstring says what holds

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from hub.adapters.conformance.cases import Failure, SinkCase, batch, deliveries, expect
from hub.adapters.conformance.hearing import Hearing
from hub.adapters.contract import Batch, Features, Outcome, PreparedSink, Sink
from hub.errors import HubError, OutcomeUnknown, Rejected, Transient

TRIES, PAUSE = 200, 0.05  # seconds between tries
TURNS = 5  # of the event loop, after which a call is cancelled


async def send(sink: Sink | PreparedSink, content: Batch) -> Sequence[Outcome]:
    """Deliver a batch in one step or two, as the hub does."""
    if isinstance(sink, PreparedSink):
        return await sink.commit(content, through_json(await sink.prepare(content)))
    return await sink.deliver(content)


def through_json(token: dict[str, Any]) -> dict[str, Any]:
    """Return a token as the ledger gives it back."""
    read: dict[str, Any] = orjson.loads(orjson.dumps(token))
    return read


def features_of(case: SinkCase, sink: Sink | PreparedSink) -> Features:
    """Return what this sink promises: its own features, where settings change them, or its adapter's."""
    features: Features = getattr(sink, "features", case.adapter.features)
    return features


def all_delivered(outcomes: Sequence[Outcome], content: Batch) -> None:
    """Expect that every delivery of a batch is answered as delivered, in order."""
    expect([one.key for one in outcomes] == [one.key for one in content.deliveries], "not one outcome each, in order")
    failed = [one for one in outcomes if one.error is not None]
    expect(not failed, f"not delivered: {failed[:1]}")


def keys(content: Batch) -> list[str]:
    """Return the delivery keys of a batch, in order."""
    return [one.key for one in content.deliveries]


async def takes_a_full_batch(case: SinkCase) -> None:
    """A batch of the declared size takes effect once and in order, with an outcome for each delivery."""
    sink = case.open()
    size = features_of(case, sink).batch
    expect(size >= 1, "a sink takes at least one delivery")
    first, second = batch(deliveries(size)), batch(deliveries(3, start=size), no=2)
    all_delivered(await send(sink, first), first)
    expect(case.seen() == keys(first), "what was answered as delivered had not taken effect")
    for part in [second] if size > 1 else [batch([one], no=2) for one in second.deliveries]:
        all_delivered(await send(sink, part), part)
    await sink.close()
    expect(case.seen() == keys(first) + keys(second), "the system has seen something else")


async def a_resident_keeps_the_order(case: SinkCase) -> None:
    """Deliveries of one resident in a batch take effect in their order, whatever becomes of others between them."""
    sink = case.open()
    content = batch(deliveries(min(6, features_of(case, sink).batch), residents=2))
    all_delivered(await send(sink, content), content)
    await sink.close()
    seen = case.seen()
    for subject in {one.subject for one in content.deliveries}:
        own = [one.key for one in content.deliveries if one.subject == subject]
        expect([key for key in seen if key in own] == own, "one resident's deliveries took effect in another order")


async def a_repeat_has_the_declared_effect(case: SinkCase) -> None:
    """A batch delivered twice takes effect once where `idempotent` is declared, and twice where it is not."""
    sink = case.open()
    content = batch(deliveries(1))
    all_delivered(await send(sink, content), content)
    all_delivered(await send(sink, batch(list(content.deliveries), no=2)), content)
    await sink.close()
    times = 1 if features_of(case, sink).idempotent else 2
    expect(case.seen() == keys(content) * times, f"`idempotent` is declared wrongly: seen {len(case.seen())} times")


async def a_refusal_is_alone(case: SinkCase) -> None:
    """What the system refuses for good is `Rejected`; the other deliveries take effect."""
    sink = case.open()
    content = deliveries(3)
    refused = case.refused(content[1])
    if refused is None:
        await sink.close()
        return
    content[1] = refused
    parts = (
        [batch(content)] if features_of(case, sink).batch > 1 else [batch([one], no=i) for i, one in enumerate(content)]
    )
    outcomes = [outcome for part in parts for outcome in await send(sink, part)]
    again = (
        [outcome for part in parts for outcome in await send(sink, part)] if features_of(case, sink).idempotent else []
    )
    await sink.close()
    errors = [outcome.error for outcome in outcomes]
    expect(isinstance(errors[1], Rejected), f"a refusal came as {type(errors[1]).__name__}")
    expect(errors[0] is None and errors[2] is None, "a refusal took others with it")
    expect(case.seen() == [content[0].key, content[2].key], "the system has seen something else")
    expect(all(isinstance(one.error, Rejected) for one in again[1:2]), "a refusal was forgotten when sent again")


async def an_absent_system_is_waited_for(case: SinkCase) -> None:
    """While the system is away the error is `Transient` without an answer; afterwards the same batch goes through."""
    sink = case.open()
    content = batch(deliveries(1))
    with case.away():
        error = await _error(sink, content)
        expect(isinstance(error, Transient), f"the system was away, and the error is {error!r}")
        expect(isinstance(error, Transient) and not error.reached, "an attempt was counted though nobody answered")
        expect(bool(error and str(error)), "the error says nothing")
    all_delivered(await send(sink, content), content)
    await sink.close()
    expect(case.seen() == keys(content), "the system has seen something else")


async def _error(sink: Sink | PreparedSink, content: Batch) -> HubError | None:
    try:
        outcomes = await send(sink, content)
    except HubError as error:
        return error
    return outcomes[0].error


async def calls_stand_side_by_side(case: SinkCase) -> None:
    """Residents side by side, or two owners at once around a takeover: each delivery has the declared effect."""
    sink = case.open()
    features = features_of(case, sink)
    content = batch(deliveries(8 if features.batch == 1 else min(8, features.batch)))
    if features.batch == 1:
        lanes = [batch([one], no=one.no) for one in content.deliveries]
        for part, outcomes in zip(lanes, await asyncio.gather(*(send(sink, part) for part in lanes)), strict=True):
            all_delivered(outcomes, part)
    elif features.idempotent:
        other = case.open()
        await asyncio.gather(until_through(sink, content), until_through(other, content))
        await other.close()
    else:
        all_delivered(await send(sink, content), content)
    await sink.close()
    expect(sorted(case.seen()) == sorted(keys(content)), "side by side the calls had another effect")


async def until_through(sink: Sink | PreparedSink, content: Batch) -> None:
    """Send a batch as the hub does until it is through: what is `Transient` or unknown is tried again."""
    for _ in range(TRIES):
        try:
            outcomes = await send(sink, content)
        except (Transient, OutcomeUnknown):
            outcomes = []
        if outcomes and all(one.error is None for one in outcomes):
            return
        await asyncio.sleep(PAUSE)
    raise Failure(f"after {TRIES * PAUSE:.0f} seconds the batch was not through")


async def a_cancelled_call_does_no_harm(case: SinkCase) -> None:
    """A call that is cancelled anywhere leaves nothing locked; sent again it has the declared effect.

    A sink that is neither idempotent nor in two steps may have been effective before: then it is twice, never lost.
    """
    for turns in range(TURNS):
        sink = case.open()
        features = features_of(case, sink)
        content = batch(deliveries(1, start=turns), no=turns + 1)
        task = asyncio.ensure_future(_cancellable(sink, content))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        expect(
            not isinstance(ended, BaseException) or isinstance(ended, (asyncio.CancelledError, HubError)),
            f"a cancelled call ended with {ended!r}",
        )
        await sink.close()
        later = case.open()
        await until_through(later, content)
        await later.close()
        times = case.seen().count(content.deliveries[0].key)
        most = 1 if features.idempotent or features.prepared else 2
        expect(1 <= times <= most, f"a call cancelled after {turns} turns took effect {times} times")


async def _cancellable(sink: Sink | PreparedSink, content: Batch) -> None:
    """Do the part of a call whose end nobody recorded: all of it, or `prepare`."""
    await (sink.prepare(content) if isinstance(sink, PreparedSink) else sink.deliver(content))


async def nothing_secret_is_said(case: SinkCase) -> None:
    """No secret of its settings stands in a log, an error or a `repr`, and no resident's name in a log."""
    with Hearing() as heard:
        sink = case.open()
        heard.note(sink)
        one, other = deliveries(2)
        heard.note(await _error(sink, batch([one])))
        with case.away():
            heard.note(await _error(sink, batch([other], no=2)))
        refused = case.refused(other)
        if refused is not None:
            heard.note(await _error(sink, batch([refused], no=2)))
        await sink.close()
    heard.expect_silence(case.secrets)


async def confirms_as_declared(case: SinkCase) -> None:
    """Asked afterwards, a sink with `confirms` knows what took effect; any other says that it does not know."""
    sink = case.open()
    if isinstance(sink, PreparedSink):
        expect(not features_of(case, sink).confirms, "a sink in two steps is finished by `recover`, not asked")
        await sink.close()
        return
    done, other = deliveries(2)
    all_delivered(await send(sink, batch([done])), batch([done]))
    answers = await sink.confirm(batch([done, other]))
    await sink.close()
    if not features_of(case, sink).confirms:
        expect(answers == [None, None], "a sink without `confirms` answered")
        return
    expect(answers[0] == Outcome(done.key), "what took effect was not confirmed")
    expect(answers[1] is None or isinstance(answers[1].error, (OutcomeUnknown, Transient)), "what was never sent was")


SINK_CHECKS: tuple[Callable[[SinkCase], Awaitable[None]], ...] = (
    takes_a_full_batch,
    a_resident_keeps_the_order,
    a_repeat_has_the_declared_effect,
    a_refusal_is_alone,
    an_absent_system_is_waited_for,
    confirms_as_declared,
    calls_stand_side_by_side,
    a_cancelled_call_does_no_harm,
    nothing_secret_is_said,
)

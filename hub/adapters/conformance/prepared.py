"""Checks of sinks in two steps: a crash at any point is finished once, and what is visible is durable."""
# ruff: noqa: D401 — a check's docstring says what holds

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hub.adapters.conformance.cases import Failure, PreparedCase, batch, deliveries, expect
from hub.adapters.conformance.sinks import all_delivered, features_of, keys, send, through_json
from hub.adapters.conformance.system import FullDisk, SyncTrace, states_between
from hub.adapters.contract import PreparedSink
from hub.errors import ReceiverStopped, Transient


async def _earlier(case: PreparedCase) -> list[str]:
    """Deliver one batch, so that the system is not empty, and return its keys."""
    sink, content = _open(case), batch(deliveries(2, start=100))
    all_delivered(await send(sink, content), content)
    await sink.close()
    return keys(content)


def _open(case: PreparedCase) -> PreparedSink:
    sink = case.open()
    expect(isinstance(sink, PreparedSink) and features_of(case, sink).prepared, "`prepared` is declared wrongly")
    if not isinstance(sink, PreparedSink):
        raise Failure("no sink in two steps")
    return sink


async def prepared_is_not_seen(case: PreparedCase) -> None:
    """A prepared batch is not visible; it is after `commit`."""
    before = await _earlier(case)
    sink, content = _open(case), batch(deliveries(3), no=2)
    token = through_json(await sink.prepare(content))
    expect(case.seen() == before, "a prepared batch was visible before it was recorded")
    all_delivered(await sink.commit(content, token), content)
    await sink.close()
    expect(case.seen() == before + keys(content), "the system has seen something else")


async def a_crash_at_any_point_is_finished_once(case: PreparedCase) -> None:
    """In every state a crash can leave after `prepare`, `recover` finishes the batch, and again changes nothing."""
    before = await _earlier(case)
    sink, content = _open(case), batch(deliveries(3), no=2)
    token = through_json(await sink.prepare(content))
    prepared = case.snapshot()
    await sink.commit(content, token)
    await sink.close()
    for state in states_between(prepared, case.snapshot()):
        case.put_back(state)
        for _ in range(2):
            sink = _open(case)
            all_delivered(await sink.recover(content, token), content)
            await sink.close()
            expect(case.seen() == before + keys(content), "after a crash the batch was not there exactly once")


async def a_batch_nobody_recorded_leaves_no_trace(case: PreparedCase) -> None:
    """Stopped before the token was recorded: the batch, prepared anew, is there once."""
    before = await _earlier(case)
    sink, content = _open(case), batch(deliveries(3), no=2)
    await sink.prepare(content)
    await sink.close()
    sink = _open(case)
    all_delivered(await send(sink, content), content)
    await sink.close()
    expect(case.seen() == before + keys(content), "a batch prepared twice was not there exactly once")


async def refusals_survive_a_crash(case: PreparedCase) -> None:
    """`commit` and `recover` refuse the same deliveries."""
    content = deliveries(3)
    refused = case.refused(content[1])
    if refused is None:
        return
    content[1] = refused
    sink, whole = _open(case), batch(content)
    token = through_json(await sink.prepare(whole))
    committed = await sink.commit(whole, token)
    await sink.close()
    sink = _open(case)
    recovered = await sink.recover(whole, token)
    await sink.close()
    shown = [[(one.key, type(one.error), str(one.error)) for one in outcomes] for outcomes in (committed, recovered)]
    expect(shown[0] == shown[1], "`recover` answered otherwise than `commit`")


async def a_foreign_hand_stops_the_receiver(case: PreparedCase) -> None:
    """Where something that is not the hub's stands in the way, the sink stops and leaves it as it is."""
    await _earlier(case)
    sink, content = _open(case), batch(deliveries(3), no=2)
    token = through_json(await sink.prepare(content))
    case.meddle(token)
    state = case.snapshot()
    await _stops(sink.commit(content, token))
    await sink.close()
    sink = _open(case)
    await _stops(sink.recover(content, token))
    await sink.close()
    expect(case.snapshot() == state, "what a foreign hand had put there was changed")


async def _stops(call: Awaitable[Any]) -> None:
    try:
        await call
    except ReceiverStopped as error:
        expect(bool(error.mend), "the error does not say what to do")
    else:
        raise Failure("a foreign hand was not noticed")


async def there_is_one_writer(case: PreparedCase) -> None:
    """A second process that writes to the same place waits until the first has closed."""
    first, second, content = _open(case), _open(case), batch(deliveries(3))
    token = await first.prepare(content)
    try:
        await second.prepare(content)
    except Transient:
        pass
    else:
        raise Failure("two processes write to one place")
    all_delivered(await first.commit(content, token), content)
    await first.close()
    later = batch(deliveries(3, start=10), no=2)
    all_delivered(await send(second, later), later)
    await second.close()
    expect(case.seen() == keys(content) + keys(later), "the system has seen something else")


async def visible_means_durable(case: PreparedCase) -> None:
    """Bytes are synced before their name is visible, and the folder that names them before `commit` returns."""
    if not case.on_disk:
        return
    sink, content = _open(case), batch(deliveries(3))
    with SyncTrace() as trace:
        all_delivered(await send(sink, content), content)
        later = batch(deliveries(3, start=10), no=2)
        all_delivered(await send(sink, later), later)
    await sink.close()
    visible = [path for path in case.folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    problems = trace.problems(visible)
    expect(not problems, "; ".join(problems))


async def a_full_disk_doubles_nothing(case: PreparedCase) -> None:
    """When the disk fills nothing is visible, the error is `Transient`, and then the batch goes through."""
    if not case.on_disk:
        return
    before = await _earlier(case)
    content = batch(deliveries(2), no=2)
    room = 0
    while room >= 0:
        state = case.snapshot()
        sink = _open(case)
        token: dict[str, Any] | None = None
        try:
            with FullDisk(room):
                token = through_json(await sink.prepare(content))
                await sink.commit(content, token)
        except Transient:
            expect(case.seen() == before, f"with {room} bytes left, part of a batch stayed visible")
            all_delivered(await (sink.recover(content, token) if token else send(sink, content)), content)
            room += max(61, room // 16)
        else:
            room = -1
        await sink.close()
        expect(case.seen() == before + keys(content), "after a full disk the batch was not there exactly once")
        case.put_back(state)


PREPARED_CHECKS: tuple[Callable[[PreparedCase], Awaitable[None]], ...] = (
    prepared_is_not_seen,
    a_crash_at_any_point_is_finished_once,
    a_batch_nobody_recorded_leaves_no_trace,
    refusals_survive_a_crash,
    a_foreign_hand_stops_the_receiver,
    there_is_one_writer,
    visible_means_durable,
    a_full_disk_doubles_nothing,
)

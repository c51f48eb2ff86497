"""From the hub's parts to what the server's routes call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import Unavailable, UsageError
from hub.ledger import schema, tokens
from hub.ledger.batches import Arrival
from hub.ledger.engine import Ledger
from hub.server.metrics import Metric
from hub.server.ports import Check, FeedPort, Json, Receive, RobotQueue, ServerPorts
from hub.server.replays import Replays
from hub.settings.models import City
from hub.stages import times
from hub.stages.arrivals import Original, keep
from hub.stages.calls import Calls, Taken
from hub.stages.feeds import ADAPTER as FEED
from hub.stages.finding import refuse_unknown, short
from hub.stages.foreman import Foreman
from hub.stages.inquiry import DeliveryFilter, Inquiry
from hub.stages.known import Known
from hub.stages.ports import Producer
from hub.stages.receive import Receipt, Reception
from hub.stages.records import Inward
from hub.stages.robots import ADAPTER as ROBOTS

LARGEST_PAGE = 1000
PAGE = 50


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server is wired to. `producer` is None in a process without intake; `checks` are the stages' own."""

    city: City
    ledger: Ledger
    inquiry: Inquiry
    topic: str
    producer: Producer | None
    calls: Calls | None
    feeds: FeedPort | None  # None in a process without delivery
    robots: RobotQueue | None  # the same
    checks: Callable[[], Sequence[Check]]
    foreman: Callable[[], Foreman]
    inward: Inward


def ports_of(parts: Parts) -> ServerPorts:
    """Return the ports of a city's server."""
    city = parts.city
    replays = Replays(parts.ledger, ZoneInfo(city.timezone), parts.foreman)

    def system_of(token: str) -> str | None:
        system = tokens.system_of(parts.ledger, token)
        return system if system in city.systems else None

    def event(caller: str, event_id: str) -> Json:
        return parts.inquiry.event(event_id, by=caller)

    def deliveries(caller: str, filters: Mapping[str, str]) -> Json:
        wanted, limit, cursor = delivery_query(filters, ZoneInfo(city.timezone))
        refuse_unknown(city, parts.inquiry.named(), wanted.systems, wanted.types)
        return parts.inquiry.deliveries(replace(wanted, party=caller), limit=limit, cursor=cursor)

    return ServerPorts(
        system_of=system_of,
        receive=_receiver(parts),
        hook=parts.calls.receive if parts.calls is not None else _no_hook,
        feeds=parts.feeds or _NoFeeds(),
        event=event,
        deliveries=deliveries,
        replay=replays.begin,
        job=replays.show,
        robots=parts.robots or _NoQueue(),
        checks=lambda: [_ledger_check(parts.ledger), *parts.checks()],
        metrics=lambda: metrics_of(parts.inquiry.status()),
    )


def reported_over_http(city: City, ledger: Ledger) -> bool:
    """Tell whether a system of the city reports over HTTP: a source is called (`webhook`), or it has a valid token."""
    if any("webhook" in source.options for system in city.systems.values() for source in system.sources.values()):
        return True
    schema.ready(ledger)
    return any(each.revoked_at is None and each.system in city.systems for each in tokens.listing(ledger))


def fetched_over_http(city: City) -> bool:
    """Tell whether a system of the city fetches over HTTP what it is told: a receiver has `adapter: pull` or `rpa`."""
    return any(receiver.adapter in (FEED, ROBOTS) and receiver.enabled for receiver in city.receivers())


def _receiver(parts: Parts) -> Receive:
    if parts.producer is None:
        return _no_intake

    def record(arrivals: Sequence[Arrival], originals: Sequence[Original], at: int) -> None:
        keep(parts.ledger, arrivals, at=at, originals=originals)

    known, inward = Known(parts.ledger).seen, parts.inward
    return Reception(parts.producer, parts.topic, parts.city.city, known, record=record, inward=inward).receive


async def _no_intake(documents: Sequence[Any], system: str, *, batch: bool) -> Receipt:  # noqa: ARG001 - a port's shape
    raise Unavailable("this process takes no events: it runs without intake", mend="report to one that does")


class _NoQueue:
    """The queue of a process that has none: every call is safe to repeat elsewhere."""

    def claim(self, *_: Any, **__: Any) -> Json:
        raise Unavailable("this process hands out no work: it runs without delivery", mend="ask one that does")

    beat = complete = fail = claim


class _NoFeeds:
    """The feeds of a process that has none: every call is safe to repeat elsewhere."""

    def items(self, *_: Any, **__: Any) -> Any:
        raise Unavailable("this process has no feeds: it runs without delivery", mend="ask one that does")

    acknowledge = settled = items


async def _no_hook(system: str, name: str, headers: Mapping[str, str], body: bytes) -> Taken:  # noqa: ARG001
    raise Unavailable("this process takes no calls: it runs without intake", mend="call one that does")


def delivery_query(filters: Mapping[str, str], zone: ZoneInfo) -> tuple[DeliveryFilter, int, str | None]:
    """Return a query as `(filter, limit, cursor)`; lists are separated by commas. Raises `UsageError`."""
    limit = filters.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= LARGEST_PAGE):
        raise UsageError(f"not a limit: {limit}", mend=f"1 to {LARGEST_PAGE}")

    def several(name: str) -> tuple[str, ...]:
        return tuple(part for part in filters.get(name, "").split(",") if part)

    wanted = DeliveryFilter(
        systems=several("system"),
        statuses=several("status"),
        types=short(several("type")),
        resident=filters.get("resident"),
        batch=filters.get("batch"),
        since=times.since(filters.get("since"), zone),
        until=times.until(filters.get("until"), zone),
        error=filters.get("error"),
    )
    return wanted, int(limit), filters.get("cursor")


def _ledger_check(ledger: Ledger) -> Check:
    try:
        with ledger.read() as connection:
            ledger.now(connection)
    except Unavailable as error:
        return Check("ledger", ok=False, detail=error.message)
    return Check("ledger", ok=True)


def metrics_of(status: Json) -> list[Metric]:
    """Return the state of all (`Inquiry.status`) as metrics."""

    def by_receiver(value: Callable[[Json], float]) -> dict[tuple[tuple[str, str], ...], float]:
        return {_labels(each, "receiver"): value(each) for each in status["receivers"]}

    waiting = {
        (*_labels(each, "receiver"), ("status", name)): float(count)
        for each in status["receivers"]
        for name, count in each["waiting"].items()
    }
    faults = {_labels(each, "source"): float(each["fault"] is not None) for each in status["sources"]}
    return [
        Metric("hub_events", "counter", "Records dispatched, repeats included.", {(): float(status["records"])}),
        Metric("hub_quarantine", "gauge", "Inputs waiting in quarantine.", {(): float(status["quarantine"])}),
        Metric("hub_unread", "gauge", "Events a receiver has not read yet.", by_receiver(lambda each: each["behind"])),
        Metric("hub_waiting", "gauge", "Deliveries that wait, by status.", waiting),
        Metric(
            "hub_dead",
            "gauge",
            "Dead letters that nobody has sent again or dropped.",
            by_receiver(lambda each: each["dead"]),
        ),
        Metric(
            "hub_breaker_open",
            "gauge",
            "Whether a receiver is not reached (1).",
            by_receiver(lambda each: float(each["breaker"] is not None)),
        ),
        Metric(
            "hub_work",
            "gauge",
            "Work that no robot has finished.",
            by_receiver(lambda each: each["work"]["open"] if each["work"] else 0),
        ),
        Metric("hub_source_fault", "gauge", "Whether a source cannot be read (1).", faults),
    ]


def _labels(each: Json, part: str) -> tuple[tuple[str, str], ...]:
    return ("system", each["system"]), (part, each[part])

"""`hub morning`: what needs a person now, with since when, why, and what to do. Planned closures alarm nobody."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

import orjson

from hub.events.wire import system_of
from hub.ledger import alerts, batches, identities, quarantine, reviews, sources
from hub.ledger.engine import Ledger
from hub.ledger.names import Names
from hub.ledger.status import PERSONAL, delivery_words, event_code, event_word
from hub.ledger.views import EventFilter, Views
from hub.stages.contradictions import Contradictions
from hub.stages.times import moment

Json = dict[str, Any]
PAGE = 1000  # read at once; all pages are read

KINDS = (
    "dead", "unknown", "held", "stands-still", "source", "unread", "quarantine", "batch", "identity", "text",
    "waiting", "reported",  # both in `hub review`
    "review",  # of the events that wait for one
)  # fmt: skip


def morning(ledger: Ledger) -> list[Json]:
    """Return what needs a person, the oldest first.

    Each is `{"kind", "system", "name", "count", "since", "why", "code", "do"}`: `kind` is one of `KINDS`; `name` is a
    receiver, a source, a batch or an event; `code` is of the error that `why` tells of, if any; `do` is a command.
    """
    found = [
        *_deliveries(ledger), *_receivers(ledger), *_intake(ledger), *_reviews(ledger), *_identities(ledger),
        *_characters(ledger),
    ]  # fmt: skip
    return sorted(found, key=lambda each: each["since"] or "")


def _item(kind: str, key: str, count: int, since: int | None, why: str, do: str, code: str | None = None) -> Json:
    system, _, name = key.partition(".")
    told = {"kind": kind, "system": system, "name": name, "count": count, "since": moment(since) if since else None}
    return {**told, "why": why, "code": code, "do": do}


def _deliveries(ledger: Ledger) -> Iterator[Json]:
    views = Views(ledger)
    keys = {row.no: row.key for row in views.receivers()}
    for number, code, count, since in views.dead():
        system = keys[number].partition(".")[0]
        why = delivery_words(code)[1] or "dead"
        yield _item("dead", keys[number], count, since, why, f"hub deliveries list --system {system} --status dead")
    for number, code, count, begun in views.counts():
        status, reason = delivery_words(code)
        system = keys[number].partition(".")[0]
        if status == "unknown" or (status == "held" and reason in PERSONAL):
            do = f"hub deliveries list --system {system} --status {status}"
            yield _item(status, keys[number], count, begun, reason or status, do)


def _receivers(ledger: Ledger) -> Iterator[Json]:
    for row in Views(ledger).receivers():
        state = orjson.loads(row.state)
        if "fault" in state:
            since = state.get("fault_since")
            yield _item("stands-still", row.key, 1, since, state["fault"], "hub status", state.get("fault_code"))
        elif state.get("shut", {}).get("reason") == "protection-unknown":
            yield _item("stands-still", row.key, 1, None, state["shut"]["note"], "hub source list")
        elif "breaker" in state and "shut" not in state:
            breaker = state["breaker"]
            system = row.key.partition(".")[0]
            do = f"hub deliveries list --system {system} --status waiting"
            yield _item("stands-still", row.key, 1, breaker["since"], breaker["error"], do, breaker.get("code"))


def _intake(ledger: Ledger) -> Iterator[Json]:
    for each in sources.listing(ledger):
        if each.fault is not None:
            fault, key = each.fault, f"{each.system}.{each.source}"
            why = f"{fault['message']} ({fault['mend']})" if fault.get("mend") else fault["message"]
            yield _item("source", key, 1, fault.get("since"), why, "hub status", fault.get("code"))
        if each.unread is not None:
            left = each.unread
            more = ["…"] if left["count"] > len(left["names"]) else []
            why, key = ", ".join([*left["names"], *more]), f"{each.system}.{each.source}"
            yield _item("unread", key, left["count"], left["since"], why, "hub status")
    yield from _quarantine(ledger)
    for item in _held(ledger):
        key = ".".join(filter(None, (item.system, item.source)))
        do = f"hub batches show {shlex.quote(f'{key}/{item.id}')}"
        yield _item("batch", key, item.rows, item.first_seen, item.reason or item.status, do)


def _quarantine(ledger: Ledger) -> Iterator[Json]:
    for (system, source), group in groupby(quarantine.waiting(ledger), key=lambda row: row[:2]):
        found = list(group)
        why = ", ".join(code for _, _, code, _, _ in found)
        count, since = sum(row[3] for row in found), min(row[4] for row in found)
        yield _item("quarantine", ".".join(filter(None, (system, source))), count, since, why, "hub quarantine list")


def _held(ledger: Ledger) -> Iterator[batches.Item]:
    cursor: str | None = None
    while True:
        found, cursor = batches.listing(ledger, statuses=("held", "missing"), limit=PAGE, cursor=cursor)
        yield from found
        if cursor is None:
            return


def _reviews(ledger: Ledger) -> Iterator[Json]:
    for kind, system, source, status, count, since in reviews.waiting(ledger):
        do = f"hub review list --system {system} --status {status}"
        name = ".".join(filter(None, (system, source)))
        yield _item("waiting" if status == "waiting" else "reported", name, count, since, kind, do)
    names = Names(ledger, "source")
    for row in _awaiting(ledger):
        system = system_of(names.text(row.source))
        do = f"hub events show {shlex.quote(f'{system}/{row.id}')}"
        yield _item("review", system, 1, row.recorded_at, event_word(row.status), do)


def _identities(ledger: Ledger) -> Iterator[Json]:
    """Yield what waits for a person to say whom it is about."""
    items, _ = identities.listing(ledger, limit=PAGE)
    for key in sorted({f"{item.system}.{item.source}" for item in items}):
        mine = [item for item in items if f"{item.system}.{item.source}" == key]
        why = ", ".join(sorted({item.reason for item in mine}))
        do = f"hub identity list --system {mine[0].system}"
        yield _item("identity", key, len(mine), min(item.at for item in mine), why, do)


def _characters(ledger: Ledger) -> Iterator[Json]:
    """Yield the systems that were told with a sign in the place of characters they do not have."""
    for each in alerts.listing(ledger):
        if each.kind == "text":
            do = f"hub deliveries list --system {each.receiver.partition('.')[0]} --status warning"
            yield _item("text", each.receiver, each.count, each.raised_at, each.code, do)


def _awaiting(ledger: Ledger) -> Iterator[Any]:
    """Yield the events that contradict others as they stand now."""
    views, contradictions = Views(ledger), Contradictions(ledger)
    wanted = EventFilter(statuses=(event_code("awaiting-review"),))
    while found := views.events(wanted, PAGE):
        yield from contradictions.lasting(found)
        wanted = replace(wanted, after=(found[-1].recorded_at, found[-1].pos))

"""`hub morning`: what needs a person now, with since when, why, and what to do. Planned closures alarm nobody."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

import orjson

from hub.events.wire import system_of
from hub.ledger import alerts, attendance, batches, identities, jobs, quarantine, reviews, sources
from hub.ledger.engine import Ledger
from hub.ledger.names import Names
from hub.ledger.status import PERSONAL, delivery_words, event_code, event_word
from hub.ledger.views import EventFilter, Views
from hub.stages.contradictions import Contradictions
from hub.stages.times import moment

Json = dict[str, Any]
PAGE = 1000  # read at once; all pages are read
AT_WORK = 60_000  # milliseconds: a stage that was at work then is at work now
BROKEN_OFF = 600_000  # milliseconds that a killed hub has to be started again
DAY = 26 * 3_600_000  # milliseconds: a day, and two hours for what is run once a day
FORTNIGHT = 14 * 86_400_000  # milliseconds

FIRST = ("at-rest", "kafka")  # without these the others may not be all there is
KINDS = (
    *FIRST, "left", "approval", "protection",
    "dead", "unknown", "held", "stands-still", "source", "unread", "quarantine", "batch", "identity", "text",
    "untargeted",
    "waiting", "reported",  # both in `hub review`
    "review",  # of the events that wait for one
)  # fmt: skip


def morning(ledger: Ledger, left: Mapping[str, Json] | None = None) -> list[Json]:
    """Return what needs a person, the oldest first; before that, that the hub or its Kafka is not at work.

    `left` is by source `{"count", "names", "since"}` of the files that it should have read long ago.

    Each is `{"kind", "system", "name", "count", "since", "why", "code", "do"}`: `kind` is one of `KINDS`; `name` is a
    receiver, a source, a batch, an event or a job, `code` of the error that `why` tells of, if any, `do` a command.
    """
    found = [
        *_work(ledger, left or {}), *_deliveries(ledger), *_receivers(ledger), *_intake(ledger), *_reviews(ledger),
        *_identities(ledger), *_characters(ledger), *_jobs(ledger), *_untargeted(ledger),
    ]  # fmt: skip
    return sorted(found, key=lambda each: (each["kind"] not in FIRST, each["since"] or ""))


def _item(kind: str, key: str, count: int, since: int | None, why: str, do: str, code: str | None = None) -> Json:
    system, _, name = key.partition(".")
    told = {"kind": kind, "system": system, "name": name, "count": count, "since": moment(since) if since else None}
    return {**told, "why": why, "code": code, "do": do}


def _work(ledger: Ledger, left: Mapping[str, Json]) -> Iterator[Json]:
    """Yield that the hub has not been at work for long, or was ended from outside, or that Kafka does not answer it.

    A city may work by `hub drain`, some times a day: that nothing runs just now is nothing to tell.
    """
    with ledger.read() as connection:
        now = ledger.now(connection)
    found, leased = attendance.listing(ledger), attendance.leased_until(ledger)
    last = max((each.at for each in found), default=0)
    late = [each for each in found if each.at < now - DAY]
    if last < leased < now - BROKEN_OFF:
        yield _item("at-rest", "", 1, leased, "broken-off", "hub drain")
    elif late:
        why = ", ".join(each.stage for each in late)
        yield _item("at-rest", "", 1, min(each.at for each in late), why, "hub drain")
    silent = {each.kafka["bootstrap"]: each.kafka for each in found if each.kafka and each.at > now - AT_WORK}
    for bootstrap, kafka in silent.items():
        do = "hub kafka start" if kafka["managed"] else "hub kafka status"
        yield _item("kafka", "", 1, kafka["since"], bootstrap, do, "kafka")
    at_work = leased > now or last > now - AT_WORK
    yield from _left(ledger, left, "hub source list" if at_work else "hub drain")


def _left(ledger: Ledger, left: Mapping[str, Json], do: str) -> Iterator[Json]:
    """Yield the files that should have been read long ago, unless of their source it is told what keeps it."""
    kept = {f"{each.system}.{each.source}" for each in sources.listing(ledger) if each.fault is not None}
    kept |= {f"{each.system}.{each.source}" for each in _held(ledger) if each.status == "held"}
    for key, files in left.items():
        if key not in kept:
            yield _item("left", key, files["count"], files["since"], _names(files), do)


def _names(files: Mapping[str, Any]) -> str:
    return ", ".join([*files["names"], *(["…"] if files["count"] > len(files["names"]) else [])])


def _untargeted(ledger: Ledger) -> Iterator[Json]:
    """Yield, for two weeks, by system what took back a report that has not come since: perhaps another was meant."""
    with ledger.read() as connection:
        now = ledger.now(connection)
    found = Views(ledger).untargeted(now - FORTNIGHT, now - DAY)
    for system in dict.fromkeys(system for system, _, _ in found):
        mine = [(id_, at) for by, id_, at in found if by == system]
        id_, at = mine[0]
        name = f"{system}/{id_}"
        yield _item("untargeted", system, len(mine), at, name, f"hub events show {shlex.quote(name)}")


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
    """Yield the receivers that stand still, and once the list of protected residents for which they may all wait."""
    stale = Counter[tuple[str, str]]()
    for row in Views(ledger).receivers():
        state = orjson.loads(row.state)
        if "fault" in state:
            since = state.get("fault_since")
            yield _item("stands-still", row.key, 1, since, state["fault"], "hub status", state.get("fault_code"))
        elif state.get("shut", {}).get("reason") == "protection-unknown":
            stale[state["shut"].get("by", ""), state["shut"]["note"]] += 1
        elif "breaker" in state and "shut" not in state:
            breaker = state["breaker"]
            system = row.key.partition(".")[0]
            do = f"hub deliveries list --system {system} --status waiting"
            yield _item("stands-still", row.key, 1, breaker["since"], breaker["error"], do, breaker.get("code"))
    for (key, note), count in stale.items():
        system, _, source = key.partition(".")
        yield _item("protection", key, count, sources.load(ledger, system, source).read_at, note, "hub source list")


def _intake(ledger: Ledger) -> Iterator[Json]:
    for each in sources.listing(ledger):
        if each.fault is not None:
            fault, key = each.fault, f"{each.system}.{each.source}"
            why = f"{fault['message']} ({fault['mend']})" if fault.get("mend") else fault["message"]
            yield _item("source", key, 1, fault.get("since"), why, "hub status", fault.get("code"))
        if each.unread is not None:
            left, key = each.unread, f"{each.system}.{each.source}"
            yield _item("unread", key, left["count"], left["since"], _names(left), "hub status")
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


def _jobs(ledger: Ledger) -> Iterator[Json]:
    """Yield the jobs that wait for a second person, with what they come to."""
    for number, kind, at, totals in jobs.awaiting(ledger):
        count = sum(totals.get("counts", {}).values())
        yield _item("approval", f".{number}", count, at, kind, f"hub jobs show {number}")


def _awaiting(ledger: Ledger) -> Iterator[Any]:
    """Yield the events that contradict others as they stand now."""
    views, contradictions = Views(ledger), Contradictions(ledger)
    wanted = EventFilter(statuses=(event_code("awaiting-review"),))
    while found := views.events(wanted, PAGE):
        yield from contradictions.lasting(found)
        wanted = replace(wanted, after=(found[-1].recorded_at, found[-1].pos))

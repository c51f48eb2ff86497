"""The state of all: what waits, what stands still, how far everything is. Times are RFC 3339 in UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from hub.ledger import glance
from hub.ledger.glance import Ask
from hub.ledger.places import OFFSET_BITS, stream_of
from hub.ledger.status import delivery_words
from hub.stages.times import dated, moment

Json = dict[str, Any]
NOTHING: Json = {"waiting": {}, "since": None}


def overview(ask: Ask) -> Json:
    """Return what `hub status` tells of a ledger.

    `records` is what dispatch has read, every repeat included; `events` is what `hub events list` lists;
    `dead` is what nobody has sent again or dropped; `work` is what a receiver's robots have not finished; `delivering`
    is how many processes deliver now; `held` of a source is the batch for which it waits; `awaiting` are the jobs that
    wait for a second person.
    """
    positions = _pairs(ask, glance.POSITIONS)
    held = {(system, source): id_ for system, source, id_ in ask(glance.HELD)}
    return {
        "events": ask(glance.EVENTS)[0][0],
        "records": sum(positions.values()),
        "receivers": _receivers(ask, positions),
        "delivering": len({owner for owner, until, now in ask(glance.DELIVERING) if until > _milliseconds(now)}),
        "sources": [_source(row, held.get((row[0], row[1]))) for row in ask(glance.SOURCES)],
        "quarantine": ask(glance.QUARANTINED)[0][0],
        "awaiting": [{"no": no, "kind": kind, "since": moment(at)} for no, kind, at in ask(glance.AWAITING)],
    }


def unread(ask: Ask, ends: Mapping[str, Mapping[int, int]]) -> int:
    """Return how many records wait in Kafka to be dispatched, by the ends of its topics' partitions."""
    known = ask(glance.TOPIC)
    if not known:
        return 0
    generation, topic = known[0]
    positions = _pairs(ask, glance.POSITIONS)
    return sum(max(0, end - positions.get(stream_of(generation, part), 0)) for part, end in ends[topic].items())


def _pairs(ask: Ask, question: str) -> dict[int, int]:
    return {row[0]: row[1] for row in ask(question)}


def _receivers(ask: Ask, positions: Mapping[int, int]) -> list[Json]:
    waiting: dict[int, Json] = {}
    for number, code, count, since in ask(glance.WAITING):
        status, reason = delivery_words(code)
        told = waiting.setdefault(number, {"waiting": {}, "since": since})
        name = f"{status}:{reason}" if reason else status
        told["waiting"][name] = told["waiting"].get(name, 0) + count
        told["since"] = min(told["since"], since)
    dead = Counter[int]()
    for number, _, count, _ in ask(glance.OPEN_DEAD):
        dead[number] += count
    work = {row[0]: {"open": row[1], "since": moment(row[2])} for row in ask(glance.WORK)}
    ends = {stream: (stream << OFFSET_BITS) + following - 1 for stream, following in positions.items() if following}
    return [
        {
            **_receiver(key, orjson.loads(cursor), orjson.loads(state), ends, waiting.get(no, NOTHING), dead[no]),
            "work": work.get(no),
        }
        for no, key, cursor, state in ask(glance.RECEIVERS)
    ]


def _receiver(
    key: str, cursor: Mapping[str, int], state: Json, ends: Mapping[int, int], found: Json, dead: int
) -> Json:
    system, _, name = key.partition(".")
    read = {int(stream): pos for stream, pos in cursor.items()}
    return {
        "system": system,
        "receiver": name,
        "behind": sum(max(0, end - max(read.get(s, -1), (s << OFFSET_BITS) - 1)) for s, end in ends.items()),
        "waiting": found["waiting"],
        "since": moment(found["since"]) if found["since"] else None,
        "dead": dead,
        "fault": state.get("fault"),
        "fault_code": state.get("fault_code"),
        "held": dated(state.get("shut")),
        "breaker": dated(state.get("breaker")),
    }


def _source(row: Sequence[Any], held: str | None) -> Json:
    system, source, read_at, written = row
    state = orjson.loads(written)
    tally = state.get("tally", {})
    return {
        "system": system,
        "source": source,
        "read_at": moment(read_at) if read_at else None,
        "fault": dated(state.get("fault")),
        "held": held,
        "unread": dated(state.get("unread")),
        **{name: tally.get(name, 0) for name in ("rows", "events", "quarantined")},
    }


def _milliseconds(now: str | datetime) -> float:
    """Return the database's clock in milliseconds: PostgreSQL gives a time, SQLite its text in UTC."""
    told = datetime.fromisoformat(now).replace(tzinfo=UTC) if isinstance(now, str) else now
    return told.timestamp() * 1000

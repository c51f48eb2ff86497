"""`hub status`: what waits, what failed, and how far behind anything is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hub.cli import output
from hub.cli.codes import in_words
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import BrokerUnavailable

if TYPE_CHECKING:
    from hub.ledger.glance import Ask


def status(session: Session) -> None:
    """Tell the state of all."""
    from hub.stages.overview import overview

    with session.asking() as ask:
        found = {**overview(ask), "kafka": kafka_lag(session, ask)}
    session.answer(found, lambda: _write(found))


def kafka_lag(session: Session, ask: Ask) -> dict[str, Any]:
    """Return where Kafka serves and how many records wait there to be dispatched; None for what is not known."""
    from hub.kafka import asking
    from hub.ledger import glance
    from hub.stages.overview import unread

    bootstrap = os.environ.get("HUB_KAFKA", "").strip() or _local(session)
    if bootstrap is None:
        return {"bootstrap": None, "lag": None}
    try:
        ends = {topic: asking.end_offsets(bootstrap, topic) for _, topic in ask(glance.TOPIC)}
    except BrokerUnavailable:
        return {"bootstrap": bootstrap, "lag": None}
    if not ends and not any(asking.serves(address.strip()) for address in bootstrap.split(",")):
        return {"bootstrap": bootstrap, "lag": None}  # nothing was dispatched yet, and nobody was asked
    return {"bootstrap": bootstrap, "lag": unread(ask, ends)}


def _local(session: Session) -> str | None:
    if not (session.var / "kafka" / "broker.json").exists():
        return None
    from hub.kafka.local import LocalBroker

    return LocalBroker(session.var).bootstrap


def _write(found: dict[str, Any]) -> None:
    output.line(word("status.events", **found))
    lag = found["kafka"]["lag"]
    output.line(word("status.no-kafka") if lag is None else word("status.kafka", **found["kafka"]))
    output.line(word("status.delivering", count=found["delivering"]) if found["delivering"] else word("status.at-rest"))
    for job in found["awaiting"]:
        kind = output.worded(f"job-kind.{job['kind']}")
        output.line(word("status.awaiting", no=job["no"], kind=kind, since=output.when(job["since"])))
    headers = ("receiver", "behind", "waiting", "since", "dead", "held")
    output.table(
        [word(f"column.{name}") for name in headers],
        [
            (
                output.known(f"{each['system']}.{each['receiver']}"),
                each["behind"],
                ", ".join(f"{output.waiting(name)} {count}" for name, count in each["waiting"].items()),
                each["since"],
                each["dead"],
                _held(each),
            )
            for each in found["receivers"]
        ],
    )
    told = ("source", "read", "rows", "events", "quarantined", "held", "fault")
    output.table(
        [word(f"column.{name}") for name in told],
        [
            (
                output.known(f"{each['system']}.{each['source']}"),
                each["read_at"],
                each["rows"],
                each["events"],
                each["quarantined"],
                each["held"],
                output.trouble(each),
            )
            for each in found["sources"]
        ],
    )


def _held(receiver: dict[str, Any]) -> str | None:
    """Return what holds a receiver back: a fault, what shuts it, or its open breaker."""
    if receiver["fault"]:
        return in_words(receiver["fault_code"] or "", receiver["fault"])
    if receiver["held"]:
        return output.why(receiver["held"]["reason"])
    return output.stall(receiver["breaker"])
